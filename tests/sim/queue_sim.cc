// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/queue_sim.h"

#include <fmt/format.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/random.h"
#include "gateway/queue/rocks_queue.h"
#include "tests/sim/dice.h"
#include "tests/sim/memory_disk.h"
#include "tests/sim/queue_model.h"
#include "tests/sim/queue_reader.h"
#include "tests/sim/step_env.h"
#include "tests/support/fake_clock.h"

namespace tests {

namespace {

using common::ErrorCode;
using common::Result;
using common::Status;
using gateway::pipeline::AppendRequest;
using gateway::pipeline::ChunkSlice;
using gateway::pipeline::Cursor;
using gateway::pipeline::DeadLetter;
using gateway::pipeline::DeadLetterStage;
using gateway::pipeline::LogId;
using gateway::pipeline::LogState;
using gateway::pipeline::ReadBatch;
using gateway::pipeline::Settlement;
using gateway::queue::RocksQueue;
using Change = QueueModel::Change;

constexpr const char* kPath = "/store/queue";
constexpr std::uint64_t kIdHigh = 0x8000000000000000U;
constexpr gateway::pipeline::Dedupe kManyIds{.window = std::chrono::hours(24 * 365),
                                             .max_ids = 1'000'000};
constexpr std::size_t kMostTenants = 5;

DeadLetter Letter(DeadLetterStage stage, const std::string& text) {
  DeadLetter letter;
  letter.stage = stage;
  letter.event = text;
  return letter;
}

/// A change that was given to the queue, and its answer.
struct Submitted {
  Change change;
  std::optional<Status> answer;
};

class Run {
 public:
  Run(std::uint64_t seed, bool trace, QueueSimCounts& counts)
      : dice_(seed), trace_(trace), counts_(counts), disk_(std::make_shared<MemoryDisk>(seed)) {
    options_.path = kPath;
    options_.hot_tail_bytes = dice_.Percent(50) ? 0 : dice_.Between(1, 64) << 10;
    options_.max_pending_bytes = 8 << 20;
    options_.max_pending_requests = 1000;
    options_.max_commit_bytes = dice_.Between(1, 64) << 10;
    options_.max_chunk_bytes = dice_.Between(1, 32) << 10;
    small_cap_ = dice_.Percent(30);
    options_.max_rejected_bytes = small_cap_ ? 4 << 10 : 64 << 20;
    options_.max_dead_bytes = 64 << 20;
    options_.health_probe_interval = std::chrono::seconds(1);
    options_.write_buffer_bytes = dice_.Between(16, 256) << 10;
    options_.write_buffer_count = static_cast<int>(dice_.Between(2, 4));
    options_.max_wal_bytes = dice_.Between(64, 1024) << 10;
    options_.block_cache_bytes = 1 << 20;
    tenants_ = dice_.Between(1, kMostTenants);
  }

  void Go() {
    Boot();
    const std::uint64_t steps = dice_.Between(30, 150);
    for (std::uint64_t i = 0; i < steps; ++i) Step();
    Finish();
  }

 private:
  template <typename... Args>
  void Trace(fmt::format_string<Args...> format, Args&&... args) const {
    if (trace_) fmt::print(stderr, format, std::forward<Args>(args)...);
  }

  // ---- The process ---------------------------------------------------------------------

  /// Starts the process on the disk as it is; mends the disk when it will not.
  void Boot() {
    env_ = std::make_unique<StepEnv>(disk_);
    options_.env = env_.get();
    disk_->OnSync([this] { clock_.Advance(std::chrono::microseconds(dice_.Skewed(20'000))); });
    registry_ = std::make_unique<prometheus::Registry>();
    auto opened = RocksQueue::Open(options_, clock_, *registry_);
    if (!opened && disk_->failures() > 0 && !disk_->cut()) {
      Trace("boot refused: {}\n", opened.error().message);
      Mend();
      registry_ = std::make_unique<prometheus::Registry>();
      opened = RocksQueue::Open(options_, clock_, *registry_);
    }
    if (disk_->cut()) {
      // The process that came up was dead already.
      opened = tl::unexpected(common::Error{});
      return AfterCut({});
    }
    if (!opened) throw Wrong("does not open: " + opened.error().message);
    queue_ = std::move(*opened);
    Check();
  }

  /// The process goes, with all that waited in it.
  void Stop() {
    submitted_.clear();
    outstanding_.clear();
    queue_.reset();
    registry_.reset();
    env_.reset();
  }

  void Restart() {
    Stop();
    if (disk_->cut()) return AfterCut({});
    // What was written is there; a stop that could not sync leaves it to the kernel.
    possible_ = Candidates();
    Boot();
  }

  /// The states that the store may be in now, after the loss of nothing but the process.
  std::vector<QueueModel> Candidates() const {
    std::vector<QueueModel> candidates = unresolved_;
    candidates.push_back(now_);
    return candidates;
  }

  /// `attempted`: what the commit held that was cut, if one was.
  void AfterCut(const std::vector<Change>& attempted) {
    possible_ = Candidates();
    if (cut_kind_ == MemoryDisk::Cut::kPower) {
      possible_.insert(possible_.end(), unsynced_.begin(), unsynced_.end());
      ++counts_.power_cuts;
    } else {
      ++counts_.kills;
    }
    if (!attempted.empty()) {
      possible_.push_back(now_);
      possible_.back().Apply(attempted);
    }
    Trace("cut ({}); {} states are possible\n",
          cut_kind_ == MemoryDisk::Cut::kPower ? "power" : "kill", possible_.size());
    std::shared_ptr<MemoryDisk> survivor = disk_->TakeSurvivor();
    counts_.faults += disk_->failures();
    Stop();
    disk_ = std::move(survivor);
    Mend();
    Boot();
  }

  /// True when the world ended in this step.
  bool EndedBy(const std::vector<Change>& attempted) {
    if (!disk_->cut()) return false;
    AfterCut(attempted);
    return true;
  }

  // ---- Actions -------------------------------------------------------------------------

  void Step() {
    const std::uint64_t roll = dice_.Below(100);
    if (roll < 30) return Append();
    if (roll < 55) return Commit();
    if (roll < 78) return Deliver();
    if (roll < 85) return RunJobs();
    if (roll < 90) return PassTime();
    if (roll < 92) return RestartCleanly();
    if (roll < 95) return ArmCut();
    if (roll < 97) return Break();
    Heal();
  }

  void Append() {
    const std::optional<LogId> log = AnyLog();
    if (!log) return;
    QueueModel::Append append{
        .log = *log, .dedupe = dice_.Percent(40), .events = {}, .rejected = {}};
    const std::uint64_t count = dice_.Between(dice_.Percent(90) ? 1 : 0, 1 + dice_.Skewed(12));
    const std::uint64_t filler = dice_.Percent(85) ? dice_.Below(200) : dice_.Below(6'000);
    for (std::uint64_t i = 0; i < count; ++i) {
      // An id that came before is a client that tries again; the text tells the tries apart.
      const bool again = append.dedupe && last_id_ > 0 && !unreadable_ && dice_.Percent(30);
      const std::uint64_t id = again ? dice_.Between(1, last_id_) : ++last_id_;
      append.events.push_back({.text = fmt::format("e{}#{}:{}", id, ++last_text_,
                                                   std::string(dice_.Below(filler + 1), 'x')),
                               .id = append.dedupe && dice_.Percent(95) ? id : 0});
    }
    if (append.events.empty() || dice_.Percent(10)) {
      const std::uint64_t refused = dice_.Between(1, 4);
      for (std::uint64_t i = 0; i < refused; ++i) {
        append.rejected.push_back(
            fmt::format("r{}:{}", ++last_text_, std::string(dice_.Below(300), 'y')));
      }
    }
    Trace("append to {}: {} events, {} refused\n", *log, append.events.size(),
          append.rejected.size());
    Submit(append);
    if (dice_.Percent(50)) Commit();
  }

  void Submit(const QueueModel::Append& append) {
    AppendRequest request;
    request.log = append.log;
    request.received_at = clock_.Wall();
    if (append.dedupe) request.dedupe = kManyIds;
    for (const QueueModel::Event& event : append.events) {
      request.events.Append(event.text);
      if (append.dedupe) {
        request.events.ids.push_back({.high = event.id == 0 ? 0 : kIdHigh, .low = event.id});
      }
    }
    for (const std::string& text : append.rejected) {
      request.rejected.push_back(Letter(DeadLetterStage::kIngest, text));
    }
    const auto entry = std::make_shared<Submitted>(Submitted{append, std::nullopt});
    submitted_.push_back(entry);
    queue_->Append(std::move(request),
                   [entry](Status status) { entry->answer = std::move(status); });
  }

  /// One turn of the committer, and what it means for the model.
  void Commit() {
    const std::uint64_t errors_before = Counter("queue_commit_errors_total");
    const bool was_ok = queue_->health().ok;
    queue_->CommitOnce();
    std::vector<Change> attempted;
    std::optional<Status> answer;
    std::erase_if(submitted_, [&](const std::shared_ptr<Submitted>& entry) {
      if (!entry->answer) return false;
      attempted.push_back(entry->change);
      answer = entry->answer;
      if (const auto* settle = std::get_if<QueueModel::Settle>(&entry->change)) {
        outstanding_.erase(settle->log);
      }
      return true;
    });
    if (answer) Trace("commit of {}: {}\n", attempted.size(), *answer ? "ok" : "refused");
    if (EndedBy(attempted)) return;
    const bool ok = queue_->health().ok;
    if (!was_ok && ok) {
      // The repair is synced, and behind it nothing of what failed can come back.
      unresolved_.clear();
      unsynced_.clear();
      ++counts_.recoveries;
      Trace("recovered\n");
    }
    if (!answer) return;
    if (*answer) return Committed(attempted);
    if (answer->error().code != ErrorCode::kIo) throw Wrong(answer->error().message);
    if (disk_->failures() == 0) throw Wrong("refused without a fault: " + answer->error().message);
    if (Counter("queue_commit_errors_total") > errors_before) {
      unresolved_.push_back(now_);
      unresolved_.back().Apply(attempted);
    }
  }

  /// What stored something is on disk, and all before it. Settlements alone, and repetitions,
  /// need not be.
  void Committed(const std::vector<Change>& commit) {
    ++counts_.commits;
    unsynced_.push_back(now_);
    const std::uint64_t stored_before = now_.stored();
    now_.Apply(commit);
    if (now_.stored() > stored_before) unsynced_.clear();
    CheckPositions();
  }

  /// Reads from a log's cursor and settles a part of it.
  void Deliver() {
    const std::optional<LogId> log = AnyLog();
    if (!log || outstanding_.contains(*log)) return;
    const Result<LogState> state = queue_->State(*log);
    const std::optional<ReadBatch> batch =
        Read(*queue_, *disk_,
             {.log = *log,
              .from = state->cursor,
              .max_events = static_cast<std::uint32_t>(dice_.Between(1, 20)),
              .max_bytes = dice_.Between(1, 20'000)});
    if (!batch) return;
    const QueueModel::Log& model = now_.logs.at(*log);
    CheckBatch(model, *batch);
    if (batch->events == 0) return;
    QueueModel::Settle settle{.log = *log, .next = model.next, .dead = {}, .attempts = 0};
    Settlement settlement;
    settlement.log = *log;
    settlement.cursor = state->cursor;
    std::uint64_t wanted = dice_.Percent(80) ? dice_.Between(1, batch->events) : 0;
    if (wanted == 0) settle.attempts = static_cast<std::uint32_t>(dice_.Between(1, 9));
    for (const ChunkSlice& slice : batch->slices) {
      for (std::uint32_t i = 0; i < slice.count && wanted > 0; ++i, --wanted) {
        const std::uint32_t index = slice.from + i + 1;
        const bool whole = index == slice.chunk->count();
        if (whole) settlement.finished_chunks.push_back(slice.chunk->first);
        settlement.cursor =
            whole ? Cursor{slice.chunk->end(), 0} : Cursor{slice.chunk->first, index};
        ++settle.next;
        if (!dice_.Percent(5)) continue;
        const std::string text(slice.chunk->Span(slice.from + i, 1));
        settle.dead.push_back(text);
        settlement.dead.push_back(Letter(DeadLetterStage::kDelivery, text));
      }
    }
    settlement.retry.attempts = settle.attempts;
    Trace("settle {} to {}, {} dead\n", *log, settle.next, settle.dead.size());
    outstanding_.insert(*log);
    const auto entry = std::make_shared<Submitted>(Submitted{settle, std::nullopt});
    submitted_.push_back(entry);
    queue_->Settle(std::move(settlement),
                   [entry](Status status) { entry->answer = std::move(status); });
    if (dice_.Percent(50)) Commit();
  }

  void RunJobs() {
    counts_.jobs += env_->RunJobs(dice_.Between(1, 20));
    EndedBy({});
  }

  void PassTime() {
    clock_.Advance(std::chrono::milliseconds(dice_.Below(3'000)));
    if (!dice_.Percent(10)) return;
    const auto day = std::chrono::hours(24);
    clock_.JumpWall(dice_.Percent(50) ? day : -day);
  }

  void RestartCleanly() {
    Trace("restart\n");
    ++counts_.clean_restarts;
    Restart();
  }

  void ArmCut() {
    cut_kind_ = dice_.Percent(60) ? MemoryDisk::Cut::kPower : MemoryDisk::Cut::kKill;
    disk_->ArmCut(cut_kind_, dice_.Skewed(60));
  }

  void Break() {
    using Op = MemoryDisk::Op;
    using Kind = MemoryDisk::Kind;
    MemoryDisk::Fault fault;
    const std::array<Op, 7> ops{Op::kAppend, Op::kSync, Op::kCreate,       Op::kRename,
                                Op::kDelete, Op::kRead, Op::kSyncDirectory};
    const std::array<Kind, 4> kinds{Kind::kLog, Kind::kTable, Kind::kManifest, Kind::kOther};
    const bool full = dice_.Percent(50);
    if (full) {
      // A full disk refuses bytes, whatever the file.
      fault.ops = {Op::kAppend, Op::kCreate};
      fault.kinds = {kinds.begin(), kinds.end()};
      if (dice_.Percent(30)) fault.ops.insert(Op::kSync);
      fault.error = rocksdb::IOStatus::NoSpace("injected");
      fault.error.SetRetryable(true);  // As the real file system does.
    } else {
      fault.ops = {ops.at(dice_.Below(ops.size()))};
      fault.kinds = {kinds.at(dice_.Below(kinds.size()))};
      fault.error = rocksdb::IOStatus::IOError("injected");
    }
    fault.skip = dice_.Skewed(10);
    fault.times = dice_.Percent(50) ? 1 : dice_.Between(2, 1000);
    Trace("break: {} op {} kind {} after {} for {}\n", full ? "full" : "error",
          static_cast<int>(*fault.ops.begin()), static_cast<int>(*fault.kinds.begin()), fault.skip,
          fault.times);
    if (fault.ops.contains(Op::kRead)) {
      // Ids that cannot be looked up are taken for new ones, which is right and no model's
      // business.
      while (!submitted_.empty()) Commit();
      unreadable_ = true;
    }
    disk_->Inject(std::move(fault));
    faulty_ = true;
  }

  void Mend() {
    disk_->Heal();
    faulty_ = false;
    unreadable_ = false;
  }

  /// The disk is well again, and what asked for a restart gets one.
  void Heal() {
    Trace("heal\n");
    Mend();
    if (queue_->health().needs_restart) return Restart();
    clock_.Advance(std::chrono::seconds(2));
    if (!queue_->health().ok && !finishing_ && dice_.Percent(50)) ArmCut();
    Commit();
  }

  // ---- What it is asked ----------------------------------------------------------------

  std::optional<LogId> AnyLog() {
    const std::string tenant = fmt::format("tenant-{}", dice_.Below(tenants_));
    const Result<LogState> state = queue_->OpenLog(tenant);
    if (disk_->cut()) {
      AfterCut({});
      return std::nullopt;
    }
    if (!state) {
      if (disk_->failures() == 0) throw Wrong("OpenLog: " + state.error().message);
      return std::nullopt;
    }
    if (now_.logs.contains(state->log)) return state->log;
    now_.logs[state->log].tenant = tenant;
    for (std::vector<QueueModel>* models : {&unresolved_, &unsynced_}) {
      for (QueueModel& model : *models) model.logs[state->log].tenant = tenant;
    }
    return state->log;
  }

  static void CheckBatch(const QueueModel::Log& model, const ReadBatch& batch) {
    const std::vector<std::string> texts = TextsOf(batch);
    if (texts.size() > model.pending.size() ||
        !std::equal(texts.begin(), texts.end(), model.pending.begin())) {
      throw Wrong("a read gives other events than were accepted");
    }
    if (texts.empty() && !model.pending.empty()) throw Wrong("a read finds nothing");
  }

  /// What State says of each log is what the model says.
  void CheckPositions() const {
    for (const auto& [id, log] : now_.logs) {
      const Result<LogState> state = queue_->State(id);
      if (!state) throw Wrong("a log is gone");
      if (state->cursor.next() != log.next || state->tail != log.tail() ||
          state->dead != log.dead.size()) {
        throw Wrong(fmt::format("log {}: cursor {} tail {} dead {}, expected {} {} {}", id,
                                state->cursor.next(), state->tail, state->dead, log.next,
                                log.tail(), log.dead.size()));
      }
    }
  }

  /// Everything the store holds is what one of the possible models holds; that one it is.
  void Check() {
    if (faulty_) Mend();
    QueueModel::Observed observed;
    for (const LogState& state : queue_->Logs())
      observed.logs[state.log] = Observe(*queue_, *disk_, state);
    std::string differences;
    bool found = false;
    for (const QueueModel& model : possible_) {
      const std::string difference = model.Difference(observed, small_cap_);
      if (!difference.empty()) {
        differences += "\n  " + difference;
        continue;
      }
      now_ = model;
      found = true;
      break;
    }
    if (!possible_.empty() && !found)
      throw Wrong("the store is in no possible state:" + differences);
    for (auto& [id, log] : observed.logs) {
      QueueModel::Log& mine = now_.logs[id];
      if (mine.tenant.empty() && log.tail() > 0) throw Wrong("a log that nobody opened has events");
      mine.tenant = log.tenant;
      mine.refused = std::move(log.refused);
    }
    possible_.clear();
    unresolved_.clear();
    unsynced_.clear();
    CheckPositions();
  }

  std::uint64_t Counter(const std::string& name) const {
    for (const prometheus::MetricFamily& family : registry_->Collect()) {
      if (family.name != "segment_gateway_" + name) continue;
      return static_cast<std::uint64_t>(family.metric.at(0).counter.value);
    }
    throw Wrong("no metric " + name);
  }

  /// Faults have ended: everything that was accepted gets delivered.
  void Finish() {
    finishing_ = true;
    disk_->DisarmCut();
    Heal();
    while (!submitted_.empty()) Commit();
    Restart();
    for (auto& [id, log] : now_.logs) {
      counts_.events += log.tail();
      counts_.delivered += log.next;
    }
    counts_.faults += disk_->failures();
    for (int guard = 0; guard < 100'000; ++guard) {
      const bool pending = std::ranges::any_of(
          now_.logs, [](const auto& entry) { return !entry.second.pending.empty(); });
      if (!pending && submitted_.empty()) return Restart();
      Deliver();
      Commit();
    }
    throw Wrong("the backlog does not drain");
  }

  Dice dice_;
  const bool trace_;
  QueueSimCounts& counts_;
  gateway::queue::Options options_;
  std::uint64_t tenants_ = 1;
  bool small_cap_ = false;
  FakeClock clock_;

  std::shared_ptr<MemoryDisk> disk_;
  std::unique_ptr<StepEnv> env_;
  std::unique_ptr<prometheus::Registry> registry_;
  std::unique_ptr<RocksQueue> queue_;
  bool faulty_ = false;
  bool unreadable_ = false;  ///< Some files.
  bool finishing_ = false;
  MemoryDisk::Cut cut_kind_ = MemoryDisk::Cut::kKill;

  QueueModel now_;
  std::vector<QueueModel> unsynced_;    ///< Earlier states that a power cut may bring back.
  std::vector<QueueModel> unresolved_;  ///< States that a write has left that failed.
  std::vector<QueueModel> possible_;    ///< At a start: what the store may hold.
  std::vector<std::shared_ptr<Submitted>> submitted_;
  std::set<LogId> outstanding_;  ///< Logs with a settlement on its way.
  std::uint64_t last_id_ = 0;
  std::uint64_t last_text_ = 0;
};

}  // namespace

QueueSimCounts& QueueSimCounts::operator+=(const QueueSimCounts& other) {
  events += other.events;
  delivered += other.delivered;
  commits += other.commits;
  kills += other.kills;
  power_cuts += other.power_cuts;
  clean_restarts += other.clean_restarts;
  faults += other.faults;
  recoveries += other.recoveries;
  jobs += other.jobs;
  return *this;
}

std::string RunQueueSim(std::uint64_t seed, bool trace, QueueSimCounts& counts) {
  try {
    Run(seed, trace, counts).Go();
    return "";
  } catch (const Wrong& wrong) {
    return wrong.what();
  }
}

}  // namespace tests

// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/rocks_queue.h"

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "common/log.h"
#include "gateway/queue/committer.h"
#include "gateway/queue/disk_reader.h"
#include "gateway/queue/hot_tail.h"
#include "gateway/queue/intake.h"
#include "gateway/queue/log_loader.h"
#include "gateway/queue/log_registry.h"
#include "gateway/queue/log_table.h"
#include "gateway/queue/queue_metrics.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/rocks_status.h"
#include "gateway/queue/rocks_store.h"
#include "gateway/queue/store_backup.h"
#include "gateway/queue/store_counters.h"
#include "gateway/queue/store_files.h"
#include "gateway/queue/stored_records.h"
#include "gateway/queue/tail_ledger.h"
#include "gateway/queue/tails_file.h"

namespace gateway::queue {

using common::ErrorCode;
using common::Fail;
using common::Result;
using common::Status;
using pipeline::LogId;
using pipeline::LogState;

namespace {

constexpr std::uint64_t kMaxChunkBytes = std::uint64_t{1} << 30;  // Offsets are 32 bits.

Status CheckOptions(const Options& options) {
  const bool complete = !options.path.empty() && options.max_pending_bytes > 0 &&
                        options.max_pending_requests > 0 && options.max_commit_bytes > 0 &&
                        options.max_chunk_bytes > 0 && options.write_buffer_bytes > 0 &&
                        options.max_wal_bytes > 0 && options.block_cache_bytes > 0 &&
                        options.health_probe_interval > common::Duration::zero();
  if (!complete) {
    return Fail(ErrorCode::kInvalidArgument, "the queue's options leave a path or size unset");
  }
  if (options.max_chunk_bytes > kMaxChunkBytes) {
    return Fail(ErrorCode::kInvalidArgument, "max_chunk_bytes must be 1 GiB or less");
  }
  if (options.write_buffer_count < 2) {
    return Fail(ErrorCode::kInvalidArgument, "write_buffer_count must be 2 or more");
  }
  return common::Ok();
}

Result<std::uint64_t> LoadLastDeadId(const RocksStore& store) {
  const Result<std::string> stored = store.GetMeta(kDeadIdKey);
  if (stored) return DecodeNumber(*stored);
  if (stored.error().code == ErrorCode::kNotFound) return std::uint64_t{0};
  return tl::unexpected(stored.error());
}

std::uint64_t AppendCost(const pipeline::AppendRequest& request) {
  std::uint64_t bytes = sizeof(PendingAppend) + request.events.bytes.size() +
                        request.events.sizes.size() * sizeof(std::uint32_t) +
                        request.events.ids.size() * sizeof(pipeline::EventId);
  for (const pipeline::DeadLetter& letter : request.rejected) {
    bytes += sizeof(letter) + letter.message.size() + letter.event.size();
  }
  return bytes;
}

}  // namespace

/// The parts, in the order in which they depend on each other.
class RocksQueue::Impl {
 public:
  Impl(const Options& options, prometheus::Registry& registry)
      : env(EnvOf(options)),
        path(options.path),
        metrics(registry),
        counters(registry),
        hot_tail(options.hot_tail_bytes),
        intake({.pending_bytes = options.max_pending_bytes,
                .pending_requests = options.max_pending_requests,
                .commit_bytes = options.max_commit_bytes,
                .linger = options.commit_linger,
                .gather_percent = options.commit_gather_percent}) {}

  /// Opens the store and makes everything that works on it.
  Status Load(const Options& options, const common::Clock& clock);

  rocksdb::Env* const env;
  const std::string path;
  StoreHealth health;
  QueueMetrics metrics;
  StoreCounters counters;
  LogTable table;
  HotTail hot_tail;
  Intake intake;
  std::unique_ptr<RocksStore> store;
  std::unique_ptr<Committer> committer;
  std::unique_ptr<DiskReader> reader;
  std::mutex open_log_mutex;  ///< One OpenLog at a time, or a tenant could get two logs.
};

RocksQueue::RocksQueue(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

RocksQueue::~RocksQueue() {
  Stop();
  // Only when the committer never ran: its loop leaves nothing behind.
  Work left;
  const auto now = std::chrono::steady_clock::now();
  while (impl_->intake.Take(left, now) == Intake::Taken::kWork) {
    const Status closed = Fail(ErrorCode::kUnavailable, "the queue is closed");
    for (PendingAppend& append : left.appends) append.done(closed);
    for (PendingSettle& settle : left.settlements) settle.done(closed);
    for (PendingQuarantine& quarantine : left.quarantines) quarantine.done(closed);
    left.clear();
  }
  SaveTails();
}

Result<std::unique_ptr<RocksQueue>> RocksQueue::Open(const Options& options,
                                                     const common::Clock& clock,
                                                     prometheus::Registry& registry) {
  if (Status checked = CheckOptions(options); !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  auto impl = std::make_unique<Impl>(options, registry);
  Status loaded = impl->Load(options, clock);
  if (!loaded && loaded.error().code == ErrorCode::kDataLoss) {
    // The store opened, and a record that it begins with cannot be read.
    common::log::Error("queue_damaged_store", "the store cannot be read; looking at its tables",
                       {{"path", options.path}, {"error", loaded.error().message}});
    impl = std::make_unique<Impl>(options, registry);
    const rocksdb::Status marked = Mark(EnvOf(options), options.path, kCheckTables);
    if (!marked.ok()) return tl::unexpected(ToError(marked, "mark the store as damaged"));
    loaded = impl->Load(options, clock);
  }
  if (!loaded) return tl::unexpected(std::move(loaded.error()));
  common::log::Info("queue_opened", "the event store is open",
                    {{"path", options.path}, {"logs", impl->table.States().size()}});
  return std::unique_ptr<RocksQueue>(new RocksQueue(std::move(impl)));
}

Status RocksQueue::Impl::Load(const Options& options, const common::Clock& clock) {
  Result<std::unique_ptr<RocksStore>> opened = RocksStore::Open(options, health);
  if (!opened) return tl::unexpected(std::move(opened.error()));
  store = std::move(*opened);
  if (Status complete = CompleteRegistry(*store); !complete) return complete;
  if (Status loaded = LoadLogs(*store, table); !loaded) return loaded;
  const Result<std::uint64_t> dead_id = LoadLastDeadId(*store);
  if (!dead_id) return tl::unexpected(dead_id.error());
  Result<LetterLedger> rejected = LetterLedger::Load(
      *store, {.family = Family::kRejected, .prefix = kRejectedPrefix},
      {.max_bytes = options.max_rejected_bytes, .max_age = options.max_letter_age});
  if (!rejected) return tl::unexpected(std::move(rejected.error()));
  Result<LetterLedger> dead =
      LetterLedger::Load(*store, {.family = Family::kDead, .prefix = kDeadPrefix},
                         {.max_bytes = options.max_dead_bytes, .max_age = options.max_letter_age});
  if (!dead) return tl::unexpected(std::move(dead.error()));
  Result<IdLedger> ids = IdLedger::Load(*store);
  if (!ids) return tl::unexpected(std::move(ids.error()));
  Result<TailLedger> tails = TailLedger::Open(*store, table);
  if (!tails) return tl::unexpected(std::move(tails.error()));
  committer = std::make_unique<Committer>(
      Committer::Parts{.store = *store,
                       .table = table,
                       .intake = intake,
                       .hot_tail = hot_tail,
                       .health = health,
                       .metrics = metrics,
                       .clock = clock},
      CommitBuilder(*store, table, clock, options.max_chunk_bytes, *dead_id,
                    {.rejected = std::move(*rejected),
                     .dead = std::move(*dead),
                     .ids = std::move(*ids),
                     .tails = std::move(*tails)}),
      options.min_free_bytes, options.health_probe_interval);
  reader = std::make_unique<DiskReader>(*store, table, intake);
  return common::Ok();
}

void RocksQueue::RunCommitter() { impl_->committer->Run(); }

void RocksQueue::RunReader() { impl_->reader->Run(); }

void RocksQueue::CommitOnce() { impl_->committer->RunOnce({}); }

void RocksQueue::ReadOnce() { impl_->reader->RunOnce(); }

void RocksQueue::Stop() {
  impl_->reader->Close();
  impl_->intake.Close();
}

Result<LogState> RocksQueue::OpenLog(std::string_view tenant_id) {
  if (Status opened = OpenLogs(std::span(&tenant_id, 1)); !opened) {
    return tl::unexpected(std::move(opened.error()));
  }
  return *impl_->table.State(*impl_->table.FindTenant(tenant_id));
}

Status RocksQueue::OpenLogs(std::span<const std::string_view> tenant_ids) {
  const std::scoped_lock lock(impl_->open_log_mutex);
  std::map<std::string_view, LogId> added;
  for (const std::string_view tenant_id : tenant_ids) {
    // A number whose write fails is not tried again: it may have reached the log file.
    if (!impl_->table.FindTenant(tenant_id) && !added.contains(tenant_id)) {
      added.emplace(tenant_id, impl_->table.TakeNextId());
    }
  }
  if (added.empty()) return common::Ok();
  if (!impl_->health.ok()) return Fail(ErrorCode::kIo, impl_->health.Get().reason);
  rocksdb::WriteBatch batch;
  for (const auto& [tenant_id, id] : added) PutLog(*impl_->store, id, tenant_id, batch);
  const rocksdb::Status written = impl_->store->Write(batch, true);
  if (!written.ok()) {
    common::Error error = ToError(written, "register a tenant's log");
    impl_->health.ReportFailure(error.message, false);
    return tl::unexpected(std::move(error));
  }
  for (const auto& [tenant_id, id] : added) {
    impl_->table.Add(id, std::string(tenant_id), LogPosition{});
  }
  return common::Ok();
}

void RocksQueue::Append(pipeline::AppendRequest request, AppendDone done) {
  const std::uint64_t bytes = AppendCost(request);
  PendingAppend append{
      .request = std::move(request), .done = std::move(done), .bytes = bytes, .refused = {}};
  if (Status pushed = impl_->intake.Push(append); !pushed) append.done(std::move(pushed));
}

void RocksQueue::Read(pipeline::ReadRequest request, ReadDone done) {
  const auto bounds = impl_->table.Bounds(request.log);
  if (!bounds) {
    done(Fail(ErrorCode::kInvalidArgument, "unknown log"));
    return;
  }
  if (request.from.next() >= bounds->second || request.max_events == 0) {
    done(pipeline::ReadBatch{});
    return;
  }
  pipeline::ReadBatch batch;
  if (impl_->hot_tail.Read(request, batch)) {
    impl_->metrics.hot_tail_hits.Increment();
    done(std::move(batch));
    return;
  }
  impl_->metrics.hot_tail_misses.Increment();
  impl_->reader->Submit(request, std::move(done));
}

void RocksQueue::Settle(pipeline::Settlement settlement, SettleDone done) {
  PendingSettle settle{.settlement = std::move(settlement), .done = std::move(done), .refused = {}};
  if (Status pushed = impl_->intake.Push(settle); !pushed) settle.done(std::move(pushed));
}

void RocksQueue::SetCommitListener(CommitListener listener) {
  impl_->committer->SetListener(std::move(listener));
}

std::uint64_t RocksQueue::PendingBytes(LogId log) const { return impl_->table.PendingBytes(log); }

std::vector<LogState> RocksQueue::Logs() const { return impl_->table.States(); }

Result<LogState> RocksQueue::State(LogId log) const {
  std::optional<LogState> state = impl_->table.State(log);
  if (!state) return Fail(ErrorCode::kNotFound, "unknown log");
  return std::move(*state);
}

Result<std::vector<std::pair<RocksQueue::DeadLetterId, pipeline::DeadLetter>>>
RocksQueue::ReadDeadLetters(LogId log, DeadLetterId after, std::size_t limit) const {
  const std::string begin = EncodeKey(EntryKey{log, after + 1});
  RangeScan dead(*impl_->store, Family::kDead, begin, LogUpperBound(log));
  RangeScan rejected(*impl_->store, Family::kRejected, begin, LogUpperBound(log));
  dead->SeekToFirst();
  rejected->SeekToFirst();
  std::vector<std::pair<DeadLetterId, pipeline::DeadLetter>> letters;
  while (letters.size() < limit && (dead->Valid() || rejected->Valid())) {
    // Both begin with the same log, so the order of keys is that of ids.
    const bool from_dead = !rejected->Valid() || (dead->Valid() && dead.key() < rejected.key());
    RangeScan& scan = from_dead ? dead : rejected;
    const std::optional<EntryKey> key = DecodeEntryKey(scan.key());
    if (!key) return Fail(ErrorCode::kDataLoss, "a dead letter has a key of a wrong length");
    Result<pipeline::DeadLetter> letter = DecodeDeadLetter(scan.value());
    if (!letter) return tl::unexpected(std::move(letter.error()));
    letters.emplace_back(key->number, std::move(*letter));
    scan->Next();
  }
  for (const RangeScan* scan : {&dead, &rejected}) {
    const rocksdb::Status status = (*scan)->status();
    if (!status.ok()) return tl::unexpected(ToError(status, "read dead letters"));
  }
  return letters;
}

Status RocksQueue::ReclaimSpace() {
  for (const LogState& log : impl_->table.States()) {
    if (log.pending() != 0) return common::Ok();
  }
  const rocksdb::Status compacted = impl_->store->CompactQueue();
  if (!compacted.ok()) return tl::unexpected(ToError(compacted, "reclaim space"));
  return common::Ok();
}

Result<BackupReport> RocksQueue::Backup(const BackupOptions& options,
                                        const BackupProgress& progress,
                                        const std::stop_token& stop) const {
  if (!impl_->health.ok()) {
    // Its log files are about to be cut.
    return Fail(ErrorCode::kUnavailable,
                "no backup while the store takes no writes: " + impl_->health.Get().reason);
  }
  return BackupStore(*impl_->store, options, progress, stop);
}

RocksQueue::FilesHold::FilesHold(RocksStore& store) : store_(store) { store_.KeepFiles(); }
RocksQueue::FilesHold::~FilesHold() { store_.DeleteFiles(); }

std::unique_ptr<RocksQueue::FilesHold> RocksQueue::HoldFiles() const {
  return std::make_unique<FilesHold>(*impl_->store);
}

std::optional<std::uint64_t> RocksQueue::FreeBytes() const { return impl_->store->FreeBytes(); }

bool RocksQueue::Full() const { return impl_->intake.full(); }

bool RocksQueue::CanOpenAgain() const {
  return MakeStoreDirectory(impl_->env, impl_->path).has_value();
}

QueueHealth RocksQueue::health() const { return impl_->health.Get(); }

void RocksQueue::SaveTails() {
  if (!impl_->health.ok()) return;
  const rocksdb::Status written = WriteTailsFile(impl_->env, impl_->path, impl_->table.States());
  if (written.ok()) return;
  common::log::Warning("queue_tails_failed", "cannot write down where the logs end",
                       {{"error", written.ToString()}});
}

void RocksQueue::UpdateMetrics() { impl_->counters.Update(*impl_->store); }

QueueSizes RocksQueue::sizes() const {
  return {.hot_tail_bytes = impl_->hot_tail.bytes(),
          .memtable_bytes = impl_->store->Property(rocksdb::DB::Properties::kCurSizeAllMemTables),
          .table_bytes = impl_->store->Property(rocksdb::DB::Properties::kTotalSstFilesSize),
          .log_file_bytes = impl_->store->LogFileBytes(),
          .pending_requests = impl_->intake.pending_requests()};
}

}  // namespace gateway::queue

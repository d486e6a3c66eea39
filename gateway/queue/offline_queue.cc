// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/offline_queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>
#include <utility>

#include "gateway/queue/chunk_codec.h"
#include "gateway/queue/disk_reader.h"
#include "gateway/queue/log_loader.h"
#include "gateway/queue/log_registry.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/rocks_status.h"
#include "gateway/queue/rocks_store.h"
#include "gateway/queue/stored_records.h"

namespace gateway::queue {

using common::ErrorCode;
using common::Fail;
using common::Result;
using common::Status;
using pipeline::DeadLetterStage;
using pipeline::LogId;
using pipeline::LogState;
using pipeline::ReadBatch;
using pipeline::Seq;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint32_t kVerifyEvents = 10'000;
constexpr std::uint64_t kVerifyBytes = 4 * kMiB;

/// For a look; what is never written needs little.
Options OptionsToRead(const std::string& path) {
  Options options;
  options.path = path;
  options.write_buffer_bytes = 64 * kMiB;
  options.write_buffer_count = 2;
  options.max_wal_bytes = 64 * kMiB;
  options.block_cache_bytes = 32 * kMiB;
  return options;
}

/// What Verify counts of one log besides its pending events.
struct Kept {
  std::uint64_t dead = 0;
  std::uint64_t refused = 0;
  std::uint64_t quarantined = 0;
  std::uint64_t passed = 0;   ///< Of the quarantine, before the cursor.
  std::uint64_t evicted = 0;  ///< Dead letters that are kept no more.
};

std::string EndOfFamily() { return std::string(32, '\xff'); }

}  // namespace

class OfflineQueue::Impl {
 public:
  Status Open(const std::string& path) {
    auto opened = RocksStore::OpenToRead(OptionsToRead(path), health_);
    if (!opened) return tl::unexpected(std::move(opened.error()));
    store = std::move(*opened);
    return LoadLogs(*store, table);
  }

  Status CountLetters(Family family, std::unordered_map<LogId, Kept>& kept) const {
    RangeScan scan(*store, family, "", EndOfFamily());
    for (scan->SeekToFirst(); scan->Valid(); scan->Next()) {
      const std::optional<EntryKey> key = DecodeEntryKey(scan.key());
      if (!key) return Fail(ErrorCode::kDataLoss, "a letter has a key of a wrong length");
      const auto letter = DecodeDeadLetter(scan.value());
      if (!letter) return tl::unexpected(letter.error());
      const bool dead = letter->stage == DeadLetterStage::kDelivery;
      ++(dead ? kept[key->log].dead : kept[key->log].refused);
    }
    if (!scan->status().ok()) return tl::unexpected(ToError(scan->status(), "read letters"));
    return common::Ok();
  }

  Status CountQuarantine(std::unordered_map<LogId, Kept>& kept) const {
    RangeScan scan(*store, Family::kQuarantine, "", EndOfFamily());
    for (scan->SeekToFirst(); scan->Valid(); scan->Next()) {
      const std::optional<QuarantineKey> key = DecodeQuarantineKey(scan.key());
      if (!key) return Fail(ErrorCode::kDataLoss, "a quarantined record has a wrong key");
      Kept& of_log = kept[key->log];
      of_log.quarantined += key->end - key->first;
      const auto bounds = table.Bounds(key->log);
      const Seq next = bounds ? bounds->first.next() : 0;
      if (next > key->first) of_log.passed += std::min(next, key->end) - key->first;
    }
    if (!scan->status().ok()) return tl::unexpected(ToError(scan->status(), "read quarantine"));
    return common::Ok();
  }

  Result<std::unordered_map<LogId, Kept>> CountKept() const {
    std::unordered_map<LogId, Kept> kept;
    for (const Family family : {Family::kDead, Family::kRejected}) {
      if (Status counted = CountLetters(family, kept); !counted) {
        return tl::unexpected(std::move(counted.error()));
      }
    }
    if (Status counted = CountQuarantine(kept); !counted) {
      return tl::unexpected(std::move(counted.error()));
    }
    Status counted =
        ForEachLogMeta(*store, kDeadPrefix, [&](LogId log, std::string_view value) -> Status {
          const auto letters = DecodeLetters(value);
          if (!letters) return tl::unexpected(letters.error());
          kept[log].evicted = letters->evicted;
          return common::Ok();
        });
    if (!counted) return tl::unexpected(std::move(counted.error()));
    return kept;
  }

  Result<std::set<LogId>> FindUnregistered() const {
    std::set<LogId> registered;
    for (const LogState& state : table.States()) registered.insert(state.log);
    return queue::FindUnregistered(*store, registered);
  }

  std::unique_ptr<RocksStore> store;
  LogTable table;

 private:
  StoreHealth health_;
};

OfflineQueue::OfflineQueue(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OfflineQueue::~OfflineQueue() = default;

Result<std::unique_ptr<OfflineQueue>> OfflineQueue::Open(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  if (Status opened = impl->Open(path); !opened) return tl::unexpected(std::move(opened.error()));
  return std::unique_ptr<OfflineQueue>(new OfflineQueue(std::move(impl)));
}

Result<std::vector<OfflineQueue::Log>> OfflineQueue::Logs() const {
  auto kept = impl_->CountKept();
  if (!kept) return tl::unexpected(std::move(kept.error()));
  std::vector<Log> logs;
  for (LogState& state : impl_->table.States()) {
    const Kept& of_log = (*kept)[state.log];
    Log& log = logs.emplace_back();
    log.dead_letters = of_log.dead;
    log.refused = of_log.refused;
    log.quarantined = of_log.quarantined;
    const auto first =
        ReadLog(*impl_->store, impl_->table,
                {.log = state.log, .from = state.cursor, .max_events = 1, .max_bytes = 0});
    if (first && !first->batch.slices.empty()) {
      log.oldest = first->batch.slices.front().chunk->accepted_at;
    }
    log.state = std::move(state);
  }
  return logs;
}

std::uint64_t OfflineQueue::Pending(std::optional<LogId> log) const {
  std::uint64_t pending = 0;
  for (const LogState& state : impl_->table.States()) {
    if (!log || state.log == *log) pending += state.pending();
  }
  return pending;
}

std::optional<LogId> OfflineQueue::FindTenant(std::string_view tenant) const {
  return impl_->table.FindTenant(tenant);
}

Result<std::uint64_t> OfflineQueue::ForEachPending(
    LogId log, std::uint32_t max_events, std::uint64_t max_bytes,
    const std::function<void(const ReadBatch&)>& visit) const {
  const std::optional<LogState> state = impl_->table.State(log);
  if (!state) return Fail(ErrorCode::kNotFound, "unknown log");
  std::uint64_t damaged = 0;
  pipeline::ReadRequest request{
      .log = log, .from = state->cursor, .max_events = max_events, .max_bytes = max_bytes};
  while (request.from.next() < state->tail) {
    const Result<DiskRead> read = ReadLog(*impl_->store, impl_->table, request);
    if (!read) return tl::unexpected(read.error());
    const ReadBatch& batch = read->batch;
    for (const auto& [first, end] : batch.damaged) {
      damaged += end - first;
      request.from = {.chunk = end, .index = 0};
    }
    if (batch.slices.empty()) {
      if (batch.damaged.empty()) break;
      continue;
    }
    visit(batch);
    const pipeline::ChunkSlice& last = batch.slices.back();
    const std::uint32_t index = last.from + last.count;
    const bool whole = index == last.chunk->count();
    request.from =
        whole ? pipeline::Cursor{last.chunk->end(), 0} : pipeline::Cursor{last.chunk->first, index};
  }
  return damaged;
}

Result<std::uint64_t> OfflineQueue::ForEachQuarantined(
    std::optional<LogId> log, const std::function<void(std::string_view)>& visit) const {
  std::uint64_t lost = 0;
  RangeScan scan(*impl_->store, Family::kQuarantine, "", EndOfFamily());
  for (scan->SeekToFirst(); scan->Valid(); scan->Next()) {
    const std::optional<QuarantineKey> key = DecodeQuarantineKey(scan.key());
    if (!key) return Fail(ErrorCode::kDataLoss, "a quarantined record has a wrong key");
    if (log && key->log != *log) continue;
    std::uint64_t found = 0;
    for (const std::string_view text : SalvageTexts(scan.value())) {
      if (!text.starts_with('{') || !nlohmann::json::accept(text)) continue;
      visit(text);
      ++found;
    }
    lost += key->end - key->first - std::min(found, key->end - key->first);
  }
  if (!scan->status().ok()) return tl::unexpected(ToError(scan->status(), "read the quarantine"));
  return lost;
}

OfflineQueue::Verdict OfflineQueue::Verify(const Progress& progress) const {
  Verdict verdict;
  const auto complain = [&](std::string problem) {
    verdict.problems.push_back(std::move(problem));
  };
  const rocksdb::Status tables = impl_->store->db().VerifyChecksum();
  if (!tables.ok()) complain("a table of the store is damaged: " + tables.ToString());
  for (const std::string& name : impl_->store->DamagedLogFiles()) {
    complain(
        fmt::format("log file {} is damaged: a gateway that opens the store saves what lies "
                    "behind the damage, which is not counted here",
                    name));
  }
  auto kept = impl_->CountKept();
  if (!kept) complain(kept.error().message);
  const auto unregistered = impl_->FindUnregistered();
  if (!unregistered) complain(unregistered.error().message);
  for (const LogId log : unregistered.value_or(std::set<LogId>())) {
    complain(
        fmt::format("log {} has no registration: a gateway that opens the store saves its events, "
                    "which are not counted here",
                    log));
  }
  for (const LogState& state : impl_->table.States()) {
    if (state.tenant.starts_with(kLostLogPrefix)) {
      complain(fmt::format("whose events log {} holds is lost", state.log));
    }
    std::uint64_t events = 0;
    const auto damaged =
        ForEachPending(state.log, kVerifyEvents, kVerifyBytes, [&](const ReadBatch& batch) {
          events += batch.events;
          progress(verdict.events + events);
        });
    verdict.events += events;
    if (!damaged) {
      complain(fmt::format("tenant {}: {}", state.tenant, damaged.error().message));
    } else if (*damaged > 0) {
      complain(fmt::format("tenant {}: {} of {} pending events are damaged or missing",
                           state.tenant, *damaged, state.pending()));
    }
    if (!kept) continue;
    const Kept& of_log = (*kept)[state.log];
    verdict.letters += of_log.dead + of_log.refused;
    if (state.dead != of_log.dead + of_log.evicted + of_log.passed) {
      complain(
          fmt::format("tenant {}: {} events count as dead, {} dead letters and {} events of "
                      "the quarantine are there, and {} dead letters went since",
                      state.tenant, state.dead, of_log.dead, of_log.passed, of_log.evicted));
    }
  }
  return verdict;
}

}  // namespace gateway::queue

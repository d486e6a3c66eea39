// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/log_loader.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "common/log.h"
#include "gateway/queue/chunk_codec.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/rocks_status.h"
#include "gateway/queue/stored_records.h"
#include "gateway/queue/tail_ledger.h"
#include "gateway/queue/tails_file.h"

namespace gateway::queue {

using common::ErrorCode;
using common::Fail;
using common::Result;
using common::Status;
using pipeline::LogId;
using pipeline::Seq;

namespace {

/// What the records from the cursor on say of a log.
struct Backlog {
  Seq tail = 0;  ///< Behind the last stored event.
  /// When the first event that waits was accepted; nothing where that cannot be read.
  std::optional<common::WallTime> oldest;
};

/// Looks only at keys from the cursor on: before it lie nothing but tombstones.
Result<Backlog> FindBacklog(const RocksStore& store, LogId log, const pipeline::Cursor& cursor) {
  RangeScan scan(store, Family::kQueue, EncodeKey(EntryKey{log, cursor.chunk}), LogUpperBound(log));
  scan->SeekToLast();
  if (!scan->Valid()) {
    if (!scan->status().ok()) {
      return tl::unexpected(ToError(scan->status(), "find the end of a log"));
    }
    return Backlog{.tail = cursor.next(), .oldest = {}};
  }
  const std::optional<EntryKey> last = DecodeEntryKey(scan.key());
  if (!last) return Fail(ErrorCode::kDataLoss, "an event record has a key of a wrong length");
  auto chunk = DecodeChunk(log, last->number, std::string(scan.value()));
  if (!chunk) {
    common::log::Error("queue_damaged_tail", "the last event record of a log is damaged",
                       {{"log", log}, {"first", last->number}, {"error", chunk.error().message}});
  }
  const Seq end = last->number + (chunk ? (*chunk)->count() : GuessChunkCount(scan.value()));
  Backlog backlog{.tail = std::max(cursor.next(), end), .oldest = {}};
  if (last->number > cursor.chunk) {
    scan->SeekToFirst();
    const auto first = scan->Valid() ? DecodeEntryKey(scan.key()) : std::nullopt;
    if (!first) return backlog;
    chunk = DecodeChunk(log, first->number, std::string(scan.value()));
  }
  if (chunk) backlog.oldest = (*chunk)->accepted_at;
  return backlog;
}

}  // namespace

Status LoadLogs(const RocksStore& store, LogTable& table) {
  std::unordered_map<LogId, LogPosition> positions;
  Status read =
      ForEachLogMeta(store, kCursorPrefix, [&](LogId log, std::string_view value) -> Status {
        const Result<CursorRecord> record = DecodeCursor(value);
        if (!record) return tl::unexpected(record.error());
        LogPosition& position = positions[log];
        position.cursor = record->cursor;
        position.dead = record->dead;
        position.retry = record->retry;
        return common::Ok();
      });
  if (!read) return read;

  RangeScan quarantine(store, Family::kQuarantine, std::string(), std::string(32, '\xff'));
  for (quarantine->SeekToFirst(); quarantine->Valid(); quarantine->Next()) {
    const std::optional<QuarantineKey> key = DecodeQuarantineKey(quarantine.key());
    if (!key) return Fail(ErrorCode::kDataLoss, "a quarantined record has a wrong key");
    LogPosition& position = positions[key->log];
    if (key->end > position.cursor.next()) position.damage.emplace_back(key->first, key->end);
  }
  if (!quarantine->status().ok()) {
    return tl::unexpected(ToError(quarantine->status(), "read the quarantine"));
  }

  auto tails = LoadTails(store);
  if (!tails) return tl::unexpected(tails.error());
  for (const auto& [log, tail] : ReadTailsFile(store.db().GetEnv(), store.path())) {
    Seq& known = (*tails)[log];
    known = std::max(known, tail);
    // Also when nothing else is left of the log, since nothing was in it.
    table.ReserveId(log);
  }
  return ForEachLogMeta(store, kLogPrefix, [&](LogId log, std::string_view value) -> Status {
    Result<std::string> tenant = DecodeLog(value);
    if (!tenant) return tl::unexpected(std::move(tenant.error()));
    LogPosition& position = positions[log];
    const Result<Backlog> backlog = FindBacklog(store, log, position.cursor);
    if (!backlog) return tl::unexpected(backlog.error());
    position.tail = backlog->tail;
    // More than there is when the last records were lost to damage.
    if (const auto known = tails->find(log); known != tails->end()) {
      position.tail = std::max(position.tail, known->second);
    }
    for (const DamagedRange& range : position.damage) {
      position.tail = std::max(position.tail, range.second);
    }
    if (position.tail > position.cursor.next()) {
      position.pending_bytes = store.ApproximateQueueBytes(
          EncodeKey(EntryKey{log, position.cursor.chunk}), LogUpperBound(log));
      position.oldest = backlog->oldest;
    }
    table.Add(log, std::move(*tenant), std::move(position));
    return common::Ok();
  });
}

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/log_registry.h"

#include <limits>
#include <map>
#include <string>

#include "common/bytes.h"
#include "common/log.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/rocks_status.h"
#include "gateway/queue/stored_records.h"
#include "gateway/queue/tail_ledger.h"
#include "gateway/queue/tails_file.h"

namespace gateway::queue {

using common::Result;
using common::Status;
using pipeline::LogId;

namespace {

Result<std::map<LogId, std::string>> ReadRegistry(const RocksStore& store, Family family) {
  std::map<LogId, std::string> records;
  const Status read =
      ForEachLogRecord(store, family, kLogPrefix, [&](LogId log, std::string_view value) {
        records.emplace(log, value);
        return common::Ok();
      });
  if (!read) return tl::unexpected(read.error());
  return records;
}

/// What is in a gap between the numbers of registered logs, in any family of events or letters.
Status LookIntoGap(const RocksStore& store, LogId first, LogId last, std::set<LogId>& found) {
  for (const Family family :
       {Family::kQueue, Family::kDead, Family::kRejected, Family::kIds, Family::kQuarantine}) {
    if (Status looked = FindLogsIn(store, family, first, last, found); !looked) return looked;
  }
  return common::Ok();
}

Status LookIntoGaps(const RocksStore& store, const std::set<LogId>& registered,
                    std::set<LogId>& found) {
  LogId first = 1;
  for (const LogId log : registered) {
    if (first < log) {
      if (Status looked = LookIntoGap(store, first, log - 1, found); !looked) return looked;
    }
    first = log + 1;
  }
  return LookIntoGap(store, first, std::numeric_limits<LogId>::max(), found);
}

}  // namespace

void PutLog(const RocksStore& store, LogId log, std::string_view tenant,
            rocksdb::WriteBatch& batch) {
  for (const Family family : {Family::kMeta, Family::kRegistry}) {
    batch.Put(store.family(family), EncodeMetaKey(kLogPrefix, log), EncodeLog(tenant));
  }
}

Status FindLogsIn(const RocksStore& store, Family family, LogId first, LogId last,
                  std::set<LogId>& found) {
  // With bounds, so that a seek does not walk over what is settled of the next log.
  RangeScan scan(store, family, EncodeKey(EntryKey{first, 0}), LogUpperBound(last));
  scan->SeekToFirst();
  while (scan->Valid()) {
    const std::string_view key = scan.key();
    if (key.size() < sizeof(LogId)) {
      scan->Next();
      continue;
    }
    const auto log = common::ReadBigEndian<LogId>(&key[0]);
    found.insert(log);
    scan->Seek(LogUpperBound(log));
  }
  if (scan->status().ok()) return common::Ok();
  return tl::unexpected(ToError(scan->status(), "look for logs"));
}

Result<std::set<LogId>> FindUnregistered(const RocksStore& store,
                                         const std::set<LogId>& registered) {
  std::set<LogId> found;
  for (const char prefix : {kCursorPrefix, kRejectedPrefix, kDeadPrefix, kIdsPrefix}) {
    Status read = ForEachLogMeta(store, prefix, [&](LogId log, std::string_view) {
      found.insert(log);
      return common::Ok();
    });
    if (!read) return tl::unexpected(std::move(read.error()));
  }
  const auto tails = LoadTails(store);
  if (!tails) return tl::unexpected(tails.error());
  for (const auto& [log, tail] : *tails) found.insert(log);
  for (const auto& [log, tail] : ReadTailsFile(store.db().GetEnv(), store.path())) {
    if (tail > 0) found.insert(log);
  }
  if (Status looked = LookIntoGaps(store, registered, found); !looked) {
    return tl::unexpected(std::move(looked.error()));
  }
  std::erase_if(found, [&](LogId log) { return registered.contains(log); });
  return found;
}

Status CompleteRegistry(RocksStore& store) {
  const auto first = ReadRegistry(store, Family::kMeta);
  if (!first) return tl::unexpected(first.error());
  const auto second = ReadRegistry(store, Family::kRegistry);
  if (!second) return tl::unexpected(second.error());
  rocksdb::WriteBatch batch;
  const auto copy_missing = [&](const std::map<LogId, std::string>& from,
                                const std::map<LogId, std::string>& to, Family family) {
    for (const auto& [log, record] : from) {
      if (to.contains(log)) continue;
      batch.Put(store.family(family), EncodeMetaKey(kLogPrefix, log), record);
    }
  };
  copy_missing(*first, *second, Family::kRegistry);
  copy_missing(*second, *first, Family::kMeta);
  std::set<LogId> registered;
  for (const auto* records : {&*first, &*second}) {
    for (const auto& [log, record] : *records) registered.insert(log);
  }
  const auto lost = FindUnregistered(store, registered);
  if (!lost) return tl::unexpected(lost.error());
  for (const LogId log : *lost) {
    const std::string tenant = kLostLogPrefix + std::to_string(log);
    common::log::Error("queue_lost_registration", "whose events a log holds is lost",
                       {{"log", log}, {"tenant", tenant}});
    PutLog(store, log, tenant, batch);
  }
  if (batch.Count() == 0) return common::Ok();
  const rocksdb::Status written = store.Write(batch, true);
  if (!written.ok()) return tl::unexpected(ToError(written, "complete the registry"));
  return common::Ok();
}

}  // namespace gateway::queue

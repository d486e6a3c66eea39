// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/log_registry.h"

#include <map>
#include <string>

#include "common/log.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/rocks_status.h"
#include "gateway/queue/stored_records.h"

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

}  // namespace

void PutLog(const RocksStore& store, LogId log, std::string_view tenant,
            rocksdb::WriteBatch& batch) {
  for (const Family family : {Family::kMeta, Family::kRegistry}) {
    batch.Put(store.family(family), EncodeMetaKey(kLogPrefix, log), EncodeLog(tenant));
  }
}

void PutLostLog(const RocksStore& store, LogId log, rocksdb::WriteBatch& batch) {
  const std::string tenant = kLostLogPrefix + std::to_string(log);
  common::log::Error("queue_lost_registration", "whose events a log holds is lost",
                     {{"log", log}, {"tenant", tenant}});
  PutLog(store, log, tenant, batch);
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
  // A log of which other records are left has lost its registration in both.
  for (const char prefix : {kCursorPrefix, kTailPrefix, kRejectedPrefix, kDeadPrefix, kIdsPrefix}) {
    Status read = ForEachLogMeta(store, prefix, [&](LogId log, std::string_view) {
      if (!first->contains(log) && !second->contains(log)) PutLostLog(store, log, batch);
      return common::Ok();
    });
    if (!read) return read;
  }
  if (batch.Count() == 0) return common::Ok();
  const rocksdb::Status written = store.Write(batch, true);
  if (!written.ok()) return tl::unexpected(ToError(written, "complete the registry"));
  return common::Ok();
}

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/log_registry.h"

#include <map>
#include <optional>
#include <string>

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
  RangeScan scan(store, family, std::string(1, kLogPrefix),
                 std::string(1, static_cast<char>(kLogPrefix + 1)));
  for (scan->SeekToFirst(); scan->Valid(); scan->Next()) {
    if (const std::optional<LogId> log = DecodeMetaKey(kLogPrefix, scan.key())) {
      records.emplace(*log, scan.value());
    }
  }
  if (!scan->status().ok()) return tl::unexpected(ToError(scan->status(), "read the registry"));
  return records;
}

}  // namespace

void PutLog(const RocksStore& store, LogId log, std::string_view tenant,
            rocksdb::WriteBatch& batch) {
  for (const Family family : {Family::kMeta, Family::kRegistry}) {
    batch.Put(store.family(family), EncodeMetaKey(kLogPrefix, log), EncodeLog(tenant));
  }
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
  if (batch.Count() == 0) return common::Ok();
  const rocksdb::Status written = store.Write(batch, true);
  if (!written.ok()) return tl::unexpected(ToError(written, "complete the registry"));
  return common::Ok();
}

}  // namespace gateway::queue

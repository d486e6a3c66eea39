// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/tail_ledger.h"

#include <algorithm>
#include <string>
#include <utility>

#include "gateway/queue/record_key.h"
#include "gateway/queue/rocks_status.h"
#include "gateway/queue/stored_records.h"

namespace gateway::queue {

using common::Result;
using common::Status;
using pipeline::LogId;
using pipeline::Seq;

namespace {

void PutTail(const RocksStore& store, LogId log, Seq tail, rocksdb::WriteBatch& batch) {
  for (const Family family : {Family::kMeta, Family::kRegistry}) {
    batch.Put(store.family(family), EncodeMetaKey(kTailPrefix, log), EncodeNumber(tail));
  }
}

}  // namespace

Result<std::unordered_map<LogId, Seq>> LoadTails(const RocksStore& store) {
  std::unordered_map<LogId, Seq> tails;
  const auto take = [&](LogId log, std::string_view value) -> Status {
    const Result<std::uint64_t> tail = DecodeNumber(value);
    if (!tail) return tl::unexpected(tail.error());
    Seq& known = tails[log];
    known = std::max(known, *tail);
    return common::Ok();
  };
  for (const Family family : {Family::kMeta, Family::kRegistry}) {
    Status read = ForEachLogRecord(store, family, kTailPrefix, take);
    if (!read) return tl::unexpected(std::move(read.error()));
  }
  return tails;
}

Result<TailLedger> TailLedger::Open(RocksStore& store, const LogTable& table) {
  TailLedger ledger(store);
  const auto written = LoadTails(store);
  if (!written) return tl::unexpected(written.error());
  rocksdb::WriteBatch batch;
  for (const pipeline::LogState& log : table.States()) {
    const auto found = written->find(log.log);
    const Seq known = found == written->end() ? 0 : found->second;
    if (log.tail != known) PutTail(store, log.log, log.tail, batch);
  }
  if (batch.Count() > 0) {
    const rocksdb::Status put = store.Write(batch, true);
    if (!put.ok()) return tl::unexpected(ToError(put, "write where the logs end"));
  }
  return ledger;
}

void TailLedger::Seal(rocksdb::WriteBatch& batch) {
  sealed_flushes_ = store_->queue_flushes();
  if (sealed_flushes_ == flushes_) return;
  for (const auto& [log, tail] : unwritten_) PutTail(*store_, log, tail, batch);
  for (const auto& [log, tail] : staged_) PutTail(*store_, log, tail, batch);
}

void TailLedger::OnSuccess() {
  if (sealed_flushes_ != flushes_) {
    unwritten_.clear();
    flushes_ = sealed_flushes_;
    return;
  }
  for (const auto& [log, tail] : staged_) unwritten_[log] = tail;
}

}  // namespace gateway::queue

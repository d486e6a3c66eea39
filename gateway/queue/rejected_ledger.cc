// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/rejected_ledger.h"

#include <iterator>
#include <string>
#include <utility>

#include "gateway/queue/record_key.h"
#include "gateway/queue/stored_records.h"

namespace gateway::queue {

using common::Result;
using common::Status;
using pipeline::LogId;

Result<RejectedLedger> RejectedLedger::Load(const RocksStore& store, std::uint64_t max_bytes) {
  RejectedLedger ledger(store, max_bytes);
  const Status read =
      ForEachLogMeta(store, kRejectedPrefix, [&](LogId log, std::string_view value) -> Status {
        Result<std::vector<RejectedSegment>> segments = DecodeRejected(value);
        if (!segments) return tl::unexpected(std::move(segments.error()));
        RejectedSegments kept(std::move(*segments));
        ledger.bytes_ += kept.bytes();
        ledger.logs_.emplace(log, std::move(kept));
        return common::Ok();
      });
  if (!read) return tl::unexpected(read.error());
  return ledger;
}

RejectedLedger::Staged& RejectedLedger::Stage(LogId log, std::uint64_t id) {
  if (!staged_.empty() && staged_.back().log == log) return staged_.back();
  Staged& staged = staged_.emplace_back();
  staged.log = log;
  staged.evict_from = id;
  if (const auto known = logs_.find(log); known != logs_.end()) staged.segments = known->second;
  if (!staged.segments.segments().empty()) {
    staged.evict_from = staged.segments.segments().front().first_id;
  }
  return staged;
}

void RejectedLedger::Add(LogId log, std::uint64_t id, const pipeline::DeadLetter& letter,
                         rocksdb::WriteBatch& batch) {
  Staged& staged = Stage(log, id);
  const std::string key = EncodeKey(EntryKey{log, id});
  const std::string value = EncodeDeadLetter(letter);
  const auto [kept, evicted] = staged.segments.Add(id, key.size() + value.size(), max_bytes_);
  staged.evicted += evicted + (kept ? 0 : 1);
  if (kept) {
    batch.Put(store_->family(Family::kRejected), key, value);
    staged.adds = true;
  }
  if (evicted > 0) {
    const std::vector<RejectedSegment>& left = staged.segments.segments();
    staged.evict_to = left.empty() ? id : left.front().first_id;
  }
}

void RejectedLedger::Seal(rocksdb::WriteBatch& batch) const {
  for (const Staged& staged : staged_) {
    if (staged.evict_to != 0) {
      batch.DeleteRange(store_->family(Family::kRejected),
                        EncodeKey(EntryKey{staged.log, staged.evict_from}),
                        EncodeKey(EntryKey{staged.log, staged.evict_to}));
    }
    if (staged.evict_to == 0 && !staged.adds) continue;
    batch.Put(store_->family(Family::kMeta), EncodeMetaKey(kRejectedPrefix, staged.log),
              EncodeRejected(staged.segments.segments()));
  }
}

std::uint64_t RejectedLedger::evicted() const {
  std::uint64_t sum = 0;
  for (const Staged& staged : staged_) sum += staged.evicted;
  return sum;
}

void RejectedLedger::OnSuccess() {
  for (Staged& staged : staged_) {
    RejectedSegments& kept = logs_[staged.log];
    bytes_ = bytes_ - kept.bytes() + staged.segments.bytes();
    kept = std::move(staged.segments);
  }
  staged_.clear();
}

}  // namespace gateway::queue

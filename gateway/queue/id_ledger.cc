// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/id_ledger.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "common/log.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/stored_records.h"

namespace gateway::queue {

using common::Result;
using common::Status;
using pipeline::EventId;
using pipeline::LogId;

namespace {
constexpr std::chrono::minutes kExpiryInterval{1};
}  // namespace

Result<IdLedger> IdLedger::Load(const RocksStore& store) {
  IdLedger ledger(store);
  const Status read =
      ForEachLogMeta(store, kIdsPrefix, [&](LogId log, std::string_view value) -> Status {
        Result<IdMemory> memory = DecodeIds(value);
        if (!memory) return tl::unexpected(std::move(memory.error()));
        IdBuckets buckets(std::move(*memory));
        ledger.count_ += buckets.count();
        store.id_cutoffs().Set(log, buckets.memory().forget_before_ms);
        ledger.logs_.emplace(log, std::move(buckets));
        return common::Ok();
      });
  if (!read) return tl::unexpected(read.error());
  return ledger;
}

IdLedger::Staged& IdLedger::Stage(LogId log) {
  if (!staged_.empty() && staged_.back().log == log) return staged_.back();
  if (!seen_.empty()) seen_.clear();
  Staged& staged = staged_.emplace_back();
  staged.log = log;
  if (const auto known = logs_.find(log); known != logs_.end()) staged.buckets = known->second;
  return staged;
}

std::size_t IdLedger::Admit(const pipeline::AppendRequest& request, std::vector<bool>& fresh,
                            rocksdb::WriteBatch& batch) {
  const std::vector<EventId>& ids = request.events.ids;
  Staged& staged = Stage(request.log);
  staged.buckets.Advance(request.received_at, request.dedupe);
  fresh.assign(request.events.count(), true);
  candidates_.clear();
  for (std::size_t i = 0; i < std::min(ids.size(), fresh.size()); ++i) {
    if (ids[i].made_here()) continue;
    // Seen in this write: it is remembered, or about to be.
    if (seen_.insert(ids[i]).second) {
      candidates_.push_back(i);
    } else {
      fresh[i] = false;
    }
  }
  // In the order of keys: neighbours are found, and put into the memtable, sooner.
  std::ranges::sort(candidates_, [&](std::size_t a, std::size_t b) {
    return ids[a].high != ids[b].high ? ids[a].high < ids[b].high : ids[a].low < ids[b].low;
  });
  if (staged.buckets.count() > 0) LookUp(staged, fresh, ids);
  for (const std::size_t i : candidates_) {
    if (fresh[i]) Put(staged, ids[i], batch);
  }
  return static_cast<std::size_t>(std::ranges::count(fresh, false));
}

void IdLedger::LookUp(const Staged& staged, std::vector<bool>& fresh,
                      const std::vector<EventId>& ids) {
  const std::size_t n = candidates_.size();
  key_bytes_.clear();
  for (const std::size_t i : candidates_) key_bytes_ += EncodeKey(IdKey{staged.log, ids[i]});
  keys_.clear();
  for (std::size_t i = 0; i < n; ++i) keys_.emplace_back(&key_bytes_[i * kIdKeyBytes], kIdKeyBytes);
  values_.resize(n);
  statuses_.resize(n);
  store_->db().MultiGet(rocksdb::ReadOptions(), store_->family(Family::kIds), n, keys_.data(),
                        values_.data(), statuses_.data(), /*sorted_input=*/true);
  for (std::size_t i = 0; i < n; ++i) {
    if (statuses_[i].IsNotFound()) continue;
    const auto accepted = DecodeNumber(values_[i].ToStringView());
    const bool readable = statuses_[i].ok() && accepted;
    if (!readable && !lookups_fail_) {
      common::log::Error("queue_id_lookup_failed",
                         "cannot tell whether events were accepted before; they are taken",
                         {{"log", staged.log}, {"error", statuses_[i].ToString()}});
    }
    lookups_fail_ = !readable;
    if (readable && staged.buckets.Remembers(static_cast<std::int64_t>(*accepted))) {
      fresh[candidates_[i]] = false;
    }
  }
  values_.clear();  // They pin blocks.
}

void IdLedger::Put(Staged& staged, const EventId& id, rocksdb::WriteBatch& batch) {
  const std::int64_t accepted_ms = staged.buckets.Add();
  batch.Put(store_->family(Family::kIds), EncodeKey(IdKey{staged.log, id}),
            EncodeNumber(static_cast<std::uint64_t>(accepted_ms)));
  staged.adds = true;
}

void IdLedger::Seal(rocksdb::WriteBatch& batch) {
  for (Staged& staged : staged_) {
    if (!staged.adds || !staged.buckets.NeedsRecord()) continue;
    batch.Put(store_->family(Family::kMeta), EncodeMetaKey(kIdsPrefix, staged.log),
              EncodeIds(staged.buckets.memory()));
    staged.buckets.OnRecorded();
  }
}

void IdLedger::OnSuccess() {
  for (Staged& staged : staged_) {
    IdBuckets& buckets = logs_[staged.log];
    count_ = count_ - buckets.count() + staged.buckets.count();
    buckets = std::move(staged.buckets);
    store_->id_cutoffs().Set(staged.log, buckets.memory().forget_before_ms);
  }
  staged_.clear();
}

bool IdLedger::Expire(const common::Clock& clock) {
  if (logs_.empty()) return false;
  const common::WallTime now = clock.Wall();
  if (now - last_expiry_ < kExpiryInterval && last_expiry_ - now < kExpiryInterval) return false;
  last_expiry_ = now;
  for (auto& [log, buckets] : logs_) {
    count_ -= buckets.count();
    buckets.Expire(now);
    count_ += buckets.count();
    store_->id_cutoffs().Set(log, buckets.memory().forget_before_ms);
  }
  return true;
}

}  // namespace gateway::queue

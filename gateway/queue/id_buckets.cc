// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/id_buckets.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace gateway::queue {

namespace {

constexpr std::int64_t kBucketsInWindow = 24;
constexpr std::uint64_t kRecordsInBucket = 16;
/// Only a window that changes all the time needs as many; the oldest are then joined.
constexpr std::size_t kMostBuckets = 64;

std::int64_t ToMillis(common::WallTime time) { return time.time_since_epoch().count(); }

}  // namespace

IdBuckets::IdBuckets(IdMemory stored) : memory_(std::move(stored)) {
  for (const IdBucket& bucket : memory_.buckets) count_ += bucket.count;
  if (memory_.buckets.empty()) return;
  newest_ms_ = memory_.buckets.back().start_ms;
  last_id_ms_ = newest_ms_ + BucketWidth() - 1;
}

std::int64_t IdBuckets::BucketWidth() const {
  return std::max<std::int64_t>(1, memory_.window_ms / kBucketsInWindow);
}

std::uint64_t IdBuckets::BucketLimit() const {
  return std::max<std::uint64_t>(1, max_ids_ / static_cast<std::uint64_t>(kBucketsInWindow));
}

void IdBuckets::Advance(common::WallTime received_at, const pipeline::Dedupe& dedupe) {
  const auto window_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(dedupe.window).count();
  changed_ = changed_ || memory_.window_ms != window_ms;
  memory_.window_ms = window_ms;
  max_ids_ = dedupe.max_ids;
  newest_ms_ = std::max(newest_ms_, ToMillis(received_at));
  Expire(common::WallTime(std::chrono::milliseconds(newest_ms_)));
}

bool IdBuckets::Remembers(std::int64_t accepted_ms) const {
  return accepted_ms >= std::max(memory_.forget_before_ms, newest_ms_ - memory_.window_ms);
}

std::int64_t IdBuckets::Add() {
  std::vector<IdBucket>& buckets = memory_.buckets;
  if (buckets.empty()) {
    memory_.forget_before_ms = newest_ms_;
    BeginBucket();
  } else if (buckets.back().count >= BucketLimit() ||
             newest_ms_ >= buckets.back().start_ms + BucketWidth()) {
    // Behind every id of the bucket before, so that forgetting that one forgets all of it.
    ++newest_ms_;
    BeginBucket();
  }
  last_id_ms_ = std::max(last_id_ms_, newest_ms_);
  ++buckets.back().count;
  ++count_;
  ++unrecorded_;
  while (count_ > max_ids_ && buckets.size() > 1) ForgetOldest();
  return newest_ms_;
}

void IdBuckets::BeginBucket() {
  std::vector<IdBucket>& buckets = memory_.buckets;
  buckets.push_back({.start_ms = newest_ms_});
  if (buckets.size() > kMostBuckets) {
    buckets[0].count += buckets[1].count;
    buckets.erase(buckets.begin() + 1);
  }
  changed_ = true;
}

void IdBuckets::ForgetOldest() {
  std::vector<IdBucket>& buckets = memory_.buckets;
  count_ -= buckets.front().count;
  memory_.forget_before_ms = buckets.size() > 1 ? buckets[1].start_ms : last_id_ms_ + 1;
  buckets.erase(buckets.begin());
  changed_ = true;
}

void IdBuckets::Expire(common::WallTime now) {
  const std::int64_t cutoff = ToMillis(now) - memory_.window_ms;
  std::vector<IdBucket>& buckets = memory_.buckets;
  while (buckets.size() > 1 && buckets[1].start_ms <= cutoff) ForgetOldest();
  if (buckets.size() == 1 && last_id_ms_ < cutoff) ForgetOldest();
}

bool IdBuckets::NeedsRecord() const {
  const std::uint64_t most = std::max<std::uint64_t>(1, BucketLimit() / kRecordsInBucket);
  return changed_ || unrecorded_ >= most;
}

void IdBuckets::OnRecorded() {
  changed_ = false;
  unrecorded_ = 0;
}

}  // namespace gateway::queue

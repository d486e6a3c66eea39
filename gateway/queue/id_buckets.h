// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "common/clock.h"
#include "gateway/pipeline/dedupe.h"

namespace gateway::queue {

/// Ids that were accepted from `start_ms` up to the start of the next bucket.
struct IdBucket {
  std::int64_t start_ms = 0;  ///< Unix time.
  std::uint64_t count = 0;

  friend bool operator==(const IdBucket&, const IdBucket&) = default;
};

/// What is stored of it.
struct IdMemory {
  std::int64_t window_ms = 0;         ///< Of the last request.
  std::int64_t forget_before_ms = 0;  ///< What was accepted before is forgotten for good.
  std::vector<IdBucket> buckets;      ///< Oldest first.

  friend bool operator==(const IdMemory&, const IdMemory&) = default;
};

/// Which ids one log remembers: those accepted within the window, less the oldest ones when
/// there are more than max_ids. It holds no id, only how many were accepted when, in 24 to 49
/// buckets a window, so that forgetting the oldest costs nothing.
///
/// It goes by a time of its own, which is that of the latest request: when the calendar goes
/// back, it stands still, and nothing is forgotten early. Pure; for one thread.
class IdBuckets {
 public:
  IdBuckets() = default;
  explicit IdBuckets(IdMemory stored);

  /// Takes over the settings and the time of a request; forgets what is out of the window.
  void Advance(common::WallTime received_at, const pipeline::Dedupe& dedupe);
  bool Remembers(std::int64_t accepted_ms) const;
  /// Counts one more id, forgetting the oldest where they are too many. Returns the time
  /// under which it is to be stored.
  std::int64_t Add();
  /// Forgets what is out of the window at `now`, without a request.
  void Expire(common::WallTime now);

  /// True when the stored memory is so far from this one that it is to be written again: at
  /// most one id in 384 of max_ids is missing in its counts, and nothing else.
  bool NeedsRecord() const;
  void OnRecorded();

  const IdMemory& memory() const { return memory_; }
  std::uint64_t count() const { return count_; }

 private:
  std::int64_t BucketWidth() const;
  std::uint64_t BucketLimit() const;
  void BeginBucket();
  void ForgetOldest();

  IdMemory memory_;
  std::uint64_t count_ = 0;      ///< Of all buckets.
  std::int64_t newest_ms_ = 0;   ///< The log's own time.
  std::int64_t last_id_ms_ = 0;  ///< No id was accepted later.
  std::uint64_t max_ids_ = 0;
  bool changed_ = false;          ///< In more than the count of the last bucket.
  std::uint64_t unrecorded_ = 0;  ///< Ids since the record was written.
};

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "common/clock.h"

namespace gateway::queue {

/// Letters of one log with ids from `first_id` up to the first of the next segment.
struct LetterSegment {
  std::uint64_t first_id = 0;
  std::uint64_t bytes = 0;  ///< Of keys and values.
  std::uint64_t count = 0;

  friend bool operator==(const LetterSegment&, const LetterSegment&) = default;
};

/// What is stored of it.
struct LetterRecord {
  std::vector<LetterSegment> segments;  ///< Oldest first.
  std::uint64_t last_id = 0;            ///< Of the newest letter that is kept.
  std::uint64_t evicted = 0;            ///< Letters that had to go, ever.

  friend bool operator==(const LetterRecord&, const LetterRecord&) = default;
};

/// What one log may keep.
struct LetterLimits {
  std::uint64_t max_bytes = 0;  ///< Of keys and values; 0 keeps none.
  common::Duration max_age{};   ///< 0: for ever.
};

/// Which of its letters a log keeps: the latest ones within the limits. An id is a time in
/// microseconds, so the age of a letter is that of its id. The oldest go first, a segment at a
/// time, so that neither the choice nor the deletion has to read them. A segment is a
/// sixteenth of the limits, or one letter when that is larger: there are about 32 at most, unless
/// the limits were raised a moment ago.
class LetterSegments {
 public:
  struct Added {
    bool kept = false;          ///< False: the letter alone is above the limit.
    std::uint64_t evicted = 0;  ///< Letters that had to go.
  };

  LetterSegments() = default;
  explicit LetterSegments(LetterRecord record);

  /// Adds a letter whose id is above every earlier one. Afterwards no more than the allowed
  /// bytes are kept.
  Added Add(std::uint64_t id, std::uint64_t bytes, const LetterLimits& limits);

  /// Adds a letter that is stored already, whatever the allowed bytes.
  void Count(std::uint64_t id, std::uint64_t bytes, const LetterLimits& limits);

  /// Drops the segments that hold only letters with ids below `id`. Returns how many go.
  std::uint64_t DropBefore(std::uint64_t id);
  /// Whether DropBefore would drop any.
  bool HasBefore(std::uint64_t id) const;

  const std::vector<LetterSegment>& segments() const { return record_.segments; }
  const LetterRecord& record() const { return record_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::uint64_t Drop(std::vector<LetterSegment>::iterator end);

  LetterRecord record_;
  std::uint64_t bytes_ = 0;
};

}  // namespace gateway::queue

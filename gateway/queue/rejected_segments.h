// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace gateway::queue {

/// Letters of one log with ids from `first_id` up to the first of the next segment.
struct RejectedSegment {
  std::uint64_t first_id = 0;
  std::uint64_t bytes = 0;  ///< Of keys and values.
  std::uint64_t count = 0;

  friend bool operator==(const RejectedSegment&, const RejectedSegment&) = default;
};

/// Which of its refused events a log keeps: the latest ones that fit into a cap. The oldest
/// go first, a segment at a time, so that neither the choice nor the deletion has to read
/// them. A segment is a sixteenth of the cap, or one letter when that is larger: there are
/// 17 at most, unless the cap was raised a moment ago.
class RejectedSegments {
 public:
  struct Added {
    bool kept = false;          ///< False: the letter alone is above the cap.
    std::uint64_t evicted = 0;  ///< Letters that had to go.
  };

  RejectedSegments() = default;
  explicit RejectedSegments(std::vector<RejectedSegment> segments);

  /// Adds a letter whose id is above every earlier one. Afterwards no more than `cap` bytes
  /// are kept.
  Added Add(std::uint64_t id, std::uint64_t bytes, std::uint64_t cap);

  /// Oldest first.
  const std::vector<RejectedSegment>& segments() const { return segments_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::vector<RejectedSegment> segments_;
  std::uint64_t bytes_ = 0;
};

}  // namespace gateway::queue

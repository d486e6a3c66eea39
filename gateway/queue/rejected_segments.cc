// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/rejected_segments.h"

#include <utility>

namespace gateway::queue {

namespace {
constexpr std::uint64_t kSegmentsInCap = 16;
}  // namespace

RejectedSegments::RejectedSegments(std::vector<RejectedSegment> segments)
    : segments_(std::move(segments)) {
  for (const RejectedSegment& segment : segments_) bytes_ += segment.bytes;
}

RejectedSegments::Added RejectedSegments::Add(std::uint64_t id, std::uint64_t bytes,
                                              std::uint64_t cap) {
  Added added{.kept = bytes <= cap};
  const std::uint64_t wanted = added.kept ? bytes : 0;
  auto left = segments_.begin();
  for (; left != segments_.end() && bytes_ + wanted > cap; ++left) {
    added.evicted += left->count;
    bytes_ -= left->bytes;
  }
  segments_.erase(segments_.begin(), left);
  if (!added.kept) return added;
  if (segments_.empty() || segments_.back().bytes >= cap / kSegmentsInCap) {
    segments_.push_back({.first_id = id});
  }
  segments_.back().bytes += bytes;
  segments_.back().count += 1;
  bytes_ += bytes;
  return added;
}

}  // namespace gateway::queue

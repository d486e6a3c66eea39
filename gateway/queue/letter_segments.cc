// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/letter_segments.h"

#include <chrono>
#include <utility>

namespace gateway::queue {

namespace {

constexpr std::uint64_t kSegmentsInLimit = 16;

std::uint64_t Micros(common::Duration duration) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

}  // namespace

LetterSegments::LetterSegments(LetterRecord record) : record_(std::move(record)) {
  for (const LetterSegment& segment : record_.segments) bytes_ += segment.bytes;
}

std::uint64_t LetterSegments::Drop(std::vector<LetterSegment>::iterator end) {
  std::uint64_t dropped = 0;
  for (auto segment = record_.segments.begin(); segment != end; ++segment) {
    dropped += segment->count;
    bytes_ -= segment->bytes;
  }
  record_.segments.erase(record_.segments.begin(), end);
  record_.evicted += dropped;
  return dropped;
}

LetterSegments::Added LetterSegments::Add(std::uint64_t id, std::uint64_t bytes,
                                          const LetterLimits& limits) {
  std::vector<LetterSegment>& segments = record_.segments;
  Added added{.kept = bytes <= limits.max_bytes};
  const std::uint64_t wanted = added.kept ? bytes : 0;
  std::uint64_t left = bytes_;
  auto stays = segments.begin();
  for (; stays != segments.end() && left + wanted > limits.max_bytes; ++stays) left -= stays->bytes;
  added.evicted = Drop(stays);
  if (!added.kept) {
    ++record_.evicted;
    return added;
  }
  Count(id, bytes, limits);
  return added;
}

void LetterSegments::Count(std::uint64_t id, std::uint64_t bytes, const LetterLimits& limits) {
  std::vector<LetterSegment>& segments = record_.segments;
  const std::uint64_t width = Micros(limits.max_age) / kSegmentsInLimit;
  if (segments.empty() || segments.back().bytes >= limits.max_bytes / kSegmentsInLimit ||
      (width > 0 && id - segments.back().first_id >= width)) {
    segments.push_back({.first_id = id});
  }
  segments.back().bytes += bytes;
  segments.back().count += 1;
  bytes_ += bytes;
  record_.last_id = id;
}

std::uint64_t LetterSegments::DropBefore(std::uint64_t id) {
  std::vector<LetterSegment>& segments = record_.segments;
  auto stays = segments.begin();
  while (stays != segments.end()) {
    const bool last = stays + 1 == segments.end();
    if ((last ? record_.last_id + 1 : (stays + 1)->first_id) > id) break;
    ++stays;
  }
  return Drop(stays);
}

bool LetterSegments::HasBefore(std::uint64_t id) const {
  const std::vector<LetterSegment>& segments = record_.segments;
  if (segments.empty()) return false;
  return (segments.size() == 1 ? record_.last_id + 1 : segments[1].first_id) <= id;
}

}  // namespace gateway::queue

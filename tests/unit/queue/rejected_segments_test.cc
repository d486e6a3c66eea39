// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/rejected_segments.h"

#include <gtest/gtest.h>

namespace gateway::queue {
namespace {

TEST(RejectedSegments, NeverMoreThanTheCapAndNeverManySegments) {
  constexpr std::uint64_t kCap = 16000;
  RejectedSegments log;
  std::uint64_t kept = 0;
  for (std::uint64_t id = 1; id <= 2000; ++id) {
    const auto added = log.Add(id, 10 + id % 300, kCap);
    ASSERT_TRUE(added.kept);
    kept = kept + 1 - added.evicted;
    ASSERT_LE(log.bytes(), kCap);
    ASSERT_LE(log.segments().size(), 17U);
    std::uint64_t bytes = 0;
    std::uint64_t count = 0;
    for (const RejectedSegment& segment : log.segments()) {
      bytes += segment.bytes;
      count += segment.count;
    }
    ASSERT_EQ(bytes, log.bytes());
    ASSERT_EQ(count, kept);
    ASSERT_EQ(log.segments().front().first_id, id + 1 - kept);
  }
  EXPECT_GT(log.bytes(), kCap * 8 / 10);
}

TEST(RejectedSegments, LetterAboveTheCapTakesNothingWithIt) {
  RejectedSegments log;
  log.Add(1, 100, 1000);
  const auto added = log.Add(2, 1001, 1000);
  EXPECT_FALSE(added.kept);
  EXPECT_EQ(added.evicted, 0U);
  EXPECT_EQ(log.bytes(), 100U);
  const auto whole = log.Add(3, 1000, 1000);
  EXPECT_TRUE(whole.kept);
  EXPECT_EQ(whole.evicted, 1U);
  EXPECT_EQ(log.segments(), (std::vector<RejectedSegment>{{3, 1000, 1}}));
}

TEST(RejectedSegments, LowerCapHoldsFromTheNextLetterOn) {
  RejectedSegments log;
  for (std::uint64_t id = 1; id <= 100; ++id) log.Add(id, 100, 10000);
  EXPECT_EQ(log.bytes(), 10000U);
  EXPECT_LE(RejectedSegments(log).Add(101, 100, 2000).evicted, 90U);
  const auto added = log.Add(101, 100, 0);
  EXPECT_FALSE(added.kept);
  EXPECT_EQ(added.evicted, 100U);
  EXPECT_EQ(log.bytes(), 0U);
}

}  // namespace
}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/letter_segments.h"

#include <gtest/gtest.h>

#include <chrono>

namespace gateway::queue {
namespace {

TEST(LetterSegments, NeverMoreThanTheCapAndNeverManySegments) {
  constexpr std::uint64_t kCap = 16000;
  LetterSegments log;
  std::uint64_t kept = 0;
  for (std::uint64_t id = 1; id <= 2000; ++id) {
    const auto added = log.Add(id, 10 + id % 300, {.max_bytes = kCap});
    ASSERT_TRUE(added.kept);
    kept = kept + 1 - added.evicted;
    ASSERT_LE(log.bytes(), kCap);
    ASSERT_LE(log.segments().size(), 17U);
    std::uint64_t bytes = 0;
    std::uint64_t count = 0;
    for (const LetterSegment& segment : log.segments()) {
      bytes += segment.bytes;
      count += segment.count;
    }
    ASSERT_EQ(bytes, log.bytes());
    ASSERT_EQ(count, kept);
    ASSERT_EQ(log.segments().front().first_id, id + 1 - kept);
  }
  EXPECT_GT(log.bytes(), kCap * 8 / 10);
}

TEST(LetterSegments, LetterAboveTheCapTakesNothingWithIt) {
  LetterSegments log;
  log.Add(1, 100, {.max_bytes = 1000});
  const auto added = log.Add(2, 1001, {.max_bytes = 1000});
  EXPECT_FALSE(added.kept);
  EXPECT_EQ(added.evicted, 0U);
  EXPECT_EQ(log.bytes(), 100U);
  const auto whole = log.Add(3, 1000, {.max_bytes = 1000});
  EXPECT_TRUE(whole.kept);
  EXPECT_EQ(whole.evicted, 1U);
  EXPECT_EQ(log.segments(), (std::vector<LetterSegment>{{3, 1000, 1}}));
}

TEST(LetterSegments, LowerCapHoldsFromTheNextLetterOn) {
  LetterSegments log;
  for (std::uint64_t id = 1; id <= 100; ++id) log.Add(id, 100, {.max_bytes = 10000});
  EXPECT_EQ(log.bytes(), 10000U);
  EXPECT_LE(LetterSegments(log.record()).Add(101, 100, {.max_bytes = 2000}).evicted, 90U);
  const auto added = log.Add(101, 100, {.max_bytes = 0});
  EXPECT_FALSE(added.kept);
  EXPECT_EQ(added.evicted, 100U);
  EXPECT_EQ(log.bytes(), 0U);
}

TEST(LetterSegments, OldLettersGoWhenAllOfTheirSegmentAreOld) {
  const LetterLimits limits{.max_bytes = 1 << 20, .max_age = std::chrono::microseconds(1600)};
  LetterSegments log;
  for (std::uint64_t id = 1000; id < 3000; id += 10) log.Add(id, 50, limits);
  EXPECT_EQ(log.segments().size(), 20U) << "a segment is a sixteenth of the age";
  EXPECT_FALSE(log.HasBefore(1099));
  EXPECT_TRUE(log.HasBefore(1100));
  EXPECT_EQ(log.DropBefore(1099), 0U);
  EXPECT_EQ(log.DropBefore(1350), 30U);
  EXPECT_EQ(log.segments().front().first_id, 1300U);
  EXPECT_EQ(log.bytes(), 170U * 50U);
  EXPECT_FALSE(log.HasBefore(1350));
  EXPECT_EQ(log.record().evicted, 30U);
  EXPECT_EQ(log.DropBefore(2990), 160U) << "the newest letter is not older than itself";
  EXPECT_EQ(log.DropBefore(2991), 10U);
  EXPECT_TRUE(log.segments().empty());
  EXPECT_EQ(log.bytes(), 0U);
}

TEST(LetterSegments, LettersThatAreThereAlreadyGoASegmentAtATimeToo) {
  const LetterLimits limits{.max_bytes = 1600};
  LetterSegments log;
  for (std::uint64_t id = 1; id <= 100; ++id) log.Count(id, 20, limits);
  EXPECT_EQ(log.bytes(), 2000U) << "none goes by being counted";
  const auto added = log.Add(101, 20, limits);
  EXPECT_TRUE(added.kept);
  EXPECT_EQ(added.evicted, 25U);
  EXPECT_EQ(log.segments().front().first_id, 26U);
}

TEST(LetterSegments, WithoutAnAgeThereAreSegmentsBySizeAlone) {
  LetterSegments log;
  log.Add(1, 50, {.max_bytes = 1 << 20});
  log.Add(1'000'000'000'000, 50, {.max_bytes = 1 << 20});
  EXPECT_EQ(log.segments().size(), 1U);
}

}  // namespace
}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/id_buckets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "common/random.h"
#include "tests/support/fake_clock.h"

namespace gateway::queue {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr common::WallTime kNow = tests::FakeClock::kStart;
constexpr pipeline::Dedupe kDay{.window = hours(24), .max_ids = 2400};

/// Counts an id of a request at `now`; returns its time.
std::int64_t Accept(IdBuckets& log, common::WallTime now, const pipeline::Dedupe& dedupe = kDay) {
  log.Advance(now, dedupe);
  return log.Add();
}

TEST(IdBuckets, RemembersForTheWindow) {
  IdBuckets log;
  const std::int64_t id = Accept(log, kNow);
  log.Advance(kNow + hours(24), kDay);
  EXPECT_TRUE(log.Remembers(id));
  log.Advance(kNow + hours(24) + milliseconds(1), kDay);
  EXPECT_FALSE(log.Remembers(id));
}

TEST(IdBuckets, ForgetsWithoutARequestOnlyWhatIsOutOfTheWindow) {
  IdBuckets log;
  const std::int64_t first = Accept(log, kNow);
  const std::int64_t second = Accept(log, kNow + hours(2));
  log.Expire(kNow + hours(26));
  EXPECT_EQ(log.count(), 2U);
  EXPECT_LE(log.memory().forget_before_ms, first);
  log.Expire(common::WallTime(milliseconds(second)) + hours(24));
  EXPECT_EQ(log.count(), 1U);
  EXPECT_GT(log.memory().forget_before_ms, first);
  EXPECT_LE(log.memory().forget_before_ms, second);
  log.Expire(common::WallTime(milliseconds(second + 1)) + hours(24));
  EXPECT_EQ(log.count(), 0U);
  EXPECT_GT(log.memory().forget_before_ms, second);
}

TEST(IdBuckets, OldestGoFirstWhenThereAreTooMany) {
  IdBuckets log;
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 10000; ++i) {
    ids.push_back(Accept(log, kNow + milliseconds(i / 100)));
    ASSERT_LE(log.count(), kDay.max_ids);
  }
  const auto remembered = static_cast<std::uint64_t>(
      std::ranges::count_if(ids, [&](std::int64_t id) { return log.Remembers(id); }));
  EXPECT_EQ(remembered, log.count());
  EXPECT_GE(remembered, kDay.max_ids * 23 / 24);
  EXPECT_TRUE(std::ranges::is_sorted(ids));  // So those that are remembered are the latest.
}

TEST(IdBuckets, CalendarThatGoesBackForgetsNothing) {
  IdBuckets log;
  const std::int64_t before = Accept(log, kNow);
  const std::int64_t after = Accept(log, kNow - hours(48));
  EXPECT_TRUE(log.Remembers(before));
  EXPECT_TRUE(log.Remembers(after));
  log.Expire(kNow - hours(48));
  log.Advance(kNow + hours(23), kDay);
  EXPECT_TRUE(log.Remembers(before));
  EXPECT_TRUE(log.Remembers(after));
}

TEST(IdBuckets, CalendarThatJumpsAheadAndBackForgetsTheOlderOnesOnly) {
  IdBuckets log;
  const std::int64_t before = Accept(log, kNow);
  const std::int64_t ahead = Accept(log, kNow + hours(48));
  const std::int64_t after = Accept(log, kNow + minutes(1));
  EXPECT_FALSE(log.Remembers(before));
  log.Advance(kNow + hours(24), kDay);
  EXPECT_TRUE(log.Remembers(ahead));
  EXPECT_TRUE(log.Remembers(after));
}

TEST(IdBuckets, ShorterWindowForgetsAndALongerOneBringsNothingBack) {
  IdBuckets log;
  const std::int64_t id = Accept(log, kNow);
  const pipeline::Dedupe hour{.window = hours(1), .max_ids = 2400};
  log.Advance(kNow + hours(2), hour);
  EXPECT_FALSE(log.Remembers(id));
  EXPECT_EQ(log.count(), 0U);
  log.Advance(kNow + hours(2), kDay);
  EXPECT_FALSE(log.Remembers(id));
}

TEST(IdBuckets, StoredMemoryIsShortOfFewIdsAndForgetsNone) {
  IdBuckets log;
  IdMemory stored;
  for (int i = 0; i < 5000; ++i) {
    const std::int64_t id = Accept(log, kNow + minutes(i));
    if (log.NeedsRecord()) {
      stored = log.memory();
      log.OnRecorded();
    }
    IdBuckets reopened(stored);
    ASSERT_LE(log.count() - reopened.count(), kDay.max_ids / 384);
    reopened.Advance(kNow + minutes(i), kDay);
    ASSERT_TRUE(reopened.Remembers(id));
    ASSERT_EQ(reopened.memory().forget_before_ms, log.memory().forget_before_ms);
  }
}

TEST(IdBuckets, WritesTheRecordRarely) {
  IdBuckets log;
  int records = 0;
  const pipeline::Dedupe large{.window = hours(24), .max_ids = 240000};
  for (int i = 0; i < 100000; ++i) {
    Accept(log, kNow + milliseconds(i), large);
    if (!log.NeedsRecord()) continue;
    log.OnRecorded();
    ++records;
  }
  EXPECT_LE(records, 100000 / 625 + 11);  // One for 1/384 of max_ids, and one a bucket.
}

TEST(IdBuckets, NumberOfBucketsIsBoundedWhateverComes) {
  common::FastRandom random(7);
  IdBuckets log;
  common::WallTime now = kNow;
  for (int i = 0; i < 20000; ++i) {
    now += milliseconds(random.Next() % 200000) - milliseconds(random.Next() % 100000);
    const pipeline::Dedupe dedupe{.window = random.Next() % 4 == 0 ? hours(240) : hours(1),
                                  .max_ids = random.Next() % 5000};
    log.Advance(now, dedupe);
    const std::int64_t id = log.Add();
    ASSERT_TRUE(log.Remembers(id));
    ASSERT_LE(log.memory().buckets.size(), 64U);
    std::uint64_t count = 0;
    for (const IdBucket& bucket : log.memory().buckets) count += bucket.count;
    ASSERT_EQ(count, log.count());
    ASSERT_EQ(log.memory().buckets.front().start_ms, log.memory().forget_before_ms);
    for (std::size_t b = 1; b < log.memory().buckets.size(); ++b) {
      ASSERT_LT(log.memory().buckets[b - 1].start_ms, log.memory().buckets[b].start_ms);
    }
  }
}

}  // namespace
}  // namespace gateway::queue

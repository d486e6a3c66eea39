// SPDX-License-Identifier: Apache-2.0
#include "gateway/schedule/scheduler.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "tests/support/fake_clock.h"

namespace gateway::schedule {
namespace {

using namespace std::chrono_literals;
using common::SteadyTime;

SchedulerOptions Defaults() {
  return {.flush_interval = 1s,
          .max_batch_events = 100,
          .max_batch_bytes = 10'000,
          .max_in_flight = 4,
          .events_per_second = 0,
          .burst_events = 0};
}

const SteadyTime kStart{std::chrono::hours{1}};

TEST(Scheduler, WaitsTheFlushIntervalForCompany) {
  Scheduler scheduler(Defaults());
  scheduler.AddLane(1, 0, 0, {}, false, kStart);
  EXPECT_FALSE(scheduler.NextWake());
  scheduler.OnCommitted(1, 3, 300, kStart);
  EXPECT_FALSE(scheduler.Next(kStart));
  EXPECT_FALSE(scheduler.Next(kStart + 999ms));
  EXPECT_EQ(scheduler.NextWake(), kStart + 1s);
  const auto dispatch = scheduler.Next(kStart + 1s);
  ASSERT_TRUE(dispatch);
  EXPECT_EQ(dispatch->log, 1U);
  EXPECT_EQ(dispatch->max_events, 100U);
  EXPECT_EQ(dispatch->max_bytes, 10'000U);
}

TEST(Scheduler, LaterEventsDoNotMoveTheDueTimeOfTheFirst) {
  Scheduler scheduler(Defaults());
  scheduler.AddLane(1, 0, 0, {}, false, kStart);
  scheduler.OnCommitted(1, 1, 100, kStart);
  scheduler.OnCommitted(1, 1, 100, kStart + 900ms);
  EXPECT_EQ(scheduler.NextWake(), kStart + 1s);
}

TEST(Scheduler, AFullBatchGoesAtOnce) {
  for (const bool by_bytes : {false, true}) {
    Scheduler scheduler(Defaults());
    scheduler.AddLane(1, 0, 0, {}, false, kStart);
    scheduler.OnCommitted(1, by_bytes ? 2 : 100, by_bytes ? 10'000 : 200, kStart);
    EXPECT_TRUE(scheduler.Next(kStart)) << "by_bytes " << by_bytes;
  }
}

TEST(Scheduler, OneBatchInFlightATenant) {
  Scheduler scheduler(Defaults());
  scheduler.AddLane(1, 0, 0, {}, false, kStart);
  scheduler.OnCommitted(1, 500, 5'000, kStart);
  ASSERT_TRUE(scheduler.Next(kStart));
  EXPECT_FALSE(scheduler.Next(kStart));
  scheduler.OnCommitted(1, 500, 5'000, kStart);
  EXPECT_FALSE(scheduler.Next(kStart + 10s));
  scheduler.OnBatchDone(1, 100, 1'000, kStart, kStart);
  EXPECT_TRUE(scheduler.Next(kStart));
}

TEST(Scheduler, TheInFlightLimitHoldsOverAllTenants) {
  Scheduler scheduler(Defaults());
  for (pipeline::LogId log = 1; log <= 6; ++log) {
    scheduler.AddLane(log, 100, 1'000, {}, false, kStart);
  }
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(scheduler.Next(kStart));
  EXPECT_FALSE(scheduler.Next(kStart));
  EXPECT_EQ(scheduler.in_flight(), 4U);
  scheduler.OnBatchDone(2, 100, 1'000, kStart, kStart);
  const auto next = scheduler.Next(kStart);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->log, 5U);
}

TEST(Scheduler, ReadyTenantsTakeTurns) {
  Scheduler scheduler(Defaults());
  scheduler.AddLane(1, 10'000, 100'000, {}, false, kStart);
  scheduler.AddLane(2, 100, 1'000, {}, false, kStart);
  std::vector<pipeline::LogId> order;
  for (int i = 0; i < 3; ++i) {
    const auto dispatch = scheduler.Next(kStart);
    ASSERT_TRUE(dispatch);
    order.push_back(dispatch->log);
    if (dispatch->log == 1) scheduler.OnBatchDone(1, 100, 1'000, kStart, kStart);
  }
  EXPECT_EQ(order, (std::vector<pipeline::LogId>{1, 2, 1}));
}

TEST(Scheduler, ABacklogIsDueAtOnceButNotBeforeItsRetryTime) {
  Scheduler scheduler(Defaults());
  scheduler.AddLane(1, 5, 50, {}, false, kStart);
  scheduler.AddLane(2, 5, 50, kStart + 7s, false, kStart);
  EXPECT_EQ(scheduler.Next(kStart)->log, 1U);
  EXPECT_FALSE(scheduler.Next(kStart + 6'999ms));
  EXPECT_EQ(scheduler.NextWake(), kStart + 7s);
  EXPECT_EQ(scheduler.Next(kStart + 7s)->log, 2U);
}

TEST(Scheduler, AFailedBatchWaitsAndItsEventsStay) {
  Scheduler scheduler(Defaults());
  scheduler.AddLane(1, 10, 100, {}, false, kStart);
  ASSERT_TRUE(scheduler.Next(kStart));
  scheduler.OnBatchDone(1, 0, 0, kStart + 5s, kStart + 1s);
  EXPECT_EQ(scheduler.pending_events(1), 10U);
  EXPECT_FALSE(scheduler.Next(kStart + 4s));
  EXPECT_TRUE(scheduler.Next(kStart + 5s));
}

TEST(Scheduler, EventsThatCameDuringABatchGetTheirOwnLinger) {
  Scheduler scheduler(Defaults());
  scheduler.AddLane(1, 10, 100, {}, false, kStart);
  ASSERT_TRUE(scheduler.Next(kStart));
  scheduler.OnCommitted(1, 2, 20, kStart + 200ms);
  scheduler.OnBatchDone(1, 10, 100, kStart, kStart + 500ms);
  EXPECT_EQ(scheduler.NextWake(), kStart + 1'200ms);
}

TEST(Scheduler, TheRestOfABatchThatWasCutGoesAtOnce) {
  Scheduler scheduler(Defaults());
  scheduler.AddLane(1, 10, 9'000, {}, false, kStart);
  ASSERT_TRUE(scheduler.Next(kStart));
  // The byte limit let only 4 of the 10 go.
  scheduler.OnBatchDone(1, 4, 4'000, kStart, kStart + 10ms);
  EXPECT_TRUE(scheduler.Next(kStart + 10ms));
}

TEST(Scheduler, AnEstimateThatWasTooHighEndsWithItsBacklog) {
  Scheduler scheduler(Defaults());
  scheduler.AddLane(1, 10, 1'000'000, {}, false, kStart);
  ASSERT_TRUE(scheduler.Next(kStart));
  scheduler.OnBatchDone(1, 10, 2'000, kStart, kStart);
  scheduler.OnCommitted(1, 1, 100, kStart);
  EXPECT_FALSE(scheduler.Next(kStart)) << "one small event waits for company again";
}

TEST(Scheduler, APausedTenantKeepsItsEventsUntilResumed) {
  Scheduler scheduler(Defaults());
  scheduler.AddLane(1, 10, 100, {}, true, kStart);
  scheduler.OnCommitted(1, 1'000, 10'000, kStart);
  EXPECT_FALSE(scheduler.Next(kStart + 1h));
  EXPECT_EQ(scheduler.paused_lanes(), 1U);
  scheduler.SetPaused(1, false, kStart + 1h);
  EXPECT_EQ(scheduler.paused_lanes(), 0U);
  EXPECT_TRUE(scheduler.Next(kStart + 1h));
}

TEST(Scheduler, PausingTakesALaneOutOfTheReadyQueue) {
  Scheduler scheduler(Defaults());
  scheduler.AddLane(1, 100, 1'000, {}, false, kStart);
  scheduler.AddLane(2, 100, 1'000, {}, false, kStart);
  scheduler.SetPaused(1, true, kStart);
  EXPECT_EQ(scheduler.Next(kStart)->log, 2U);
  EXPECT_FALSE(scheduler.Next(kStart));
}

TEST(Scheduler, TheEventCapLimitsTheNextBatches) {
  Scheduler scheduler(Defaults());
  scheduler.AddLane(1, 80, 800, {}, false, kStart);
  scheduler.SetEventCap(1, 7);
  EXPECT_EQ(scheduler.Next(kStart)->max_events, 7U);
  scheduler.SetEventCap(1, 0);
  scheduler.OnBatchDone(1, 7, 70, kStart, kStart);
  EXPECT_EQ(scheduler.Next(kStart)->max_events, 100U);
}

TEST(Scheduler, EventsOfAnUnknownLogAreIgnored) {
  Scheduler scheduler(Defaults());
  scheduler.OnCommitted(9, 5, 50, kStart);
  EXPECT_EQ(scheduler.pending_events(), 0U);
  EXPECT_FALSE(scheduler.Next(kStart + 1h));
}

TEST(Scheduler, TheRateHoldsOverEverySecond) {
  SchedulerOptions options = Defaults();
  options.events_per_second = 50;
  options.burst_events = 50;
  options.flush_interval = 0s;
  Scheduler scheduler(options);
  scheduler.AddLane(1, 100'000, 1'000'000, {}, false, kStart);
  std::vector<std::pair<SteadyTime, std::uint32_t>> sent;
  for (SteadyTime now = kStart; now < kStart + 20s; now += 10ms) {
    while (const auto dispatch = scheduler.Next(now)) {
      scheduler.OnBatchRead(1, dispatch->max_events);
      scheduler.OnBatchDone(1, dispatch->max_events, 10, now, now);
      sent.emplace_back(now, dispatch->max_events);
    }
  }
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < sent.size(); ++i) {
    total += sent[i].second;
    std::uint64_t window = 0;
    for (std::size_t j = i; j < sent.size() && sent[j].first < sent[i].first + 1s; ++j) {
      window += sent[j].second;
    }
    EXPECT_LE(window, 100U) << "rate plus burst, in the second from " << i;
  }
  EXPECT_GE(total, 50U * 19);
  EXPECT_LE(total, 50U * 21);
}

TEST(Scheduler, TokensThatABatchDidNotNeedComeBack) {
  SchedulerOptions options = Defaults();
  options.events_per_second = 10;
  options.burst_events = 100;
  Scheduler scheduler(options);
  scheduler.AddLane(1, 100, 1'000, {}, false, kStart);
  EXPECT_EQ(scheduler.Next(kStart)->max_events, 100U);
  scheduler.OnBatchRead(1, 20);
  scheduler.OnBatchDone(1, 20, 200, kStart, kStart);
  EXPECT_EQ(scheduler.Next(kStart)->max_events, 80U);
}

TEST(Scheduler, NoWakeWhileTheInFlightLimitBlocks) {
  SchedulerOptions options = Defaults();
  options.max_in_flight = 1;
  Scheduler scheduler(options);
  scheduler.AddLane(1, 100, 1'000, {}, false, kStart);
  scheduler.AddLane(2, 1, 10, kStart + 1s, false, kStart);
  ASSERT_TRUE(scheduler.Next(kStart));
  EXPECT_FALSE(scheduler.NextWake()) << "OnBatchDone will tell";
}

TEST(Scheduler, AClaimedLaneIsOutOfTurnUntilItIsReleased) {
  Scheduler scheduler(Defaults());
  scheduler.AddLane(1, 200, 200, kStart + 5s, false, kStart);
  scheduler.AddLane(2, 10, 100, {}, true, kStart);
  ASSERT_TRUE(scheduler.Claim(1));
  ASSERT_TRUE(scheduler.Claim(2)) << "paused lanes too";
  EXPECT_FALSE(scheduler.Claim(1));
  EXPECT_EQ(scheduler.claimed(), 2U);
  EXPECT_FALSE(scheduler.Next(kStart + 6s));
  scheduler.Release(1, 150, 150, kStart + 1s);
  scheduler.Release(2, 0, 0, kStart + 1s);
  EXPECT_EQ(scheduler.claimed(), 0U);
  EXPECT_EQ(scheduler.pending_events(1), 50U);
  EXPECT_FALSE(scheduler.Next(kStart + 4s)) << "it waits as long as before";
  EXPECT_EQ(scheduler.Next(kStart + 5s)->log, 1U);
  EXPECT_FALSE(scheduler.Claim(1));
}

TEST(Scheduler, AClaimTakesNoPlaceInFlight) {
  SchedulerOptions options = Defaults();
  options.max_in_flight = 1;
  Scheduler scheduler(options);
  scheduler.AddLane(1, 200, 200, {}, true, kStart);
  scheduler.AddLane(2, 100, 100, {}, false, kStart);
  ASSERT_TRUE(scheduler.Claim(1));
  EXPECT_EQ(scheduler.in_flight(), 0U);
  EXPECT_EQ(scheduler.Next(kStart)->log, 2U) << "nobody waits for a look at another's log";
  scheduler.SetPaused(1, false, kStart);
  EXPECT_FALSE(scheduler.Next(kStart)) << "and what is claimed does not go";
  scheduler.Release(1, 0, 0, kStart);
  EXPECT_EQ(scheduler.in_flight(), 1U);
  scheduler.OnBatchDone(2, 100, 100, {}, kStart);
  EXPECT_EQ(scheduler.Next(kStart)->log, 1U);
}

}  // namespace
}  // namespace gateway::schedule

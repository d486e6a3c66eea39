// SPDX-License-Identifier: Apache-2.0
#include "gateway/schedule/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "common/random.h"
#include "tests/support/fake_clock.h"

namespace gateway::schedule {
namespace {

using namespace std::chrono_literals;
using common::SteadyTime;

struct Rules {
  SchedulerOptions scheduler{.max_in_flight = 4,
                             .slow = 3s,
                             .endpoint = {.failing_tenants = 3,
                                          .silence = 1s,
                                          .probe = {.initial = 1s, .multiplier = 2, .max = 30s},
                                          .recovery_requests_per_second = 50}};
  pipeline::DeliveryPolicy lane{
      .flush_interval = 1s, .max_batch_events = 100, .max_batch_bytes = 10'000};
};

/// A scheduler with one endpoint, where lanes are alike.
class Subject : public Scheduler {
 public:
  explicit Subject(const Rules& rules = {})
      : Scheduler(rules.scheduler, Random()), policy_(rules.lane) {
    AddEndpoint(SteadyTime());
  }

  using Scheduler::AddLane;
  using Scheduler::OnBatchDone;
  void AddLane(pipeline::LogId log, std::uint64_t events, std::uint64_t bytes,
               SteadyTime not_before, bool paused, SteadyTime now) {
    AddLane(log, 0, policy_,
            {.events = events, .bytes = bytes, .not_before = not_before, .paused = paused}, now);
  }
  void OnBatchDone(pipeline::LogId log, std::uint64_t events, std::uint64_t bytes,
                   SteadyTime not_before, SteadyTime now) {
    OnBatchDone(
        log,
        {.events = events, .bytes = bytes, .not_before = not_before, .sign = EndpointSign::kGood},
        now);
  }
  void Fail(pipeline::LogId log, SteadyTime not_before, SteadyTime now) {
    OnBatchDone(log, {.not_before = not_before, .sign = EndpointSign::kBad}, now);
  }

 private:
  static common::Random& Random() {
    static common::FastRandom random(1);
    return random;
  }
  const pipeline::DeliveryPolicy policy_;
};

const SteadyTime kStart{std::chrono::hours{1}};

TEST(Scheduler, WaitsTheFlushIntervalForCompany) {
  Subject scheduler;
  scheduler.AddLane(1, 0, 0, {}, false, kStart);
  EXPECT_FALSE(scheduler.NextWake(kStart));
  scheduler.OnCommitted(1, 3, 300, kStart);
  EXPECT_FALSE(scheduler.Next(kStart));
  EXPECT_FALSE(scheduler.Next(kStart + 999ms));
  EXPECT_EQ(scheduler.NextWake(kStart), kStart + 1s);
  const auto dispatch = scheduler.Next(kStart + 1s);
  ASSERT_TRUE(dispatch);
  EXPECT_EQ(dispatch->log, 1U);
  EXPECT_EQ(dispatch->max_events, 100U);
  EXPECT_EQ(dispatch->max_bytes, 10'000U);
}

TEST(Scheduler, LaterEventsDoNotMoveTheDueTimeOfTheFirst) {
  Subject scheduler;
  scheduler.AddLane(1, 0, 0, {}, false, kStart);
  scheduler.OnCommitted(1, 1, 100, kStart);
  scheduler.OnCommitted(1, 1, 100, kStart + 900ms);
  EXPECT_EQ(scheduler.NextWake(kStart), kStart + 1s);
}

TEST(Scheduler, AFullBatchGoesAtOnce) {
  for (const bool by_bytes : {false, true}) {
    Subject scheduler;
    scheduler.AddLane(1, 0, 0, {}, false, kStart);
    scheduler.OnCommitted(1, by_bytes ? 2 : 100, by_bytes ? 10'000 : 200, kStart);
    EXPECT_TRUE(scheduler.Next(kStart)) << "by_bytes " << by_bytes;
  }
}

TEST(Scheduler, OneBatchInFlightATenant) {
  Subject scheduler;
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
  Subject scheduler;
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
  Subject scheduler;
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
  Subject scheduler;
  scheduler.AddLane(1, 5, 50, {}, false, kStart);
  scheduler.AddLane(2, 5, 50, kStart + 7s, false, kStart);
  EXPECT_EQ(scheduler.Next(kStart)->log, 1U);
  EXPECT_FALSE(scheduler.Next(kStart + 6'999ms));
  EXPECT_EQ(scheduler.NextWake(kStart), kStart + 7s);
  EXPECT_EQ(scheduler.Next(kStart + 7s)->log, 2U);
}

TEST(Scheduler, AFailedBatchWaitsAndItsEventsStay) {
  Subject scheduler;
  scheduler.AddLane(1, 10, 100, {}, false, kStart);
  ASSERT_TRUE(scheduler.Next(kStart));
  scheduler.OnBatchDone(1, 0, 0, kStart + 5s, kStart + 1s);
  EXPECT_EQ(scheduler.pending_events(1), 10U);
  EXPECT_FALSE(scheduler.Next(kStart + 4s));
  EXPECT_TRUE(scheduler.Next(kStart + 5s));
}

TEST(Scheduler, EventsThatCameDuringABatchGetTheirOwnLinger) {
  Subject scheduler;
  scheduler.AddLane(1, 10, 100, {}, false, kStart);
  ASSERT_TRUE(scheduler.Next(kStart));
  scheduler.OnCommitted(1, 2, 20, kStart + 200ms);
  scheduler.OnBatchDone(1, 10, 100, kStart, kStart + 500ms);
  EXPECT_EQ(scheduler.NextWake(kStart), kStart + 1'200ms);
}

TEST(Scheduler, TheRestOfABatchThatWasCutGoesAtOnce) {
  Subject scheduler;
  scheduler.AddLane(1, 10, 9'000, {}, false, kStart);
  ASSERT_TRUE(scheduler.Next(kStart));
  // The byte limit let only 4 of the 10 go.
  scheduler.OnBatchDone(1, 4, 4'000, kStart, kStart + 10ms);
  EXPECT_TRUE(scheduler.Next(kStart + 10ms));
}

TEST(Scheduler, AnEstimateThatWasTooHighEndsWithItsBacklog) {
  Subject scheduler;
  scheduler.AddLane(1, 10, 1'000'000, {}, false, kStart);
  ASSERT_TRUE(scheduler.Next(kStart));
  scheduler.OnBatchDone(1, 10, 2'000, kStart, kStart);
  scheduler.OnCommitted(1, 1, 100, kStart);
  EXPECT_FALSE(scheduler.Next(kStart)) << "one small event waits for company again";
}

TEST(Scheduler, APausedTenantKeepsItsEventsUntilResumed) {
  Subject scheduler;
  scheduler.AddLane(1, 10, 100, {}, true, kStart);
  scheduler.OnCommitted(1, 1'000, 10'000, kStart);
  EXPECT_FALSE(scheduler.Next(kStart + 1h));
  EXPECT_EQ(scheduler.paused_lanes(), 1U);
  scheduler.SetPaused(1, false, kStart + 1h);
  EXPECT_EQ(scheduler.paused_lanes(), 0U);
  EXPECT_TRUE(scheduler.Next(kStart + 1h));
}

TEST(Scheduler, PausingTakesALaneOutOfTheReadyQueue) {
  Subject scheduler;
  scheduler.AddLane(1, 100, 1'000, {}, false, kStart);
  scheduler.AddLane(2, 100, 1'000, {}, false, kStart);
  scheduler.SetPaused(1, true, kStart);
  EXPECT_EQ(scheduler.Next(kStart)->log, 2U);
  EXPECT_FALSE(scheduler.Next(kStart));
}

TEST(Scheduler, TheEventCapLimitsTheNextBatches) {
  Subject scheduler;
  scheduler.AddLane(1, 80, 800, {}, false, kStart);
  scheduler.SetEventCap(1, 7);
  EXPECT_EQ(scheduler.Next(kStart)->max_events, 7U);
  scheduler.SetEventCap(1, 0);
  scheduler.OnBatchDone(1, 7, 70, kStart, kStart);
  EXPECT_EQ(scheduler.Next(kStart)->max_events, 100U);
}

TEST(Scheduler, EventsOfAnUnknownLogAreIgnored) {
  Subject scheduler;
  scheduler.OnCommitted(9, 5, 50, kStart);
  EXPECT_EQ(scheduler.pending_events(), 0U);
  EXPECT_FALSE(scheduler.Next(kStart + 1h));
}

TEST(Scheduler, TheRateHoldsOverEverySecond) {
  Rules options;
  options.lane.events_per_second = 50;
  options.lane.burst_events = 50;
  options.lane.flush_interval = 0s;
  Subject scheduler(options);
  scheduler.AddLane(1, 100'000, 1'000'000, {}, false, kStart);
  std::vector<std::pair<SteadyTime, std::uint32_t>> sent;
  for (SteadyTime now = kStart; now < kStart + 20s; now += 10ms) {
    while (const auto dispatch = scheduler.Next(now)) {
      scheduler.OnBatchRead(1, dispatch->max_events, 10);
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
  Rules options;
  options.lane.events_per_second = 10;
  options.lane.burst_events = 100;
  Subject scheduler(options);
  scheduler.AddLane(1, 100, 1'000, {}, false, kStart);
  EXPECT_EQ(scheduler.Next(kStart)->max_events, 100U);
  scheduler.OnBatchRead(1, 20, 200);
  scheduler.OnBatchDone(1, 20, 200, kStart, kStart);
  EXPECT_EQ(scheduler.Next(kStart)->max_events, 80U);
}

TEST(Scheduler, NoWakeWhileTheInFlightLimitBlocks) {
  Rules options;
  options.scheduler.max_in_flight = 1;
  Subject scheduler(options);
  scheduler.AddLane(1, 100, 1'000, {}, false, kStart);
  scheduler.AddLane(2, 1, 10, kStart + 1s, false, kStart);
  ASSERT_TRUE(scheduler.Next(kStart));
  EXPECT_FALSE(scheduler.NextWake(kStart)) << "OnBatchDone will tell";
}

TEST(Scheduler, AClaimedLaneIsOutOfTurnUntilItIsReleased) {
  Subject scheduler;
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
  Rules options;
  options.scheduler.max_in_flight = 1;
  Subject scheduler(options);
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

/// How often each lane's batch goes when `turns` of them go one at a time.
std::vector<int> Shares(Subject& scheduler, int turns, const std::vector<std::uint64_t>& bytes) {
  std::vector<int> batches(bytes.size());
  for (int i = 0; i < turns; ++i) {
    const auto dispatch = scheduler.Next(kStart);
    if (!dispatch) break;
    ++batches[dispatch->log];
    scheduler.OnBatchRead(dispatch->log, 100, bytes[dispatch->log]);
    scheduler.OnBatchDone(dispatch->log, 100, bytes[dispatch->log], kStart, kStart);
  }
  return batches;
}

TEST(Scheduler, AWeightIsAShareOfTheTurns) {
  Rules rules;
  rules.scheduler.max_in_flight = 1;
  rules.lane.max_batch_bytes = 475'000;
  Subject scheduler(rules);
  for (pipeline::LogId log = 0; log < 3; ++log) {
    pipeline::DeliveryPolicy policy = rules.lane;
    policy.weight = log == 2 ? 3 : 1;
    scheduler.AddLane(log, 0, policy, {.events = 1'000'000, .bytes = 4'750'000'000}, kStart);
  }
  const std::vector<int> batches = Shares(scheduler, 500, {475'000, 475'000, 475'000});
  EXPECT_NEAR(batches[0], 100, 2);
  EXPECT_NEAR(batches[1], 100, 2);
  EXPECT_NEAR(batches[2], 300, 2);
}

TEST(Scheduler, SmallBatchesGoMoreOftenAndNotForEver) {
  Rules rules;
  rules.scheduler.max_in_flight = 1;
  rules.lane.max_batch_bytes = 475'000;
  Subject scheduler(rules);
  scheduler.AddLane(0, 0, rules.lane, {.events = 1'000'000, .bytes = 4'750'000'000}, kStart);
  scheduler.AddLane(1, 0, rules.lane, {.events = 1'000'000, .bytes = 100'000'000}, kStart);
  const std::vector<int> batches = Shares(scheduler, 300, {475'000, 10'000});
  EXPECT_GT(batches[1], 2 * batches[0]) << "their bytes are few";
  EXPECT_GT(batches[0], 10) << "but a request costs something, too";
}

TEST(Scheduler, WhoHangsLeavesRoomForTheOthers) {
  Rules rules;
  rules.scheduler.max_in_flight = 8;
  Subject scheduler(rules);
  for (pipeline::LogId log = 0; log < 20; ++log) {
    scheduler.AddLane(log, 0, rules.lane, {.events = 100, .bytes = 1'000, .failed = log < 18},
                      kStart);
  }
  std::vector<pipeline::LogId> started;
  while (const auto dispatch = scheduler.Next(kStart)) started.push_back(dispatch->log);
  EXPECT_EQ(started.size(), 8U);
  EXPECT_EQ(std::ranges::count_if(started, [](auto log) { return log < 18; }), 6);
  for (const pipeline::LogId log : {18U, 19U}) scheduler.OnBatchDone(log, 100, 1'000, {}, kStart);
  EXPECT_FALSE(scheduler.Next(kStart)) << "the last quarter is for those that did not fail";
  scheduler.OnCommitted(18, 100, 1'000, kStart);
  EXPECT_EQ(scheduler.Next(kStart)->log, 18U);
}

TEST(Scheduler, SlowTenantsCountAsThoseThatFail) {
  Rules rules;
  Subject scheduler(rules);
  for (pipeline::LogId log = 0; log < 4; ++log) {
    scheduler.AddLane(log, 1'000, 10'000, {}, false, kStart);
    ASSERT_TRUE(scheduler.Next(kStart));
  }
  const SteadyTime late = kStart + 4s;
  for (pipeline::LogId log = 0; log < 4; ++log) scheduler.OnBatchDone(log, 100, 1'000, late, late);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(scheduler.Next(late));
  EXPECT_FALSE(scheduler.Next(late));
  scheduler.OnBatchDone(0, 100, 1'000, late, late + 1ms);
  EXPECT_EQ(scheduler.Next(late + 1ms)->log, 0U) << "it was quick";
  EXPECT_TRUE(scheduler.Next(late + 1ms));
}

TEST(Scheduler, SuspectsHaveOneTurnInEightBesideABusyNeighbour) {
  Rules rules;
  rules.scheduler.max_in_flight = 1;
  rules.scheduler.endpoint.failing_tenants = 2;
  Subject scheduler(rules);
  scheduler.AddLane(0, 0, rules.lane, {.events = 100'000, .bytes = 1'000'000}, kStart);
  scheduler.AddLane(1, 0, rules.lane, {.events = 100'000, .bytes = 1'000'000, .failed = true},
                    kStart);
  int suspects = 0;
  for (int i = 0; i < 800; ++i) {
    const auto dispatch = scheduler.Next(kStart);
    ASSERT_TRUE(dispatch);
    if (dispatch->log == 0) {
      scheduler.OnBatchDone(0, 100, 1'000, kStart, kStart);
    } else {
      ++suspects;
      scheduler.Fail(1, kStart, kStart);
    }
  }
  EXPECT_EQ(suspects, 100);
}

TEST(Scheduler, WhoHangsLeavesRoomHoweverFewPlacesThereAre) {
  for (const std::uint32_t places : {2U, 3U, 4U}) {
    Rules rules;
    rules.scheduler.max_in_flight = places;
    Subject scheduler(rules);
    for (pipeline::LogId log = 0; log < 5; ++log) {
      scheduler.AddLane(log, 0, rules.lane, {.events = 100, .bytes = 1'000, .failed = true},
                        kStart);
    }
    std::uint32_t started = 0;
    while (scheduler.Next(kStart)) ++started;
    EXPECT_EQ(started, places - 1);
  }
}

TEST(Scheduler, AnEndpointThatIsDownStopsItsOwnTenantsOnly) {
  Rules rules;
  rules.scheduler.max_in_flight = 100;
  Subject scheduler(rules);
  const EndpointId other = scheduler.AddEndpoint(kStart);
  for (pipeline::LogId log = 0; log < 50; ++log) {
    scheduler.AddLane(log, 100, 1'000, {}, false, kStart);
  }
  scheduler.AddLane(50, other, rules.lane, {.events = 1'000, .bytes = 1'000}, kStart);
  const SteadyTime now = kStart + 1s;
  for (pipeline::LogId log = 0; log < 3; ++log) {
    ASSERT_EQ(scheduler.Next(now)->log, log == 1 ? 50 : log == 0 ? 0 : 1) << "endpoints take turns";
  }
  scheduler.Fail(0, now, now);
  scheduler.Fail(1, now, now);
  ASSERT_EQ(scheduler.Next(now)->log, 2U);
  scheduler.Fail(2, now, now);
  EXPECT_EQ(scheduler.StateOf(0), EndpointGate::State::kDown);
  EXPECT_FALSE(scheduler.Next(now)) << "47 others wait";
  scheduler.OnBatchDone(50, 100, 1'000, {}, now);
  EXPECT_EQ(scheduler.Next(now)->log, 50U);
  EXPECT_EQ(scheduler.NextWake(now), now + 1s);
  EXPECT_EQ(scheduler.Next(now + 1s)->log, 3U) << "one that has not failed asks";
  EXPECT_FALSE(scheduler.Next(now + 1s));
  scheduler.OnBatchDone(3, 100, 1'000, {}, now + 1s);
  EXPECT_EQ(scheduler.StateOf(0), EndpointGate::State::kRecovering);
  EXPECT_TRUE(scheduler.Next(now + 1s));
}

}  // namespace
}  // namespace gateway::schedule

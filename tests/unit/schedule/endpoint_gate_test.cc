// SPDX-License-Identifier: Apache-2.0
#include "gateway/schedule/endpoint_gate.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <utility>

namespace gateway::schedule {
namespace {

using namespace std::chrono_literals;
using common::SteadyTime;
using pipeline::LogId;
using State = EndpointGate::State;

class EndpointGateTest : public ::testing::Test {
 protected:
  static EndpointPolicy Policy() {
    return {.failing_tenants = 3,
            .silence = 1s,
            .probe = {.initial = 1s, .multiplier = 2, .max = 8s, .jitter = 0},
            .recovery_requests_per_second = 50};
  }

  void End(LogId log, EndpointSign sign) {
    gate_.OnEnd(log, gate_.OnStart(true, now_), sign, now_);
  }
  void Good(LogId log) { End(log, EndpointSign::kGood); }
  void Bad(LogId log) { End(log, EndpointSign::kBad); }
  bool Open(bool sound = true) { return gate_.IsOpen(sound, now_); }
  void GoDown() {
    now_ += 1s;
    for (LogId log = 1; log <= 3; ++log) Bad(log);
    ASSERT_EQ(gate_.state(), State::kDown);
  }
  /// As many requests as may be started within `time`, each answered well at once.
  int GoodIn(common::Duration time) {
    int count = 0;
    for (const SteadyTime end = now_ + time; now_ < end; now_ += 1ms) {
      // No more than any rate here allows; an endpoint that is up has none.
      for (int i = 0; i < 10 && Open(); ++i, ++count) Good(9);
    }
    return count;
  }

  SteadyTime now_ = SteadyTime() + 1h;
  common::FastRandom random_{1};
  std::optional<EndpointGate> made_{std::in_place, Policy(), random_, now_};
  EndpointGate& gate_ = *made_;
};

TEST_F(EndpointGateTest, OneSickTenantClosesItToNobody) {
  for (int i = 0; i < 1000; ++i) {
    now_ += 1s;
    Bad(7);
    EXPECT_TRUE(Open());
  }
  EXPECT_EQ(gate_.state(), State::kUp);
}

TEST_F(EndpointGateTest, SickTenantsBesideSoundOnesCloseItToNobody) {
  for (int i = 0; i < 100; ++i) {
    now_ += 900ms;
    for (LogId log = 1; log <= 10; ++log) Bad(log);
    Good(11);
    EXPECT_EQ(gate_.state(), State::kUp);
  }
}

TEST_F(EndpointGateTest, GoesDownWhenTenantsFailAndNobodySucceeds) {
  now_ += 900ms;
  for (LogId log = 1; log <= 5; ++log) Bad(log);
  EXPECT_EQ(gate_.state(), State::kUp) << "somebody had an answer a moment ago";
  now_ += 100ms;
  Bad(1);
  EXPECT_EQ(gate_.state(), State::kDown);
  EXPECT_FALSE(Open());
}

TEST_F(EndpointGateTest, ProbesOneAtATimeInGrowingSteps) {
  GoDown();
  for (const common::Duration wait : {1s, 2s, 4s, 8s, 8s}) {
    EXPECT_EQ(gate_.NextOpening(false, now_), now_ + wait);
    now_ += wait - 1ns;
    EXPECT_FALSE(Open(false));
    now_ += 1ns;
    EXPECT_TRUE(Open(false));
    const auto probe = gate_.OnStart(false, now_);
    EXPECT_FALSE(Open(false));
    EXPECT_FALSE(Open(true));
    EXPECT_EQ(gate_.NextOpening(false, now_), std::nullopt) << "the probe has to end first";
    gate_.OnEnd(1, probe, EndpointSign::kBad, now_);
  }
}

TEST_F(EndpointGateTest, ProbeThatHangsKeepsNoSoundTenantOut) {
  GoDown();
  now_ += 1s;
  ASSERT_TRUE(Open(false));
  gate_.OnStart(false, now_);
  EXPECT_EQ(gate_.NextOpening(true, now_), now_ + 1s);
  now_ += 1s;
  ASSERT_TRUE(Open(true));
  const auto probe = gate_.OnStart(true, now_);
  now_ += 10s;
  EXPECT_FALSE(Open(true)) << "one of each";
  EXPECT_FALSE(Open(false));
  gate_.OnEnd(9, probe, EndpointSign::kGood, now_);
  EXPECT_EQ(gate_.state(), State::kRecovering);
}

TEST_F(EndpointGateTest, WhoHangsLeavesPlacesWhileItComesBack) {
  GoDown();
  now_ += 1s;
  Good(1);
  now_ += 100ms;
  ASSERT_TRUE(Open(false));
  gate_.OnStart(false, now_);
  EXPECT_FALSE(Open(false));
  for (int i = 0; i < 20; ++i) {
    now_ += 100ms;
    ASSERT_TRUE(Open(true));
    Good(9);
  }
}

TEST_F(EndpointGateTest, TenantThatHasNotFailedProbesSoon) {
  GoDown();
  for (int i = 0; i < 5; ++i) {
    now_ += 8s;
    ASSERT_TRUE(Open(false));
    Bad(1);
  }
  now_ += 1s;
  EXPECT_FALSE(Open(false));
  EXPECT_TRUE(Open(true));
}

TEST_F(EndpointGateTest, WhatWasUnderWayNeitherProbesNorCounts) {
  const auto hung = gate_.OnStart(true, now_);
  GoDown();
  now_ += 1s;
  EXPECT_TRUE(Open()) << "a request that hangs does not stand for the probe";
  gate_.OnEnd(8, hung, EndpointSign::kBad, now_);
  EXPECT_TRUE(Open()) << "it failed for the reason that is known";
}

TEST_F(EndpointGateTest, ComesBackGradually) {
  GoDown();
  now_ += 1s;
  Good(1);
  EXPECT_EQ(gate_.state(), State::kRecovering);
  const int first = GoodIn(1s);
  EXPECT_GE(first, 45);
  EXPECT_LE(first, 60);
  const int second = GoodIn(1s);
  EXPECT_GE(second, 90);
  EXPECT_LE(second, 115);
  GoodIn(20s);
  EXPECT_EQ(gate_.state(), State::kUp);
}

TEST_F(EndpointGateTest, LetsMoreThroughAtATimeForEachGoodAnswer) {
  GoDown();
  now_ += 1s;
  Good(1);
  const auto a = gate_.OnStart(true, now_);
  const auto b = gate_.OnStart(true, now_);
  now_ += 100ms;
  EXPECT_FALSE(Open());
  gate_.OnEnd(1, a, EndpointSign::kGood, now_);
  ASSERT_TRUE(Open());
  const auto c = gate_.OnStart(true, now_);
  ASSERT_TRUE(Open());
  gate_.OnStart(true, now_);
  EXPECT_FALSE(Open());
  gate_.OnEnd(2, b, EndpointSign::kBad, now_);
  gate_.OnEnd(3, c, EndpointSign::kBad, now_);
  EXPECT_FALSE(Open()) << "half as many after bad ones";
}

TEST_F(EndpointGateTest, BadAnswerWhileItComesBackHalvesTheRate) {
  GoDown();
  now_ += 1s;
  Good(1);
  GoodIn(4s);
  const int before = GoodIn(1s);
  Bad(2);
  Bad(3);
  const int after = GoodIn(1s);
  EXPECT_LT(after, before * 3 / 4);
  EXPECT_EQ(gate_.state(), State::kRecovering);
}

TEST_F(EndpointGateTest, OneSickTenantDoesNotKeepItFromComingBack) {
  GoDown();
  now_ += 1s;
  Good(1);
  for (int second = 0; second < 30; ++second) {
    Bad(7);
    GoodIn(1s);
  }
  EXPECT_EQ(gate_.state(), State::kUp);
}

TEST_F(EndpointGateTest, HoldsItsRateInEverySecond) {
  EndpointPolicy policy = Policy();
  policy.requests_per_second = 20;
  made_.emplace(policy, random_, now_);
  now_ += 1h;
  EXPECT_LE(GoodIn(1s), 22) << "a rest does not make a burst";
  for (int i = 0; i < 40; ++i) {
    if (i == 10) {
      GoDown();
      now_ += 1s;
      Good(1);
    }
    const int count = GoodIn(1s);
    EXPECT_GE(count, 19 - (i == 10 ? 1 : 0));
    EXPECT_LE(count, 20 + (i == 10 ? 2 : 0)) << i;
  }
}

TEST_F(EndpointGateTest, CalledBackRequestSaysNothing) {
  GoDown();
  now_ += 1s;
  End(1, EndpointSign::kNone);
  EXPECT_EQ(gate_.state(), State::kDown);
  now_ += 1s;
  EXPECT_TRUE(Open(false)) << "no longer than after the first";
}

}  // namespace
}  // namespace gateway::schedule

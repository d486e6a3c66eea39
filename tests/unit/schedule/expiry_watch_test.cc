// SPDX-License-Identifier: Apache-2.0
#include "gateway/schedule/expiry_watch.h"

#include <gtest/gtest.h>

#include <chrono>

namespace gateway::schedule {
namespace {

using namespace std::chrono_literals;
using common::SteadyTime;
using pipeline::LogId;

const SteadyTime kStart{1h};

TEST(ExpiryWatch, OneLookALogAtTheEarliestTime) {
  ExpiryWatch watch(8);
  EXPECT_FALSE(watch.NextWake());
  watch.Plan(1, kStart + 10s);
  watch.Plan(2, kStart + 7s);
  watch.Plan(1, kStart + 20s);
  EXPECT_EQ(watch.NextWake(), kStart + 7s);
  watch.Plan(1, kStart + 5s);
  EXPECT_EQ(watch.NextWake(), kStart + 5s);
  EXPECT_FALSE(watch.Next(kStart + 4s));
  EXPECT_EQ(watch.Next(kStart + 9s), 1U);
  EXPECT_FALSE(watch.planned(1));
  EXPECT_EQ(watch.Next(kStart + 9s), 2U);
  EXPECT_FALSE(watch.Next(kStart + 1h));
}

TEST(ExpiryWatch, AFewLooksAtATime) {
  ExpiryWatch watch(2);
  for (LogId log = 1; log <= 4; ++log) watch.Plan(log, kStart + log * 1s);
  EXPECT_EQ(watch.Next(kStart + 1h), 1U);
  EXPECT_EQ(watch.Next(kStart + 1h), 2U);
  EXPECT_FALSE(watch.Next(kStart + 1h));
  EXPECT_FALSE(watch.NextWake()) << "Done will tell";
  EXPECT_TRUE(watch.planned(3));
  watch.Done();
  EXPECT_EQ(watch.NextWake(), kStart + 3s);
  EXPECT_EQ(watch.Next(kStart + 1h), 3U);
  EXPECT_FALSE(watch.Next(kStart + 1h));
}

TEST(ExpiryWatch, NoLookWhileTheyAreHeld) {
  ExpiryWatch watch(2);
  watch.Plan(1, kStart);
  watch.HoldUntil(kStart + 10s);
  EXPECT_FALSE(watch.IsDue(kStart + 9s));
  EXPECT_FALSE(watch.Next(kStart + 9s));
  EXPECT_EQ(watch.NextWake(), kStart + 10s);
  EXPECT_EQ(watch.Next(kStart + 10s), 1U);
}

}  // namespace
}  // namespace gateway::schedule

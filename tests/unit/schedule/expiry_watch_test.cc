// SPDX-License-Identifier: Apache-2.0
#include "gateway/schedule/expiry_watch.h"

#include <gtest/gtest.h>

#include <chrono>

namespace gateway::schedule {
namespace {

using namespace std::chrono_literals;
using common::SteadyTime;

const SteadyTime kStart{1h};

TEST(ExpiryWatch, OneLookALogAtTheEarliestTime) {
  ExpiryWatch watch;
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

}  // namespace
}  // namespace gateway::schedule

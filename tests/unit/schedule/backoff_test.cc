// SPDX-License-Identifier: Apache-2.0
#include "gateway/schedule/backoff.h"

#include <gtest/gtest.h>

#include <chrono>

namespace gateway::schedule {
namespace {

using namespace std::chrono_literals;

constexpr pipeline::BackoffPolicy kNoJitter{
    .initial = 500ms, .multiplier = 2, .max = 300s, .jitter = 0};

TEST(Backoff, DoublesUpToTheCap) {
  common::FastRandom random(1);
  const std::pair<std::uint32_t, common::Duration> cases[] = {
      {0, 500ms}, {1, 500ms},    {2, 1s},
      {3, 2s},    {10, 256s},    {11, 300s},
      {12, 300s}, {5'000, 300s}, {4'000'000'000U, 300s}};
  for (const auto& [attempt, wait] : cases) {
    EXPECT_EQ(BackoffDelay(kNoJitter, attempt, random), wait) << attempt;
  }
}

TEST(Backoff, JitterStaysInItsBandAndUsesIt) {
  pipeline::BackoffPolicy policy = kNoJitter;
  policy.jitter = 0.2;
  common::FastRandom random(7);
  common::Duration low = common::Duration::max();
  common::Duration high{};
  for (int i = 0; i < 1'000; ++i) {
    const common::Duration wait = BackoffDelay(policy, 3, random);
    low = std::min(low, wait);
    high = std::max(high, wait);
  }
  EXPECT_GE(low, 1'600ms);
  EXPECT_LE(high, 2'400ms);
  EXPECT_LT(low, 1'650ms);
  EXPECT_GT(high, 2'350ms);
}

}  // namespace
}  // namespace gateway::schedule

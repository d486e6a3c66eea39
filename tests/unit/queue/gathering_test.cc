// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/gathering.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace gateway::queue {
namespace {

using std::chrono::microseconds;

TEST(Gathering, WaitsForThoseAnsweredAndThoseThatCameMeanwhile) {
  Gathering gathering(25);
  gathering.Answering(40, 24, microseconds(400));
  const auto wait = gathering.Begin(30);
  ASSERT_TRUE(wait);
  EXPECT_EQ(wait->appends, 64U);
  EXPECT_EQ(wait->at_most, microseconds(100));
}

TEST(Gathering, WaitsOnlyShortlyAfterADiskThatHung) {
  Gathering gathering(100);
  gathering.Answering(64, 0, std::chrono::seconds(20));
  EXPECT_EQ(gathering.Begin(1)->at_most, std::chrono::milliseconds(5));
}

TEST(Gathering, DoesNotWaitWhenAllAreThere) {
  Gathering gathering(25);
  gathering.Answering(40, 24, microseconds(400));
  EXPECT_FALSE(gathering.Begin(64));
  EXPECT_FALSE(gathering.Begin(65));
}

TEST(Gathering, DoesNotWaitBeforeAnyoneWasAnswered) { EXPECT_FALSE(Gathering(25).Begin(1)); }

TEST(Gathering, DoesNotWaitForAFew) {
  Gathering gathering(25);
  gathering.Answering(4, 3, microseconds(400));
  EXPECT_FALSE(gathering.Begin(3));
}

TEST(Gathering, CanBeTurnedOff) {
  Gathering gathering(0);
  gathering.Answering(40, 24, microseconds(400));
  EXPECT_FALSE(gathering.Begin(30));
}

/// Commits between two waits of `waits` waits, after each of which `came` of 10 are pending.
std::vector<int> CommitsBetween(Gathering& gathering, int waits, std::size_t came) {
  std::vector<int> between;
  int commits = 0;
  while (waits > 0) {
    gathering.Answering(10, 0, microseconds(100));
    if (!gathering.Begin(1)) {
      ++commits;
      continue;
    }
    gathering.Ended(came);
    between.push_back(commits);
    commits = 0;
    --waits;
  }
  return between;
}

TEST(Gathering, IsTriedMoreSeldomWhereNobodyComes) {
  Gathering gathering(25);
  EXPECT_EQ(CommitsBetween(gathering, 10, 5),
            (std::vector<int>{0, 1, 3, 7, 15, 31, 63, 127, 127, 127}));
}

TEST(Gathering, IsTriedAgainAtOnceWhereHalfOfThemCome) {
  Gathering gathering(25);
  CommitsBetween(gathering, 5, 1);
  EXPECT_EQ(CommitsBetween(gathering, 4, 6), (std::vector<int>{31, 0, 0, 0}));
}

}  // namespace
}  // namespace gateway::queue

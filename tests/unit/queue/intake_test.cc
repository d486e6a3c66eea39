// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/intake.h"

#include <gtest/gtest.h>

#include <chrono>

#include "common/thread.h"

namespace gateway::queue {
namespace {

using common::ErrorCode;
using Clock = std::chrono::steady_clock;

Intake::Limits Small() {
  return {.pending_bytes = 100, .pending_requests = 3, .commit_bytes = 50, .linger = {}};
}

PendingAppend Append(std::uint64_t bytes) {
  return {.request = {}, .done = {}, .bytes = bytes, .refused = {}};
}

common::Status Push(Intake& intake, std::uint64_t bytes) {
  PendingAppend append = Append(bytes);
  return intake.Push(append);
}

TEST(Intake, RefusesBeyondTheNumberOfRequests) {
  Intake intake(Small());
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(intake.full());
    EXPECT_TRUE(Push(intake, 1));
  }
  EXPECT_TRUE(intake.full());
  const auto refused = Push(intake, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(intake.pending_requests(), 3U);
}

TEST(Intake, RefusesBeyondTheBytesButTakesOneOfAnySize) {
  Intake intake(Small());
  EXPECT_TRUE(Push(intake, 1000));
  EXPECT_FALSE(Push(intake, 1));
  EXPECT_TRUE(intake.full());
  Work work;
  EXPECT_EQ(intake.Take(work, Clock::now()), Intake::Taken::kWork);
  EXPECT_EQ(work.appends.size(), 1U);
  EXPECT_FALSE(intake.full());
  EXPECT_TRUE(Push(intake, 60));
  EXPECT_TRUE(Push(intake, 40));
  EXPECT_FALSE(Push(intake, 1));
}

TEST(Intake, RefusedItemStaysWithTheCaller) {
  Intake intake(Small());
  intake.Close();
  bool answered = false;
  PendingAppend append = Append(1);
  append.done = [&](const common::Status& status) { answered = !status; };
  auto refused = intake.Push(append);
  ASSERT_FALSE(refused);
  append.done(std::move(refused));
  EXPECT_TRUE(answered);
}

TEST(Intake, OneCommitTakesUpToItsBytesAndAllSettlements) {
  Intake intake(Small());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Push(intake, 20));
  PendingSettle settle;
  ASSERT_TRUE(intake.Push(settle));
  Work work;
  ASSERT_EQ(intake.Take(work, Clock::now()), Intake::Taken::kWork);
  EXPECT_EQ(work.appends.size(), 2U);
  EXPECT_EQ(work.settlements.size(), 1U);
  work.clear();
  ASSERT_EQ(intake.Take(work, Clock::now()), Intake::Taken::kWork);
  EXPECT_EQ(work.appends.size(), 1U);
  EXPECT_EQ(intake.Take(work, Clock::now()), Intake::Taken::kNothing);
}

TEST(Intake, ClosedIsToldOnlyWhenEmpty) {
  Intake intake(Small());
  ASSERT_TRUE(Push(intake, 1));
  intake.Close();
  Work work;
  const auto later = Clock::now() + std::chrono::hours(1);
  EXPECT_EQ(intake.Take(work, later), Intake::Taken::kWork);
  EXPECT_EQ(intake.Take(work, later), Intake::Taken::kClosed);
}

TEST(Intake, PushWakesTheWaitingCommitter) {
  Intake intake(Small());
  Work work;
  Intake::Taken taken = Intake::Taken::kNothing;
  common::Thread committer(
      "committer", [&] { taken = intake.Take(work, Clock::now() + std::chrono::hours(1)); });
  ASSERT_TRUE(Push(intake, 1));
  committer.Join();
  EXPECT_EQ(taken, Intake::Taken::kWork);
}

TEST(Intake, LingerEndsWhenACommitIsFull) {
  Intake::Limits limits = Small();
  limits.linger = std::chrono::hours(1);
  Intake intake(limits);
  Work work;
  common::Thread committer("committer",
                           [&] { intake.Take(work, Clock::now() + std::chrono::hours(1)); });
  ASSERT_TRUE(Push(intake, 30));
  ASSERT_TRUE(Push(intake, 20));
  committer.Join();
  EXPECT_EQ(work.appends.size(), 2U);
}

/// An intake that has just answered eight appends, after a commit of an hour.
class GatheringIntake : public ::testing::Test {
 protected:
  GatheringIntake() { intake_.Answering(8, std::chrono::hours(1)); }

  /// What a commit takes that begins when `before` were pushed, with `after` it has begun to wait.
  template <typename After>
  std::size_t Take(int before, After after) {
    for (int i = 0; i < before; ++i) EXPECT_TRUE(Push(intake_, 1));
    Work work;
    common::Thread committer("committer",
                             [&] { intake_.Take(work, Clock::now() + std::chrono::hours(1)); });
    after();
    committer.Join();
    return work.appends.size();
  }

  Intake intake_{{.pending_bytes = 100 << 20,
                  .pending_requests = 100,
                  .commit_bytes = 10 << 20,
                  .linger = {},
                  .gather_percent = 100}};
};

TEST_F(GatheringIntake, WaitsForThoseThatWereAnswered) {
  EXPECT_EQ(Take(3,
                 [&] {
                   PendingSettle settle;
                   ASSERT_TRUE(intake_.Push(settle)) << "nothing that is worth a commit";
                   for (int i = 0; i < 5; ++i) ASSERT_TRUE(Push(intake_, 1));
                 }),
            8U);
}

TEST_F(GatheringIntake, WaitsForThemAlsoWhenNobodyIsThereYet) {
  EXPECT_EQ(Take(0,
                 [&] {
                   for (int i = 0; i < 8; ++i) ASSERT_TRUE(Push(intake_, 1));
                 }),
            8U);
}

TEST_F(GatheringIntake, WaitsNoLongerThanUntilACommitIsLarge) {
  EXPECT_EQ(Take(1, [&] { ASSERT_TRUE(Push(intake_, 256 << 10)); }), 2U);
}

TEST_F(GatheringIntake, WaitsNoLongerThanUntilItIsClosed) {
  EXPECT_EQ(Take(1, [&] { intake_.Close(); }), 1U);
}

TEST_F(GatheringIntake, SettlementsAloneDoNotWait) {
  PendingSettle settle;
  ASSERT_TRUE(intake_.Push(settle));
  EXPECT_EQ(Take(0, [] {}), 0U);
}

TEST_F(GatheringIntake, GoesOnWhenTheTimeIsOver) {
  intake_.Answering(8, std::chrono::microseconds(1));
  EXPECT_EQ(Take(1, [] {}), 1U);
}

}  // namespace
}  // namespace gateway::queue

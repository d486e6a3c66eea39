// SPDX-License-Identifier: Apache-2.0
#include "gateway/settle/verdict.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/support/fake_clock.h"

namespace gateway::settle {
namespace {

using namespace std::chrono_literals;
using pipeline::Cursor;
using pipeline::Seq;

constexpr common::WallTime kNow = tests::FakeClock::kStart;

Policy TestPolicy() {
  return {.hold_probe_interval = 60s,
          .backoff = [](std::uint32_t attempt) { return common::Duration(attempt * 1s); }};
}

/// A chunk of events {"n":first}, {"n":first+1}, …
std::shared_ptr<const pipeline::Chunk> MakeChunk(Seq first, std::uint32_t count,
                                                 common::Duration age = 1h) {
  auto chunk = std::make_shared<pipeline::Chunk>();
  chunk->first = first;
  chunk->accepted_at = kNow - std::chrono::duration_cast<std::chrono::milliseconds>(age);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (i > 0) chunk->storage += ',';
    chunk->storage += fmt::format(R"({{"n":{}}})", first + i);
    chunk->ends.push_back(static_cast<std::uint32_t>(chunk->storage.size()));
  }
  chunk->events = chunk->storage;
  return chunk;
}

pipeline::ReadBatch MakeBatch(std::vector<pipeline::ChunkSlice> slices) {
  pipeline::ReadBatch batch;
  batch.slices = std::move(slices);
  for (const auto& slice : batch.slices) batch.events += slice.count;
  return batch;
}

Progress At(Cursor cursor) {
  Progress progress;
  progress.cursor = cursor;
  return progress;
}

TEST(Verdict, DeliveredMovesTheCursorAndFinishesWholeChunksOnly) {
  const auto batch = MakeBatch({{MakeChunk(10, 4), 2, 2}, {MakeChunk(14, 5), 0, 3}});
  Progress progress = At({10, 2});
  progress.retry.attempts = 3;
  const Verdict verdict = Decide(progress, 7, batch, pipeline::Delivered{}, TestPolicy(), kNow);
  EXPECT_EQ(verdict.settlement.log, 7U);
  EXPECT_EQ(verdict.settlement.cursor, (Cursor{14, 3}));
  EXPECT_EQ(verdict.settlement.finished_chunks, std::vector<Seq>{10});
  EXPECT_EQ(verdict.settlement.retry, pipeline::RetryState{});
  EXPECT_TRUE(verdict.settlement.dead.empty());
  EXPECT_EQ(verdict.delivered, 5U);
  EXPECT_EQ(verdict.buried, 0U);
  EXPECT_EQ(verdict.wait, 0s);
}

TEST(Verdict, DeliveredToTheEndOfAChunkPointsAtTheNext) {
  const auto batch = MakeBatch({{MakeChunk(0, 3), 0, 3}});
  const Verdict verdict = Decide(At({0, 0}), 1, batch, pipeline::Delivered{}, TestPolicy(), kNow);
  EXPECT_EQ(verdict.settlement.cursor, (Cursor{3, 0}));
  EXPECT_EQ(verdict.settlement.finished_chunks, std::vector<Seq>{0});
}

TEST(Verdict, EventsThatAreAllRefusedAreKeptAfterSomeOfThem) {
  Policy policy = TestPolicy();
  policy.max_refused_in_a_row = 2;
  const pipeline::Split refused{400, "no"};
  const auto chunk = MakeChunk(0, 5);
  Progress progress = At({0, 0});
  for (std::uint32_t i = 0; i < 2; ++i) {
    const Verdict verdict = Decide(progress, 1, MakeBatch({{chunk, i, 1}}), refused, policy, kNow);
    EXPECT_EQ(verdict.buried, 1U);
    progress = verdict.progress;
  }
  const auto third = MakeBatch({{chunk, 2, 1}});
  Verdict held = Decide(progress, 1, third, refused, policy, kNow);
  EXPECT_EQ(held.buried, 0U);
  EXPECT_EQ(held.settlement.cursor, (Cursor{0, 2}));
  EXPECT_EQ(held.settlement.retry.hold, pipeline::HoldReason::kEventsRefused);
  EXPECT_EQ(held.wait, 60s);
  EXPECT_EQ(held.progress.event_cap, 1U) << "one event asks";
  held = Decide(held.progress, 1, third, refused, policy, kNow);
  EXPECT_EQ(held.buried, 0U) << "and asks again";
  const Progress restarted = Resume(held.progress.cursor, held.progress.retry);
  EXPECT_EQ(restarted.event_cap, 1U);
  EXPECT_EQ(Decide(restarted, 1, third, refused, policy, kNow).buried, 0U);
  for (const pipeline::Outcome& between : std::vector<pipeline::Outcome>{
           pipeline::Retry{pipeline::RetryCause::kServerError, 5s},
           pipeline::Hold{pipeline::HoldReason::kWriteKeyRefused, 401}}) {
    const Verdict other = Decide(held.progress, 1, third, between, policy, kNow);
    const Progress later = Resume(other.progress.cursor, other.progress.retry);
    EXPECT_EQ(Decide(later, 1, third, refused, policy, kNow).buried, 0U)
        << "what happens between two probes";
  }
  Policy wider = policy;
  wider.max_refused_in_a_row = 3;
  EXPECT_EQ(Decide(restarted, 1, third, refused, wider, kNow).buried, 1U) << "the way out";

  const Verdict healed = Decide(held.progress, 1, third, pipeline::Delivered{}, policy, kNow);
  EXPECT_EQ(healed.settlement.retry, pipeline::RetryState{});
  EXPECT_EQ(healed.progress.event_cap, 0U);
}

TEST(Verdict, OneEventAsksAlsoAfterTheOneBeforeItWasGivenUp) {
  Progress held = At({0, 2});
  held.retry.attempts = 9;
  held.retry.hold = pipeline::HoldReason::kEventsRefused;
  held.retry.refused_in_a_row = 20;
  held = Resume(held.cursor, held.retry);
  const auto batch = MakeBatch({{MakeChunk(0, 5, 2h), 2, 1}});
  const Verdict expired = Expire(held, 1, batch, kNow - 1h, kNow);
  EXPECT_EQ(expired.buried, 1U);
  EXPECT_EQ(expired.progress.event_cap, 1U);
  EXPECT_EQ(expired.progress.retry, held.retry);
  pipeline::ReadBatch damaged;
  damaged.damaged = {{2, 4}};
  const Verdict skipped = SkipDamaged(held, 1, damaged);
  EXPECT_EQ(skipped.progress.cursor, (Cursor{4, 0}));
  EXPECT_EQ(skipped.progress.event_cap, 1U);
  EXPECT_EQ(skipped.progress.retry, held.retry);
}

TEST(Verdict, AnEventThatIsTakenEndsTheRow) {
  Policy policy = TestPolicy();
  policy.max_refused_in_a_row = 1;
  const auto chunk = MakeChunk(0, 3);
  const pipeline::Outcome outcomes[] = {pipeline::Split{400, ""}, pipeline::Delivered{},
                                        pipeline::Split{400, ""}};
  Progress progress = At({0, 0});
  std::uint32_t buried = 0;
  for (std::uint32_t i = 0; i < 3; ++i) {
    const Verdict verdict =
        Decide(progress, 1, MakeBatch({{chunk, i, 1}}), outcomes[i], policy, kNow);
    buried += verdict.buried;
    progress = verdict.progress;
  }
  EXPECT_EQ(buried, 2U);
}

TEST(Verdict, RetryKeepsEverythingAndWaits) {
  struct Case {
    pipeline::Retry retry;
    std::uint32_t attempts_before;
    common::Duration wait;
  };
  const Case cases[] = {
      {{pipeline::RetryCause::kTransport, std::nullopt}, 0, 1s},
      {{pipeline::RetryCause::kServerError, std::nullopt}, 4, 5s},
      {{pipeline::RetryCause::kThrottled, 7s}, 4, 7s},
      {{pipeline::RetryCause::kServerError, 2s}, 0, 2s},
  };
  for (const Case& c : cases) {
    Progress progress = At({0, 1});
    progress.retry.attempts = c.attempts_before;
    progress.retry.first_attempt = c.attempts_before > 0 ? kNow - 1h : common::WallTime{};
    const Verdict verdict =
        Decide(progress, 1, MakeBatch({{MakeChunk(0, 3), 1, 2}}), c.retry, TestPolicy(), kNow);
    EXPECT_EQ(verdict.settlement.cursor, (Cursor{0, 1}));
    EXPECT_TRUE(verdict.settlement.finished_chunks.empty());
    EXPECT_EQ(verdict.wait, c.wait);
    EXPECT_EQ(verdict.settlement.retry.attempts, c.attempts_before + 1);
    EXPECT_EQ(verdict.settlement.retry.first_attempt, c.attempts_before > 0 ? kNow - 1h : kNow);
    EXPECT_EQ(verdict.settlement.retry.not_before,
              kNow + std::chrono::duration_cast<std::chrono::milliseconds>(c.wait));
    EXPECT_EQ(verdict.delivered + verdict.buried, 0U);
  }
}

TEST(Verdict, HoldKeepsEverythingAndProbesLater) {
  const Verdict verdict =
      Decide(At({0, 0}), 1, MakeBatch({{MakeChunk(0, 3), 0, 3}}),
             pipeline::Hold{pipeline::HoldReason::kWriteKeyRefused, 401}, TestPolicy(), kNow);
  EXPECT_EQ(verdict.settlement.retry.hold, pipeline::HoldReason::kWriteKeyRefused);
  EXPECT_EQ(verdict.wait, 60s);
  EXPECT_EQ(verdict.settlement.cursor, (Cursor{0, 0}));
  EXPECT_EQ(verdict.delivered + verdict.buried, 0U);
}

TEST(Verdict, ARefusedSingleEventIsBuriedWithItsBytesAndTheAnswer) {
  const auto batch = MakeBatch({{MakeChunk(5, 2), 1, 1}});
  const Verdict verdict =
      Decide(At({5, 1}), 1, batch, pipeline::Split{422, "bad event"}, TestPolicy(), kNow);
  ASSERT_EQ(verdict.settlement.dead.size(), 1U);
  const pipeline::DeadLetter& letter = verdict.settlement.dead[0];
  EXPECT_EQ(letter.event, R"({"n":6})");
  EXPECT_EQ(letter.code, "segment_rejected");
  EXPECT_EQ(letter.message, "bad event");
  EXPECT_EQ(letter.http_status, 422);
  EXPECT_EQ(letter.attempts, 1U);
  EXPECT_EQ(letter.accepted_at, kNow - 1h);
  EXPECT_EQ(letter.dead_at, kNow);
  EXPECT_EQ(verdict.settlement.cursor, (Cursor{7, 0}));
  EXPECT_EQ(verdict.settlement.finished_chunks, std::vector<Seq>{5});
  EXPECT_EQ(verdict.buried, 1U);
}

/// Drives Decide against a Segment that refuses any batch holding a bad event.
struct Search {
  std::set<Seq> bad;
  std::vector<Seq> delivered;
  std::vector<std::string> buried;
  int requests = 0;

  void Run(Seq count) {
    const auto chunk = MakeChunk(0, static_cast<std::uint32_t>(count));
    Progress progress = At({0, 0});
    while (progress.cursor.next() < count && requests < 10'000) {
      const auto from = static_cast<std::uint32_t>(progress.cursor.next());
      std::uint32_t n = static_cast<std::uint32_t>(count) - from;
      if (progress.event_cap != 0) n = std::min(n, progress.event_cap);
      const auto batch = MakeBatch({{chunk, from, n}});
      const bool refused = bad.lower_bound(from) != bad.lower_bound(from + n);
      const pipeline::Outcome outcome =
          refused ? pipeline::Outcome(pipeline::Split{400, ""}) : pipeline::Delivered{};
      ++requests;
      const Verdict verdict = Decide(progress, 1, batch, outcome, TestPolicy(), kNow);
      for (std::uint32_t i = 0; i < verdict.delivered; ++i) delivered.push_back(from + i);
      for (const auto& letter : verdict.settlement.dead) buried.push_back(letter.event);
      progress = verdict.progress;
    }
    EXPECT_EQ(progress.event_cap, 0U) << "the cap is lifted behind the last suspect";
  }
};

TEST(Verdict, HalvingFindsEveryRefusedEventAndDeliversTheRestInOrder) {
  const std::set<Seq> cases[] = {{}, {0}, {7}, {3}, {0, 7}, {3, 4}, {0, 1, 2, 3, 4, 5, 6, 7}};
  for (const auto& bad : cases) {
    Search search{bad, {}, {}};
    search.Run(8);
    std::vector<Seq> good;
    std::vector<std::string> dead;
    for (Seq seq = 0; seq < 8; ++seq) {
      if (bad.contains(seq)) {
        dead.push_back(fmt::format(R"({{"n":{}}})", seq));
      } else {
        good.push_back(seq);
      }
    }
    EXPECT_EQ(search.delivered, good);
    EXPECT_EQ(search.buried, dead);
  }
}

TEST(Verdict, OneBadEventOfAThousandCostsFewRequests) {
  for (const Seq bad : {Seq{0}, Seq{499}, Seq{500}, Seq{777}, Seq{999}}) {
    Search search{{bad}, {}, {}};
    search.Run(1'000);
    EXPECT_EQ(search.delivered.size(), 999U);
    EXPECT_LE(search.requests, 35) << bad;
  }
}

TEST(Verdict, DamagedRecordsArePassedAndCountedAsDead) {
  pipeline::ReadBatch batch;
  batch.damaged = {{12, 20}, {20, 25}};
  const Verdict verdict = SkipDamaged(At({10, 2}), 3, batch);
  EXPECT_EQ(verdict.settlement.cursor, (Cursor{25, 0}));
  EXPECT_EQ(verdict.buried, 13U);
  EXPECT_EQ(verdict.delivered, 0U);
}

TEST(Verdict, ExpiredEventsAreBuriedAndTheRetryStateStays) {
  const auto batch = MakeBatch({{MakeChunk(10, 4), 2, 2}, {MakeChunk(14, 5, 10min), 0, 3}});
  Progress progress = At({10, 2});
  progress.retry = {.attempts = 3,
                    .first_attempt = kNow - 30min,
                    .not_before = kNow + 1min,
                    .hold = pipeline::HoldReason::kWriteKeyRefused};
  const Verdict verdict = Expire(progress, 7, batch, kNow - 20min, kNow);
  EXPECT_EQ(verdict.buried, 2U);
  EXPECT_EQ(verdict.delivered, 0U);
  EXPECT_EQ(verdict.settlement.cursor, (Cursor{14, 0}));
  EXPECT_EQ(verdict.settlement.finished_chunks, (std::vector<Seq>{10}));
  EXPECT_EQ(verdict.settlement.retry, progress.retry);
  ASSERT_EQ(verdict.settlement.dead.size(), 2U);
  EXPECT_EQ(verdict.settlement.dead[1].event, R"({"n":13})");
  EXPECT_EQ(verdict.settlement.dead[1].code, "expired");
  EXPECT_EQ(verdict.settlement.dead[1].accepted_at, kNow - 1h);
  EXPECT_EQ(Expire(progress, 7, batch, kNow - 2h, kNow).buried, 0U);
}

}  // namespace
}  // namespace gateway::settle

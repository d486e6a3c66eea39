// SPDX-License-Identifier: Apache-2.0
//
// What pipeline/event_queue.h promises, asked of the real queue (with and without its
// memory of recent events) and of the fake that other tests build on.
#include <gtest/gtest.h>

#include <future>
#include <memory>

#include "gateway/pipeline/event_queue.h"
#include "tests/support/memory_queue.h"
#include "tests/unit/queue/queue_fixture.h"

namespace gateway::queue {
namespace {

using common::ErrorCode;
using common::Result;
using common::Status;
using pipeline::EventQueue;
using pipeline::LogState;
using pipeline::ReadBatch;
using pipeline::ReadRequest;
using pipeline::Seq;
using pipeline::Settlement;

class EventQueueContract : public QueueFixture, public testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "memory") {
      memory_ = std::make_unique<tests::MemoryQueue>(Defaults().max_rejected_bytes);
      queue_ = memory_.get();
    } else {
      rocks_ = Open(GetParam() == "hot" ? Defaults() : WithoutHotTail());
      queue_ = &**rocks_;
    }
    log_ = queue_->OpenLog("acme")->log;
  }

  LogState State() const { return *queue_->OpenLog("acme"); }
  Status AppendRequest(pipeline::AppendRequest request) {
    std::promise<Status> answer;
    queue_->Append(std::move(request), [&](Status status) { answer.set_value(std::move(status)); });
    return answer.get_future().get();
  }
  Status Append(const std::vector<std::string>& texts) {
    return AppendRequest({.log = log_, .received_at = clock_.Wall(), .events = Block(texts)});
  }
  Result<ReadBatch> Read(ReadRequest request) {
    std::promise<Result<ReadBatch>> answer;
    queue_->Read(request, [&](Result<ReadBatch> batch) { answer.set_value(std::move(batch)); });
    return answer.get_future().get();
  }
  Result<ReadBatch> ReadFrom(Seq chunk, std::uint32_t index, std::uint32_t max_events = 1000,
                             std::uint64_t max_bytes = 1 << 20) {
    return Read(
        {.log = log_, .from = {chunk, index}, .max_events = max_events, .max_bytes = max_bytes});
  }
  Status Settle(Settlement settlement) {
    std::promise<Status> answer;
    queue_->Settle(std::move(settlement),
                   [&](Status status) { answer.set_value(std::move(status)); });
    return answer.get_future().get();
  }

  std::vector<pipeline::DeadLetter> DeadLetters() const {
    if (memory_ != nullptr) return memory_->DeadLetters(log_);
    std::vector<pipeline::DeadLetter> letters;
    auto kept = *(*rocks_)->ReadDeadLetters(log_, 0, 100000);
    for (auto& [id, letter] : kept) {
      letters.push_back(std::move(letter));
    }
    return letters;
  }
  /// A request that holds a refused event and no other.
  Status AppendRejected(const std::string& event) {
    return AppendRequest(
        {.log = log_,
         .received_at = clock_.Wall(),
         .rejected = {{.stage = pipeline::DeadLetterStage::kIngest, .event = event}}});
  }

  std::unique_ptr<tests::MemoryQueue> memory_;
  std::unique_ptr<tests::RunningQueue> rocks_;
  EventQueue* queue_ = nullptr;
  pipeline::LogId log_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Queues, EventQueueContract, testing::Values("memory", "hot", "cold"),
                         [](const auto& param) { return param.param; });

TEST_P(EventQueueContract, LogsAreOpenedOnce) {
  EXPECT_EQ(queue_->OpenLog("acme")->log, log_);
  const auto other = queue_->OpenLog("other");
  ASSERT_TRUE(other);
  EXPECT_NE(other->log, log_);
  EXPECT_EQ(other->tenant, "other");
  EXPECT_EQ(other->tail, 0U);
}

TEST_P(EventQueueContract, EventsComeBackInOrder) {
  ASSERT_TRUE(Append(Numbered(0, 3)));
  ASSERT_TRUE(Append(Numbered(3, 2)));
  const auto batch = ReadFrom(0, 0);
  ASSERT_TRUE(batch);
  EXPECT_EQ(Texts(*batch), Numbered(0, 5));
  EXPECT_EQ(batch->events, 5U);
  EXPECT_EQ(batch->bytes, std::string("e0,e1,e2,e3,e4").size());
  EXPECT_EQ(batch->slices.front().chunk->accepted_at, clock_.Wall());
  EXPECT_EQ(State().tail, 5U);
  EXPECT_EQ(State().pending(), 5U);
}

TEST_P(EventQueueContract, ReadsStopAtTheirLimits) {
  ASSERT_TRUE(Append(Numbered(0, 3)));
  ASSERT_TRUE(Append(Numbered(3, 3)));
  EXPECT_EQ(Texts(*ReadFrom(0, 0, 4)), Numbered(0, 4));
  EXPECT_EQ(Texts(*ReadFrom(0, 0, 1000, 8)), Numbered(0, 3));
  EXPECT_EQ(Texts(*ReadFrom(0, 0, 1000, 1)), Numbered(0, 1));
  EXPECT_EQ(Texts(*ReadFrom(3, 1)), Numbered(4, 2));
  EXPECT_EQ(Texts(*ReadFrom(0, 2, 2)), Numbered(2, 2));
}

TEST_P(EventQueueContract, AnEventTooLargeForCompanyIsReadAlone) {
  ASSERT_TRUE(Append({"large", "a", "b", "large", "large", "c"}));
  ASSERT_TRUE(Append({"large"}));
  ASSERT_TRUE(Append({"d"}));
  std::vector<std::vector<std::string>> batches;
  ReadRequest request{
      .log = log_, .max_events = 100, .max_bytes = 1 << 20, .max_bytes_in_company = 4};
  for (const pipeline::Cursor at :
       {pipeline::Cursor{0, 0}, {0, 1}, {0, 3}, {0, 4}, {0, 5}, {6, 0}, {7, 0}}) {
    request.from = at;
    const auto batch = Read(request);
    ASSERT_TRUE(batch);
    batches.push_back(Texts(*batch));
  }
  EXPECT_EQ(batches, (std::vector<std::vector<std::string>>{
                         {"large"}, {"a", "b"}, {"large"}, {"large"}, {"c"}, {"large"}, {"d"}}));
}

TEST_P(EventQueueContract, NothingAtTheTail) {
  const auto empty = ReadFrom(0, 0);
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->slices.empty());
  ASSERT_TRUE(Append({"a"}));
  EXPECT_TRUE(ReadFrom(1, 0)->slices.empty());
}

TEST_P(EventQueueContract, SettlementMovesTheCursor) {
  ASSERT_TRUE(Append(Numbered(0, 3)));
  ASSERT_TRUE(Append(Numbered(3, 3)));
  const pipeline::RetryState retry{.attempts = 2, .not_before = clock_.Wall()};
  ASSERT_TRUE(Settle({.log = log_,
                      .cursor = {3, 1},
                      .finished_chunks = {0},
                      .dead = {{.code = "segment_rejected", .event = "e2"}},
                      .retry = retry}));
  const LogState state = State();
  EXPECT_EQ(state.cursor, (pipeline::Cursor{3, 1}));
  EXPECT_EQ(state.retry, retry);
  EXPECT_EQ(state.accepted(), 6U);
  EXPECT_EQ(state.pending(), 2U);
  EXPECT_EQ(state.dead, 1U);
  EXPECT_EQ(state.delivered(), 3U);
  EXPECT_EQ(Texts(*ReadFrom(3, 1)), Numbered(4, 2));
  ASSERT_TRUE(Settle({.log = log_, .cursor = {6, 0}, .finished_chunks = {3}}));
  EXPECT_EQ(State().pending(), 0U);
  EXPECT_EQ(State().pending_bytes, 0U);
}

TEST_P(EventQueueContract, SettlementMayBeRepeated) {
  ASSERT_TRUE(Append(Numbered(0, 3)));
  const Settlement settlement{.log = log_, .cursor = {0, 2}};
  ASSERT_TRUE(Settle(settlement));
  ASSERT_TRUE(Settle(settlement));
  EXPECT_EQ(State().delivered(), 2U);
}

TEST_P(EventQueueContract, WrongSettlementsAreRefused) {
  ASSERT_TRUE(Append(Numbered(0, 3)));
  ASSERT_TRUE(Append(Numbered(3, 3)));
  ASSERT_TRUE(Settle({.log = log_, .cursor = {3, 0}, .finished_chunks = {0}}));
  const LogState before = State();
  const Settlement wrong[] = {
      {.log = log_, .cursor = {0, 2}},                          // behind the cursor
      {.log = log_, .cursor = {7, 0}},                          // beyond the tail
      {.log = log_, .cursor = {3, 1}, .finished_chunks = {3}},  // not finished
      {.log = log_ + 100, .cursor = {0, 0}},                    // no such log
  };
  for (const Settlement& settlement : wrong) {
    const Status status = Settle(settlement);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(State().cursor, before.cursor);
  EXPECT_EQ(Texts(*ReadFrom(3, 0)), Numbered(3, 3));
}

TEST_P(EventQueueContract, UnknownLogAndSettledPositionAreRefused) {
  const auto unknown = Read({.log = log_ + 100, .max_events = 1, .max_bytes = 1});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kInvalidArgument);
  ASSERT_TRUE(Append(Numbered(0, 3)));
  ASSERT_TRUE(Append(Numbered(3, 3)));
  ASSERT_TRUE(Settle({.log = log_, .cursor = {3, 0}, .finished_chunks = {0}}));
  const auto settled = ReadFrom(0, 0);
  ASSERT_FALSE(settled);
  EXPECT_EQ(settled.error().code, ErrorCode::kInvalidArgument);
}

TEST_P(EventQueueContract, ListenerHearsOfACommitBeforeTheCallerDoes) {
  std::vector<std::string> order;
  std::vector<pipeline::Committed> heard;
  queue_->SetCommitListener([&](const std::vector<pipeline::Committed>& committed) {
    order.push_back("listener");
    heard = committed;
  });
  std::promise<void> answered;
  queue_->Append({.log = log_, .received_at = clock_.Wall(), .events = Block({"ab", "c"})},
                 [&](const Status&) {
                   order.push_back("done");
                   answered.set_value();
                 });
  answered.get_future().get();
  EXPECT_EQ(order, (std::vector<std::string>{"listener", "done"}));
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_EQ(heard[0].log, log_);
  EXPECT_EQ(heard[0].events, 2U);
  EXPECT_EQ(heard[0].bytes, 4U);
  EXPECT_EQ(heard[0].tail, 2U);
  EXPECT_EQ(heard[0].accepted_at, clock_.Wall());
}

TEST_P(EventQueueContract, RefusedEventsAreKeptButNotCounted) {
  ASSERT_TRUE(AppendRequest({.log = log_,
                             .received_at = clock_.Wall(),
                             .events = Block({"good"}),
                             .rejected = {{.stage = pipeline::DeadLetterStage::kIngest,
                                           .code = "no_user_anon_id",
                                           .event = "bad"}}}));
  EXPECT_EQ(State().accepted(), 1U);
  EXPECT_EQ(State().dead, 0U);
  EXPECT_EQ(Texts(*ReadFrom(0, 0)), (std::vector<std::string>{"good"}));
  EXPECT_EQ(DeadLetters().at(0).code, "no_user_anon_id");
}

TEST_P(EventQueueContract, RepeatedIdsAreAppendedOnce) {
  std::vector<pipeline::Committed> heard;
  queue_->SetCommitListener(
      [&](const std::vector<pipeline::Committed>& committed) { heard = committed; });
  ASSERT_TRUE(AppendRequest(WithIds(log_, clock_.Wall(), {1, 2, 1, 0, 0, 3})));
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_EQ(heard[0].events, 5U);
  EXPECT_EQ(heard[0].bytes, std::string("e1,e2,e0,e0,e3").size());
  EXPECT_EQ(heard[0].tail, 5U);
  clock_.Advance(std::chrono::hours(23));
  ASSERT_TRUE(AppendRequest(WithIds(log_, clock_.Wall(), {3, 4, 2, 0, 5})));
  EXPECT_EQ(heard[0].events, 3U);
  heard.clear();
  ASSERT_TRUE(AppendRequest(WithIds(log_, clock_.Wall(), {5, 1}))) << "counts as appended";
  EXPECT_TRUE(heard.empty());
  EXPECT_EQ(Texts(*ReadFrom(0, 0)),
            (std::vector<std::string>{"e1", "e2", "e0", "e0", "e3", "e4", "e0", "e5"}));
  EXPECT_EQ(State().accepted(), 8U);
  EXPECT_EQ(State().pending(), 8U);
}

TEST_P(EventQueueContract, IdsAreForgottenAfterTheWindow) {
  ASSERT_TRUE(AppendRequest(WithIds(log_, clock_.Wall(), {1})));
  clock_.Advance(std::chrono::hours(12));
  ASSERT_TRUE(AppendRequest(WithIds(log_, clock_.Wall(), {2})));
  clock_.Advance(std::chrono::hours(12) + std::chrono::milliseconds(1));
  ASSERT_TRUE(AppendRequest(WithIds(log_, clock_.Wall(), {1, 2})));
  // What came again is remembered from then on.
  clock_.Advance(std::chrono::hours(23));
  ASSERT_TRUE(AppendRequest(WithIds(log_, clock_.Wall(), {1})));
  EXPECT_EQ(Texts(*ReadFrom(0, 0)), (std::vector<std::string>{"e1", "e2", "e1"}));
}

TEST_P(EventQueueContract, OldestIdsAreForgottenWhenThereAreTooMany) {
  const pipeline::Dedupe few{.window = std::chrono::hours(24), .max_ids = 24};
  for (std::uint64_t n = 1; n <= 30; ++n) {
    ASSERT_TRUE(AppendRequest(WithIds(log_, clock_.Wall(), {n}, few)));
  }
  ASSERT_TRUE(AppendRequest(WithIds(log_, clock_.Wall(), {30, 20, 8, 1}, few)));
  EXPECT_EQ(State().tail, 31U);
  EXPECT_EQ(Texts(*ReadFrom(30, 0)), (std::vector<std::string>{"e1"}));
}

TEST_P(EventQueueContract, IdsOfOtherLogsAndRequestsWithoutDedupeDoNotMatter) {
  const auto other = queue_->OpenLog("other")->log;
  ASSERT_TRUE(AppendRequest(WithIds(log_, clock_.Wall(), {1})));
  ASSERT_TRUE(AppendRequest(WithIds(other, clock_.Wall(), {1})));
  ASSERT_TRUE(AppendRequest(WithIds(log_, clock_.Wall(), {1}, pipeline::Dedupe())));
  EXPECT_EQ(State().tail, 2U);
  EXPECT_EQ(queue_->OpenLog("other")->tail, 1U);
}

TEST_P(EventQueueContract, RefusedEventsAreDroppedOldestFirstAndDeadLettersNever) {
  const std::uint64_t cap = Defaults().max_rejected_bytes;
  ASSERT_TRUE(Append(Numbered(0, 1)));
  ASSERT_TRUE(AppendRejected("first"));
  ASSERT_TRUE(Settle(
      {.log = log_, .cursor = {1, 0}, .finished_chunks = {0}, .dead = {{.event = "delivery"}}}));
  const std::string filler(cap / 50, 'x');
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(AppendRejected(std::to_string(i) + filler));
  const std::vector<pipeline::DeadLetter> letters = DeadLetters();
  EXPECT_EQ(letters.front().event, "delivery");
  std::uint64_t bytes = 0;
  int next = 100 - static_cast<int>(letters.size() - 1);  // The latest ones, without a gap.
  for (std::size_t i = 1; i < letters.size(); ++i) {
    EXPECT_EQ(letters[i].event, std::to_string(next++) + filler);
    bytes += letters[i].event.size();
  }
  EXPECT_LE(bytes, cap);
  EXPECT_GT(bytes, cap * 8 / 10);
}

TEST_P(EventQueueContract, RefusedEventAboveTheCapLeavesTheOthers) {
  ASSERT_TRUE(AppendRejected("small"));
  ASSERT_TRUE(AppendRejected(std::string(Defaults().max_rejected_bytes + 1, 'x')));
  ASSERT_TRUE(AppendRejected("small too"));
  ASSERT_EQ(DeadLetters().size(), 2U);
  EXPECT_EQ(DeadLetters()[1].event, "small too");
}

}  // namespace
}  // namespace gateway::queue

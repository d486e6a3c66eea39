// SPDX-License-Identifier: Apache-2.0
//
// Many appenders, a reader that settles, and everybody else who looks: the order of each
// appender is kept and the sum adds up. Meant to run under ThreadSanitizer too.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <vector>

#include "common/thread.h"
#include "tests/unit/queue/queue_fixture.h"

namespace gateway::queue {
namespace {

constexpr int kAppenders = 4;
constexpr int kRequests = 150;
constexpr int kEvents = 3;

class ConcurrencyTest : public QueueFixture {
 protected:
  void AppendAll(tests::RunningQueue& queue, pipeline::LogId log, int appender) {
    for (int i = 0; i < kRequests; ++i) {
      std::vector<std::string> texts;
      texts.reserve(kEvents);
      for (int j = 0; j < kEvents; ++j) {
        texts.push_back(std::to_string(appender) + ":" + std::to_string(i * kEvents + j));
      }
      EXPECT_TRUE(queue.AppendTexts(log, texts));
    }
  }

  /// Reads and settles in small steps until `total` events have come; checks that each
  /// appender's events come in its order.
  void Drain(tests::RunningQueue& queue, pipeline::LogId log, std::uint64_t total) {
    std::map<int, int> next;
    std::uint64_t seen = 0;
    pipeline::Cursor cursor;
    while (seen < total) {
      const auto batch =
          queue.Read({.log = log, .from = cursor, .max_events = 20, .max_bytes = 1 << 20});
      ASSERT_TRUE(batch) << batch.error().message;
      if (batch->slices.empty()) continue;
      for (const std::string& text : Texts(*batch)) {
        const std::size_t colon = text.find(':');
        EXPECT_EQ(next[std::stoi(text.substr(0, colon))]++, std::stoi(text.substr(colon + 1)));
      }
      seen += batch->events;
      pipeline::Settlement settlement{.log = log};
      for (const pipeline::ChunkSlice& slice : batch->slices) {
        const bool finished = slice.end() == slice.chunk->end();
        if (finished) settlement.finished_chunks.push_back(slice.chunk->first);
        cursor = finished ? pipeline::Cursor{slice.end(), 0}
                          : pipeline::Cursor{slice.chunk->first, slice.from + slice.count};
      }
      settlement.cursor = cursor;
      ASSERT_TRUE(queue.Settle(std::move(settlement)));
    }
    EXPECT_EQ(seen, total);
  }
};

TEST_F(ConcurrencyTest, EveryEventOnceAndInOrder) {
  Options options = Defaults();
  options.hot_tail_bytes = 10000;  // Some reads from memory, some from disk.
  auto queue = Open(options);
  const auto a = (*queue)->OpenLog("a")->log;
  const auto b = (*queue)->OpenLog("b")->log;
  std::atomic<bool> done{false};
  {
    std::vector<common::Thread> threads;
    threads.reserve(kAppenders + 2);
    for (int i = 0; i < kAppenders; ++i) {
      threads.emplace_back("appender", [&, i] { AppendAll(*queue, i % 2 == 0 ? a : b, i); });
    }
    for (const auto log : {a, b}) {
      threads.emplace_back("drain", [&, log] {
        Drain(*queue, log, std::uint64_t{kAppenders / 2} * kRequests * kEvents);
      });
    }
    common::Thread observer("observer", [&] {
      for (int i = 0; !done; ++i) {
        for (const pipeline::LogState& state : (*queue)->Logs()) {
          EXPECT_EQ(state.accepted(), state.delivered() + state.dead + state.pending());
        }
        EXPECT_TRUE((*queue)->health().ok);
        EXPECT_TRUE((*queue)->OpenLog("tenant " + std::to_string(i % 5)));
        (*queue)->sizes();
      }
    });
    threads.clear();
    done = true;
  }
  for (const auto log : {a, b}) {
    EXPECT_EQ((*queue)->State(log)->delivered(),
              std::uint64_t{kAppenders / 2} * kRequests * kEvents);
    EXPECT_EQ((*queue)->State(log)->pending(), 0U);
  }
}

TEST_F(ConcurrencyTest, EachIdOnceWhoeverBringsIt) {
  // Small enough that ids are flushed and compacted while others are looked up.
  Options options = Defaults();
  options.write_buffer_bytes = 64 << 10;
  auto queue = Open(options);
  const auto shared = (*queue)->OpenLog("shared")->log;
  const auto forgetful = (*queue)->OpenLog("forgetful")->log;
  const pipeline::Dedupe few{.window = std::chrono::hours(1), .max_ids = 240};
  constexpr std::uint64_t kIds = 2000;
  {
    std::vector<common::Thread> threads;
    threads.reserve(kAppenders);
    for (std::uint64_t i = 0; i < kAppenders; ++i) {
      threads.emplace_back("appender", [&, i] {
        for (std::uint64_t first = 1; first <= kIds; first += 20) {
          std::vector<std::uint64_t> numbers;
          std::vector<std::uint64_t> others;
          for (std::uint64_t n = first; n < first + 20; ++n) {
            numbers.push_back(n);
            others.push_back(n + i * kIds);
          }
          EXPECT_TRUE(queue->Append(WithIds(shared, clock_.Wall(), numbers)));
          EXPECT_TRUE(queue->Append(WithIds(forgetful, clock_.Wall(), others, few)));
        }
      });
    }
  }
  std::vector<std::string> stored = Pending(*queue, shared);
  std::vector<std::string> expected = Numbered(1, kIds);
  std::ranges::sort(stored);
  std::ranges::sort(expected);
  EXPECT_EQ(stored, expected);
  EXPECT_EQ((*queue)->State(forgetful)->tail, kAppenders * kIds);
  EXPECT_LE(Metric("queue_remembered_ids"), kIds + 240);
}

TEST_F(ConcurrencyTest, StopWhileEverybodyIsBusyAnswersEverybody) {
  auto queue = Open();
  const auto log = (*queue)->OpenLog("a")->log;
  std::atomic<int> accepted{0};
  std::atomic<int> answered{0};
  std::atomic<int> asked{0};
  {
    std::vector<common::Thread> threads;
    threads.reserve(kAppenders + 2);
    for (int i = 0; i < kAppenders; ++i) {
      threads.emplace_back("appender", [&] {
        while (true) {
          ++asked;
          const common::Status status = queue->AppendTexts(log, {"x"});
          ++answered;
          if (!status) {
            EXPECT_EQ(status.error().code, common::ErrorCode::kUnavailable);
            return;
          }
          if (++accepted == 200) (*queue)->Stop();
        }
      });
    }
  }
  EXPECT_EQ(answered, asked);
  queue.reset();
  queue = Open();
  EXPECT_EQ((*queue)->State(log)->tail, static_cast<std::uint64_t>(accepted.load()));
}

}  // namespace
}  // namespace gateway::queue

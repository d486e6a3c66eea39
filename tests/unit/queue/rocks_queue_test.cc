// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/rocks_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/random.h"
#include "gateway/queue/offline_queue.h"
#include "tests/unit/queue/queue_fixture.h"

namespace gateway::queue {
namespace {

using common::ErrorCode;
using common::Status;
using pipeline::LogId;
using testing::HasSubstr;

class RocksQueueTest : public QueueFixture {};

TEST_F(RocksQueueTest, GroupCommitMakesOneRecordOfOneLog) {
  auto queue = Open(Defaults(), /*start=*/false);
  const auto a = (*queue)->OpenLog("a")->log;
  const auto b = (*queue)->OpenLog("b")->log;
  std::vector<std::future<Status>> answers;
  answers.reserve(6);
  for (std::uint64_t i = 0; i < 6; ++i) {
    answers.push_back(queue->AppendAsync(
        {.log = i % 2 == 0 ? a : b,
         .received_at = clock_.Wall() + std::chrono::milliseconds(i == 2 ? -5 : 0),
         .events = Block(Numbered(i * 10, 2))}));
  }
  queue->Start();
  for (auto& answer : answers) EXPECT_TRUE(answer.get());
  const auto batch = queue->Read(From(*(*queue)->State(a)));
  ASSERT_TRUE(batch);
  ASSERT_EQ(batch->slices.size(), 1U);
  EXPECT_EQ(Texts(*batch), (std::vector<std::string>{"e0", "e1", "e20", "e21", "e40", "e41"}));
  EXPECT_EQ(batch->slices[0].chunk->accepted_at, clock_.Wall() - std::chrono::milliseconds(5));
  EXPECT_EQ(Texts(*queue->Read(From(*(*queue)->State(b)))),
            (std::vector<std::string>{"e10", "e11", "e30", "e31", "e50", "e51"}));
  EXPECT_EQ(Metric("queue_commits_total"), 1);
  EXPECT_EQ(Metric("queue_fsync_seconds"), 1);
}

TEST_F(RocksQueueTest, ManyLogsAreOpenedAtOnceAndOnlyOnce) {
  std::vector<pipeline::LogId> logs;
  for (int opening = 0; opening < 2; ++opening) {
    auto queue = Open();
    const auto known = (*queue)->OpenLog("b")->log;
    const std::vector<std::string_view> tenants{"a", "b", "c", "a"};
    ASSERT_TRUE((*queue)->OpenLogs(tenants));
    EXPECT_EQ((*queue)->OpenLog("b")->log, known);
    std::vector<pipeline::LogId> now;
    for (const pipeline::LogState& log : (*queue)->Logs()) now.push_back(log.log);
    EXPECT_EQ(now.size(), 3U);
    if (opening == 0) logs = now;
    EXPECT_EQ(now, logs) << "after a restart they are the same";
  }
}

TEST_F(RocksQueueTest, CountsWhatTheStoreWrites) {
  auto queue = Open(WithoutHotTail());
  const auto log = (*queue)->OpenLog("a")->log;
  ASSERT_TRUE(queue->AppendTexts(log, {std::string(100'000, 'x')}));
  (*queue)->UpdateMetrics();
  const double log_file = Metric("queue_log_written_bytes_total");
  EXPECT_GT(log_file, 100'000);
  EXPECT_LT(log_file, 120'000);
  for (int i = 0; i < 60; ++i) {
    common::FastRandom random(static_cast<std::uint64_t>(i));
    std::string text;
    while (text.size() < 200'000) text += std::to_string(random.Next());
    ASSERT_TRUE(queue->AppendTexts(log, {text}));
  }
  (*queue)->UpdateMetrics();
  EXPECT_GT(Metric("queue_log_written_bytes_total"), 60 * 200'000);
  EXPECT_GT(Metric("queue_tables_written_bytes_total"), 1'000'000);
  EXPECT_GT(Metric("queue_table_bytes"), 1'000'000);
  EXPECT_GT(Metric("queue_memtable_bytes"), 0);
}

/// Sixty records of 500 KB that nothing can compress; their first Seqs.
std::vector<pipeline::Seq> AppendLarge(tests::RunningQueue& queue, LogId log) {
  common::FastRandom random(1);
  std::vector<pipeline::Seq> chunks;
  for (int i = 0; i < 60; ++i) {
    std::string text;
    while (text.size() < 500'000) text += std::to_string(random.Next());
    chunks.push_back(queue->State(log)->tail);
    EXPECT_TRUE(queue.AppendTexts(log, {text}));
  }
  return chunks;
}

TEST_F(RocksQueueTest, SpaceOfSettledEventsComesBackWithoutAnyWrite) {
  auto queue = Open(WithoutHotTail());
  const auto log = (*queue)->OpenLog("a")->log;
  const std::vector<pipeline::Seq> chunks = AppendLarge(*queue, log);
  const std::uint64_t tail = (*queue)->State(log)->tail;
  ASSERT_TRUE((*queue)->ReclaimSpace());
  EXPECT_GT((*queue)->sizes().table_bytes + (*queue)->sizes().memtable_bytes, 10'000'000U)
      << "nothing is given up while it waits for delivery";
  ASSERT_TRUE(queue->Settle({.log = log, .cursor = {tail, 0}, .finished_chunks = chunks}));
  ASSERT_TRUE((*queue)->ReclaimSpace());
  EXPECT_LT((*queue)->sizes().table_bytes, 100'000U);
}

TEST_F(RocksQueueTest, WhatIsSettledBeforeItsMemtableIsFlushedIsNeverWritten) {
  Options options = WithoutHotTail();
  options.write_buffer_bytes = 64 << 20;
  options.max_wal_bytes = 128 << 20;
  auto queue = Open(options);
  const auto log = (*queue)->OpenLog("a")->log;
  AppendLarge(*queue, log);
  const std::uint64_t tail = (*queue)->State(log)->tail;
  // Without finished_chunks there are no deletions to do it.
  ASSERT_TRUE(queue->Settle({.log = log, .cursor = {tail, 0}}));
  const auto other = (*queue)->OpenLog("b")->log;
  ASSERT_TRUE(queue->AppendTexts(other, {"synced"}));
  ASSERT_TRUE(queue->Settle({.log = other, .cursor = {1, 0}, .finished_chunks = {0}}));
  ASSERT_TRUE((*queue)->ReclaimSpace());
  (*queue)->UpdateMetrics();
  EXPECT_GT(Metric("queue_log_written_bytes_total"), 30'000'000);
  EXPECT_LT(Metric("queue_tables_written_bytes_total"), 100'000);
}

TEST_F(RocksQueueTest, SettledEventsAreOnlyGivenUpWhenTheirSettlementIsSynced) {
  auto queue = Open(WithoutHotTail());
  const auto log = (*queue)->OpenLog("a")->log;
  AppendLarge(*queue, log);
  const std::uint64_t tail = (*queue)->State(log)->tail;
  ASSERT_TRUE(queue->Settle({.log = log, .cursor = {tail, 0}}));
  ASSERT_TRUE((*queue)->ReclaimSpace());
  EXPECT_GT((*queue)->sizes().table_bytes, 10'000'000U)
      << "a power cut would take the settlement back";
  const auto other = (*queue)->OpenLog("b")->log;
  ASSERT_TRUE(queue->AppendTexts(other, {"synced"}));
  ASSERT_TRUE(queue->Settle({.log = other, .cursor = {1, 0}, .finished_chunks = {0}}));
  ASSERT_TRUE((*queue)->ReclaimSpace());
  EXPECT_LT((*queue)->sizes().table_bytes, 100'000U);
}

TEST_F(RocksQueueTest, FilesThatAreDoneWithStayWhileSomebodyHoldsThem) {
  const Options options = WithoutHotTail();
  auto queue = Open(options);
  const auto log = (*queue)->OpenLog("a")->log;
  const std::vector<pipeline::Seq> chunks = AppendLarge(*queue, log);
  const std::uint64_t tail = (*queue)->State(log)->tail;
  ASSERT_TRUE(queue->Settle({.log = log, .cursor = {tail, 0}, .finished_chunks = chunks}));
  const auto table_files = [&] {
    std::uintmax_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(options.path)) {
      if (file.path().extension() == ".sst") bytes += file.file_size();
    }
    return bytes;
  };
  const std::uintmax_t before = table_files();
  ASSERT_GT(before, 1'000'000U);
  auto one = (*queue)->HoldFiles();
  auto other = (*queue)->HoldFiles();
  ASSERT_TRUE((*queue)->ReclaimSpace());
  one.reset();
  EXPECT_GE(table_files(), before) << "as long as one of them is left";
  EXPECT_LT((*queue)->sizes().table_bytes, 100'000U) << "though the store needs them no more";
  other.reset();
  EXPECT_LT(table_files(), 100'000U);
}

TEST_F(RocksQueueTest, LargeCommitIsCutIntoChunks) {
  Options options = Defaults();
  options.max_chunk_bytes = 100;
  for (const bool hot : {true, false}) {
    options.hot_tail_bytes = hot ? 1 << 20 : 0;
    options.path = dir_ / (hot ? "hot" : "cold");
    auto queue = Open(options, /*start=*/false);
    const auto log = (*queue)->OpenLog("a")->log;
    std::vector<std::string> texts = Numbered(0, 100);
    texts[50] = std::string(300, 'x');  // Larger than a chunk may be, alone in its own.
    auto first = queue->AppendAsync({.log = log, .received_at = {}, .events = Block({"start"})});
    auto second = queue->AppendAsync({.log = log, .received_at = {}, .events = Block(texts)});
    queue->Start();
    ASSERT_TRUE(first.get());
    ASSERT_TRUE(second.get());
    const auto batch = queue->Read(From(*(*queue)->State(log)));
    ASSERT_TRUE(batch);
    EXPECT_GT(batch->slices.size(), 4U);
    pipeline::Seq next = 0;
    for (const pipeline::ChunkSlice& slice : batch->slices) {
      EXPECT_EQ(slice.first(), next);
      EXPECT_TRUE(slice.Bytes().size() <= 100 || slice.count == 1) << slice.Bytes().size();
      next = slice.end();
    }
    texts.insert(texts.begin(), "start");
    EXPECT_EQ(Texts(*batch), texts);
    EXPECT_EQ(next, 101U);
  }
}

TEST_F(RocksQueueTest, SmallRequestsShareARecordAndLargeOnesDoNot) {
  auto queue = Open(Defaults(), /*start=*/false);
  const auto log = (*queue)->OpenLog("a")->log;
  const std::string large(40'000, 'x');
  std::vector<std::future<Status>> answers;
  std::vector<std::string> all;
  for (const std::vector<std::string>& texts :
       {Numbered(0, 2), Numbered(2, 2), {large, "e5"}, {large}, Numbered(7, 1), Numbered(8, 1)}) {
    answers.push_back(queue->AppendAsync({.log = log, .events = Block(texts)}));
    all.insert(all.end(), texts.begin(), texts.end());
  }
  queue->Start();
  for (auto& answer : answers) ASSERT_TRUE(answer.get());
  const auto batch = queue->Read(From(*(*queue)->State(log)));
  ASSERT_TRUE(batch);
  EXPECT_EQ(Texts(*batch), all);
  std::vector<std::uint32_t> counts;
  for (const pipeline::ChunkSlice& slice : batch->slices) counts.push_back(slice.chunk->count());
  EXPECT_EQ(counts, (std::vector<std::uint32_t>{4, 2, 1, 2}));
}

TEST_F(RocksQueueTest, RefusedEventsOfOneLogDropNothingOfAnother) {
  Options options = Defaults();
  options.max_rejected_bytes = 1000;
  auto queue = Open(options, /*start=*/false);
  const auto noisy = (*queue)->OpenLog("noisy")->log;
  const auto calm = (*queue)->OpenLog("calm")->log;
  std::vector<std::future<Status>> answers;
  answers.push_back(queue->AppendAsync({.log = calm, .rejected = {{.code = "calm"}}}));
  // All in one commit, and more in one request than a log keeps.
  for (int i = 0; i < 10; ++i) {
    pipeline::AppendRequest request{.log = noisy};
    for (int j = 0; j < 10; ++j) {
      request.rejected.push_back({.code = std::to_string(i * 10 + j) + std::string(60, 'x')});
    }
    answers.push_back(queue->AppendAsync(std::move(request)));
  }
  queue->Start();
  for (auto& answer : answers) ASSERT_TRUE(answer.get());
  EXPECT_EQ((*queue)->ReadDeadLetters(calm, 0, 1000)->size(), 1U);
  const auto letters = *(*queue)->ReadDeadLetters(noisy, 0, 1000);
  ASSERT_FALSE(letters.empty());
  EXPECT_LE(Metric("queue_rejected_bytes"), 1000 + 50);
  EXPECT_EQ(Metric("queue_rejected_events_evicted_total"),
            100 - static_cast<double>(letters.size()));
  EXPECT_EQ(letters.back().second.code, "99" + std::string(60, 'x'));
  // Pages of one, in the order of ids.
  RocksQueue::DeadLetterId after = 0;
  for (const auto& [id, letter] : letters) {
    const auto page = (*queue)->ReadDeadLetters(noisy, after, 1);
    ASSERT_EQ(page->size(), 1U);
    EXPECT_EQ(page->front().second.code, letter.code);
    after = id;
  }
  EXPECT_TRUE((*queue)->ReadDeadLetters(noisy, after, 1)->empty());
}

TEST_F(RocksQueueTest, DeadLettersBeyondTheCapGoOldestFirstAndAreCounted) {
  Options options = Defaults();
  options.max_dead_bytes = 2'000;
  auto queue = Open(options);
  const auto log = (*queue)->OpenLog("acme")->log;
  constexpr std::uint64_t kEvents = 100;
  for (std::uint64_t i = 0; i < kEvents; ++i) {
    ASSERT_TRUE(queue->AppendTexts(log, {"e"}));
    ASSERT_TRUE(queue->Settle({.log = log,
                               .cursor = {i + 1, 0},
                               .finished_chunks = {i},
                               .dead = {{.code = std::to_string(i), .event = "e"}}}));
  }
  const auto letters = *(*queue)->ReadDeadLetters(log, 0, 1000);
  ASSERT_FALSE(letters.empty());
  EXPECT_LT(letters.size(), kEvents);
  EXPECT_EQ(letters.back().second.code, std::to_string(kEvents - 1));
  EXPECT_LE(Metric("queue_dead_letter_bytes"), 2'000);
  EXPECT_EQ(Metric("queue_dead_letters_evicted_total"),
            static_cast<double>(kEvents - letters.size()));
  EXPECT_EQ((*queue)->State(log)->dead, kEvents);
  queue.reset();
  const auto look = OfflineQueue::Open(path());
  ASSERT_TRUE(look) << look.error().message;
  EXPECT_EQ((*look)->Verify([](std::uint64_t) {}).problems, std::vector<std::string>{});
}

TEST_F(RocksQueueTest, TheLastOfTheDiskIsForSettlements) {
  LogId log = 0;
  {
    auto queue = Open();
    log = (*queue)->OpenLog("acme")->log;
    ASSERT_TRUE(queue->AppendTexts(log, {"before"}));
  }
  Options options = Defaults();
  options.min_free_bytes = std::uint64_t{1} << 62;
  auto queue = Open(options);
  const Status refused = queue->AppendTexts(log, {"after"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kIo);
  EXPECT_THAT(refused.error().message, HasSubstr("hard_min_free_disk"));
  EXPECT_TRUE(queue->Settle({.log = log, .cursor = {1, 0}, .finished_chunks = {0}}));
  EXPECT_TRUE((*queue)->health().ok) << "ready again as soon as there is room";
  EXPECT_EQ((*queue)->State(log)->accepted(), 1U);
}

TEST_F(RocksQueueTest, KnowsHowOldTheOldestWaitingEventIsAtMost) {
  const auto at = [](int minute) {
    return tests::FakeClock::kStart + std::chrono::minutes(minute);
  };
  LogId log = 0;
  {
    auto queue = Open();
    log = (*queue)->OpenLog("acme")->log;
    EXPECT_FALSE((*queue)->State(log)->oldest);
    for (int minute = 1; minute < 4; ++minute) {
      ASSERT_TRUE(queue->AppendTexts(log, {"a", "b"}, at(minute)));
    }
    EXPECT_EQ((*queue)->State(log)->oldest, at(1));
    ASSERT_TRUE(queue->Settle(
        {.log = log, .cursor = {2, 1}, .finished_chunks = {0}, .settled_up_to = at(2)}));
    EXPECT_EQ((*queue)->State(log)->oldest, at(2));
  }
  auto queue = Open();
  EXPECT_EQ((*queue)->State(log)->oldest, at(2)) << "also after a restart";
  ASSERT_TRUE(queue->Settle({.log = log, .cursor = {6, 0}, .finished_chunks = {2, 4}}));
  EXPECT_FALSE((*queue)->State(log)->oldest);
}

TEST_F(RocksQueueTest, MetricsOfTheStoreAreThere) {
  auto queue = Open();
  const auto log = (*queue)->OpenLog("acme")->log;
  ASSERT_TRUE(queue->AppendTexts(log, {std::string(100'000, 'x')}));
  (*queue)->UpdateMetrics();
  EXPECT_GT(Metric("queue_wal_bytes"), 100'000);
  EXPECT_GT(Metric("queue_memtable_bytes"), 100'000);
  EXPECT_EQ(Metric("queue_write_stall"), 0);
  EXPECT_EQ(Metric("queue_pending_compaction_bytes"), 0);
  queue.reset();
  queue = Open();  // What was in the log file is in a table now.
  (*queue)->UpdateMetrics();
  EXPECT_GT(Metric("queue_table_bytes"), 0);
}

TEST_F(RocksQueueTest, FullQueueRefusesAtOnce) {
  Options options = Defaults();
  options.max_pending_requests = 2;
  auto queue = Open(options, /*start=*/false);
  const auto log = (*queue)->OpenLog("a")->log;
  auto a = queue->AppendAsync({.log = log, .received_at = {}, .events = Block({"a"})});
  auto b = queue->AppendAsync({.log = log, .received_at = {}, .events = Block({"b"})});
  const Status refused =
      queue->AppendAsync({.log = log, .received_at = {}, .events = Block({"c"})}).get();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("full"));
  queue->Start();
  EXPECT_TRUE(a.get());
  EXPECT_TRUE(b.get());
  EXPECT_TRUE(queue->AppendTexts(log, {"d"}));
  EXPECT_EQ(Pending(*queue, log), (std::vector<std::string>{"a", "b", "d"}));
}

TEST_F(RocksQueueTest, UnknownLogIsRefusedAndTheRestOfTheCommitGoesOn) {
  auto queue = Open(Defaults(), /*start=*/false);
  const auto log = (*queue)->OpenLog("a")->log;
  auto bad = queue->AppendAsync({.log = 999, .received_at = {}, .events = Block({"x"})});
  auto good = queue->AppendAsync({.log = log, .received_at = {}, .events = Block({"y"})});
  queue->Start();
  EXPECT_EQ(bad.get().error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(good.get());
}

TEST_F(RocksQueueTest, StopCommitsWhatWaitsAndRefusesTheRest) {
  auto queue = Open(Defaults(), /*start=*/false);
  const auto log = (*queue)->OpenLog("a")->log;
  auto waiting = queue->AppendAsync({.log = log, .received_at = {}, .events = Block({"a"})});
  (*queue)->Stop();
  auto late = queue->AppendAsync({.log = log, .received_at = {}, .events = Block({"b"})});
  EXPECT_EQ(late.get().error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(queue->Settle({.log = log}).error().code, ErrorCode::kUnavailable);
  queue->Start();
  EXPECT_TRUE(waiting.get());
  queue.reset();
  queue = Open();
  EXPECT_EQ(Pending(*queue, log), (std::vector<std::string>{"a"}));
}

TEST_F(RocksQueueTest, NeverStartedQueueAnswersWhatWaits) {
  auto queue = Open(Defaults(), /*start=*/false);
  const auto log = (*queue)->OpenLog("a")->log;
  auto waiting = queue->AppendAsync({.log = log, .received_at = {}, .events = Block({"a"})});
  queue.reset();
  EXPECT_EQ(waiting.get().error().code, ErrorCode::kUnavailable);
}

TEST_F(RocksQueueTest, EvictedEventsAreReadFromDisk) {
  Options options = Defaults();
  options.hot_tail_bytes = 20000;
  auto queue = Open(options);
  const auto log = (*queue)->OpenLog("a")->log;
  std::vector<std::string> texts;
  for (int i = 0; i < 50; ++i) {
    texts.push_back(std::to_string(i) + std::string(1000, 'x'));
    ASSERT_TRUE(queue->AppendTexts(log, {texts.back()}));
  }
  EXPECT_LE((*queue)->sizes().hot_tail_bytes, 20000U);
  const auto cold = queue->Read(From(*(*queue)->State(log)));
  ASSERT_TRUE(cold);
  EXPECT_EQ(Texts(*cold), texts);
  EXPECT_EQ(Metric("queue_hot_tail_misses_total"), 1);
  pipeline::ReadRequest recent = From(*(*queue)->State(log));
  recent.from = {.chunk = 48, .index = 0};
  const auto hot = queue->Read(recent);
  ASSERT_TRUE(hot);
  EXPECT_EQ(Texts(*hot), std::vector<std::string>(texts.begin() + 48, texts.end()));
  EXPECT_EQ(Metric("queue_hot_tail_hits_total"), 1);
  EXPECT_EQ(Metric("queue_hot_tail_misses_total"), 1);
}

TEST_F(RocksQueueTest, SettlementsFreeTheHotTailAndTheStore) {
  auto queue = Open();
  const auto log = (*queue)->OpenLog("a")->log;
  ASSERT_TRUE(queue->AppendTexts(log, Numbered(0, 100)));
  EXPECT_GT((*queue)->sizes().hot_tail_bytes, 0U);
  EXPECT_GT((*queue)->State(log)->pending_bytes, 0U);
  const double commits = Metric("queue_commits_total");
  ASSERT_TRUE(queue->Settle({.log = log, .cursor = {100, 0}, .finished_chunks = {0}}));
  EXPECT_EQ((*queue)->sizes().hot_tail_bytes, 0U);
  EXPECT_EQ((*queue)->State(log)->pending_bytes, 0U);
  EXPECT_EQ(Metric("queue_commits_total"), commits + 1);
  EXPECT_EQ(Metric("queue_fsync_seconds"), commits);  // A settlement alone needs no sync.
  queue.reset();
  Tamper([](RocksStore& store) {
    RangeScan scan(store, Family::kQueue, "", std::string(32, '\xff'));
    scan->SeekToFirst();
    EXPECT_FALSE(scan->Valid());
  });
}

TEST_F(RocksQueueTest, DeadLettersAreListedInPages) {
  auto queue = Open();
  const auto log = (*queue)->OpenLog("a")->log;
  const auto other = (*queue)->OpenLog("b")->log;
  ASSERT_TRUE(queue->AppendTexts(log, Numbered(0, 5)));
  for (std::uint32_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(queue->Settle({.log = log,
                               .cursor = {0, i + 1},
                               .dead = {{.code = "code" + std::to_string(i),
                                         .event = "e" + std::to_string(i),
                                         .http_status = 400,
                                         .accepted_at = clock_.Wall()}}}));
  }
  const auto first = (*queue)->ReadDeadLetters(log, 0, 3);
  ASSERT_TRUE(first);
  ASSERT_EQ(first->size(), 3U);
  EXPECT_EQ(first->at(0).second.event, "e0");
  const auto rest = (*queue)->ReadDeadLetters(log, first->back().first, 100);
  ASSERT_EQ(rest->size(), 2U);
  EXPECT_EQ(rest->at(1).second.code, "code4");
  EXPECT_EQ(rest->at(1).second.accepted_at, clock_.Wall());
  EXPECT_TRUE((*queue)->ReadDeadLetters(other, 0, 100)->empty());
}

TEST_F(RocksQueueTest, DeadLetterIdsNeverRepeatWhenTheClockGoesBack) {
  auto queue = Open();
  const auto log = (*queue)->OpenLog("a")->log;
  ASSERT_TRUE(queue->AppendTexts(log, Numbered(0, 3)));
  const auto bury = [&](std::uint32_t i) {
    return queue->Settle({.log = log, .cursor = {0, i}, .dead = {{.event = std::to_string(i)}}});
  };
  ASSERT_TRUE(bury(1));
  clock_.JumpWall(std::chrono::hours(-24));
  ASSERT_TRUE(bury(2));
  queue.reset();
  queue = Open();
  ASSERT_TRUE(bury(3));
  const auto letters = (*queue)->ReadDeadLetters(log, 0, 10);
  ASSERT_EQ(letters->size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(letters->at(i).second.event, std::to_string(i + 1));
  }
}

TEST_F(RocksQueueTest, EveryMetricIsThereFromTheStart) {
  auto queue = Open();
  for (const char* name :
       {"queue_commits_total", "queue_commit_errors_total", "queue_hot_tail_hits_total",
        "queue_hot_tail_misses_total", "queue_hot_tail_bytes", "queue_pending_requests",
        "queue_quarantined_chunks_total", "queue_quarantined_events_total", "queue_commit_events",
        "queue_commit_seconds", "queue_fsync_seconds"}) {
    EXPECT_EQ(Metric(name), 0) << name;
  }
  EXPECT_EQ(Metric("queue_healthy"), 1);
}

}  // namespace
}  // namespace gateway::queue

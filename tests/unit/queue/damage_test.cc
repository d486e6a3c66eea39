// SPDX-License-Identifier: Apache-2.0
//
// Damaged records go to quarantine, are counted, and the events behind them flow.
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ranges>
#include <string>
#include <vector>

#include "common/random.h"
#include "gateway/queue/offline_queue.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/stored_records.h"
#include "tests/unit/queue/queue_fixture.h"

namespace gateway::queue {
namespace {

using pipeline::Seq;
using Ranges = std::vector<std::pair<Seq, Seq>>;

class DamageTest : public QueueFixture {
 protected:
  /// Four records of three events each: at 0, 3, 6 and 9.
  void Fill() {
    auto queue = Open();
    log_ = (*queue)->OpenLog("acme")->log;
    for (std::uint64_t first = 0; first < 12; first += 3) {
      ASSERT_TRUE(queue->AppendTexts(log_, Numbered(first, 3)));
    }
  }
  void Overwrite(Seq first, const std::string& value) {
    Tamper([&](RocksStore& store) {
      rocksdb::WriteBatch batch;
      batch.Put(store.family(Family::kQueue), EncodeKey(EntryKey{log_, first}), value);
      ASSERT_TRUE(store.Write(batch, true).ok());
    });
  }
  void Remove(Seq first) {
    Tamper([&](RocksStore& store) {
      rocksdb::WriteBatch batch;
      batch.Delete(store.family(Family::kQueue), EncodeKey(EntryKey{log_, first}));
      ASSERT_TRUE(store.Write(batch, true).ok());
    });
  }
  std::vector<std::pair<QuarantineKey, std::string>> Quarantined() {
    std::vector<std::pair<QuarantineKey, std::string>> found;
    Tamper([&](RocksStore& store) {
      RangeScan scan(store, Family::kQuarantine, "", std::string(32, '\xff'));
      for (scan->SeekToFirst(); scan->Valid(); scan->Next()) {
        found.emplace_back(*DecodeQuarantineKey(scan.key()), scan.value());
      }
    });
    return found;
  }

  pipeline::LogId log_ = 0;
};

TEST_F(DamageTest, DamagedRecordIsPassed) {
  Fill();
  Overwrite(0, "garbage");
  {
    auto queue = Open();
    const auto batch = queue->Read(From(*(*queue)->State(log_)));
    ASSERT_TRUE(batch) << batch.error().message;
    EXPECT_EQ(batch->damaged, (Ranges{{0, 3}}));
    EXPECT_EQ(Texts(*batch), Numbered(3, 9));
    EXPECT_EQ(Metric("queue_quarantined_chunks_total"), 1);
    EXPECT_EQ(Metric("queue_quarantined_events_total"), 3);
    // Still pending until the cursor passes, then dead: the sum is kept at each moment.
    EXPECT_EQ((*queue)->State(log_)->dead, 0U);
    ASSERT_TRUE(queue->Settle({.log = log_, .cursor = {6, 0}, .finished_chunks = {3}}));
    const auto state = (*queue)->State(log_);
    EXPECT_EQ(state->dead, 3U);
    EXPECT_EQ(state->delivered(), 3U);
    EXPECT_EQ(state->pending(), 6U);
  }
  const auto quarantined = Quarantined();
  ASSERT_EQ(quarantined.size(), 1U);
  EXPECT_EQ(quarantined[0].first, (QuarantineKey{log_, 0, 3}));
  EXPECT_EQ(quarantined[0].second, "garbage");
  auto queue = Open();
  EXPECT_EQ((*queue)->State(log_)->dead, 3U);
}

TEST_F(DamageTest, ReadingAgainCountsNothingTwice) {
  Fill();
  Overwrite(0, "garbage");
  for (int opening = 0; opening < 2; ++opening) {
    auto queue = Open();
    for (int i = 0; i < 2; ++i) {
      const auto batch = queue->Read(From(*(*queue)->State(log_)));
      ASSERT_TRUE(batch);
      EXPECT_EQ(batch->damaged, (Ranges{{0, 3}}));
    }
    EXPECT_EQ(Metric("queue_quarantined_events_total"), opening == 0 ? 3 : 0);
  }
  EXPECT_EQ(Quarantined().at(0).second, "garbage");
  auto queue = Open();
  ASSERT_TRUE(queue->Settle({.log = log_, .cursor = {12, 0}, .finished_chunks = {3, 6, 9}}));
  EXPECT_EQ((*queue)->State(log_)->dead, 3U);
  EXPECT_EQ((*queue)->State(log_)->delivered(), 9U);
}

TEST_F(DamageTest, BatchStopsBeforeDamageInTheMiddle) {
  Fill();
  Overwrite(6, "garbage");
  auto queue = Open();
  pipeline::ReadRequest request = From(*(*queue)->State(log_));
  auto batch = queue->Read(request);
  ASSERT_TRUE(batch);
  EXPECT_TRUE(batch->damaged.empty());
  EXPECT_EQ(Texts(*batch), Numbered(0, 6));
  request.from = {6, 0};
  batch = queue->Read(request);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->damaged, (Ranges{{6, 9}}));
  EXPECT_EQ(Texts(*batch), Numbered(9, 3));
}

TEST_F(DamageTest, OnlyTheRestOfAHalfSettledRecordIsLost) {
  Fill();
  {
    auto queue = Open();
    ASSERT_TRUE(queue->Settle({.log = log_, .cursor = {3, 1}, .finished_chunks = {0}}));
  }
  Overwrite(3, "garbage");
  auto queue = Open();
  const auto batch = queue->Read(From(*(*queue)->State(log_)));
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->damaged, (Ranges{{4, 6}}));
  EXPECT_EQ(Texts(*batch), Numbered(6, 6));
  ASSERT_TRUE(queue->Settle({.log = log_, .cursor = {6, 0}, .finished_chunks = {3}}));
  EXPECT_EQ((*queue)->State(log_)->dead, 2U);
  EXPECT_EQ((*queue)->State(log_)->delivered(), 4U);
}

TEST_F(DamageTest, WhatIsLostAtTheEndIsMissedAfterACleanStop) {
  Fill();
  // With all that the log file says of it.
  for (const auto& entry : std::filesystem::directory_iterator(path())) {
    if (entry.path().extension() == ".log") std::filesystem::resize_file(entry.path(), 300);
  }
  auto queue = Open(WithoutHotTail());
  EXPECT_EQ((*queue)->State(log_)->tail, 12U);
  const auto batch = queue->Read(From(*(*queue)->State(log_)));
  ASSERT_TRUE(batch);
  const std::uint64_t whole = batch->events;
  EXPECT_LT(whole, 12U);
  pipeline::ReadRequest rest = From(*(*queue)->State(log_));
  rest.from = {.chunk = whole, .index = 0};
  const auto lost = whole == 0 ? batch : queue->Read(rest);
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->damaged, (Ranges{{whole, 12}}));
  EXPECT_EQ(Metric("queue_quarantined_events_total"), static_cast<double>(12 - whole));
  // A file of tails that is not whole says nothing.
  queue.reset();
  std::filesystem::resize_file(path() + "/tails", 15);
  EXPECT_EQ((*Open())->State(log_)->tail, 12U) << "the store itself knows by now";
}

TEST_F(DamageTest, NeighboursAndTheLastRecordAreFoundToo) {
  Fill();
  for (const Seq first : {0U, 3U, 9U}) Overwrite(first, "garbage");
  std::filesystem::remove(path() + "/tails");
  auto queue = Open();
  // What the last record held cannot be known when its header is gone: at least one event.
  EXPECT_EQ((*queue)->State(log_)->tail, 10U);
  pipeline::ReadRequest request = From(*(*queue)->State(log_));
  auto batch = queue->Read(request);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->damaged, (Ranges{{0, 3}, {3, 6}}));
  EXPECT_EQ(Texts(*batch), Numbered(6, 3));
  request.from = {9, 0};
  batch = queue->Read(request);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->damaged, (Ranges{{9, 10}}));
  EXPECT_TRUE(batch->slices.empty());
  ASSERT_TRUE(queue->AppendTexts(log_, {"new"}));
  ASSERT_TRUE(queue->Settle({.log = log_, .cursor = {10, 0}, .finished_chunks = {6}}));
  EXPECT_EQ(Pending(*queue, log_), (std::vector<std::string>{"new"}));
  EXPECT_EQ((*queue)->State(log_)->dead, 7U);
}

TEST_F(DamageTest, FlippedBitInTheLastRecordKeepsItsCount) {
  Fill();
  std::string flipped = Record(Encoded(log_, 9, Numbered(9, 3)));
  flipped.back() = '!';
  Overwrite(9, flipped);
  auto queue = Open();
  EXPECT_EQ((*queue)->State(log_)->tail, 12U);
}

TEST_F(DamageTest, MissingRecordIsReportedAsDamage) {
  Fill();
  Remove(3);
  {
    auto queue = Open();
    pipeline::ReadRequest request = From(*(*queue)->State(log_));
    EXPECT_EQ(Texts(*queue->Read(request)), Numbered(0, 3));
    request.from = {3, 0};
    const auto batch = queue->Read(request);
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->damaged, (Ranges{{3, 6}}));
    EXPECT_EQ(Texts(*batch), Numbered(6, 6));
  }
  EXPECT_EQ(Quarantined().at(0).first, (QuarantineKey{log_, 3, 6}));
}

TEST_F(DamageTest, StoreDoesNotGuessWhatItKeepsOrRemembers) {
  Fill();
  for (const char prefix : {kRejectedPrefix, kIdsPrefix}) {
    const std::string key = EncodeMetaKey(prefix, log_);
    Tamper([&](RocksStore& store) {
      rocksdb::WriteBatch batch;
      batch.Put(store.family(Family::kMeta), key, "\x0a\xff");
      ASSERT_TRUE(store.Write(batch, true).ok());
    });
    prometheus::Registry registry;
    const auto queue = RocksQueue::Open(Defaults(), clock_, registry);
    ASSERT_FALSE(queue);
    EXPECT_EQ(queue.error().code, common::ErrorCode::kDataLoss);
    Tamper([&](RocksStore& store) {
      rocksdb::WriteBatch batch;
      batch.Delete(store.family(Family::kMeta), key);
      ASSERT_TRUE(store.Write(batch, true).ok());
    });
  }
  Open();
}

TEST_F(DamageTest, EventWhoseIdCannotBeReadIsTaken) {
  {
    auto queue = Open();
    log_ = (*queue)->OpenLog("acme")->log;
    ASSERT_TRUE(queue->Append(WithIds(log_, clock_.Wall(), {1, 2})));
  }
  Tamper([&](RocksStore& store) {
    rocksdb::WriteBatch batch;
    const IdKey key{.log = log_, .id = WithIds(log_, {}, {1}).events.ids[0]};
    batch.Put(store.family(Family::kIds), EncodeKey(key), "?");
    ASSERT_TRUE(store.Write(batch, true).ok());
  });
  auto queue = Open();
  ASSERT_TRUE(queue->Append(WithIds(log_, clock_.Wall(), {1, 2})));
  EXPECT_EQ(Pending(*queue, log_), (std::vector<std::string>{"e1", "e2", "e1"}));
}

class DamagedBlocksTest : public DamageTest, public testing::WithParamInterface<int> {};

INSTANTIATE_TEST_SUITE_P(Blocks, DamagedBlocksTest, testing::Values(1, 2, 5));

TEST_P(DamagedBlocksTest, CostTheirEventsAlone) {
  constexpr std::uint64_t kEvents = 200;
  std::vector<std::string> texts;
  common::FastRandom random(7);
  {
    auto queue = Open();
    log_ = (*queue)->OpenLog("acme")->log;
    for (std::uint64_t i = 0; i < kEvents; ++i) {
      std::string text = std::to_string(i);
      while (text.size() < 2'000) text += static_cast<char>('a' + random.Next() % 26);
      texts.push_back(text);
      ASSERT_TRUE(queue->AppendTexts(log_, {text}));
    }
  }
  std::string largest;
  Tamper([&](RocksStore& store) {
    ASSERT_TRUE(store.db().Flush(rocksdb::FlushOptions(), store.family(Family::kQueue)).ok());
  });
  for (const auto& entry : std::filesystem::directory_iterator(path())) {
    if (entry.path().extension() != ".sst") continue;
    if (largest.empty() || entry.file_size() > std::filesystem::file_size(largest)) {
      largest = entry.path();
    }
  }
  {
    std::fstream table(largest, std::ios::in | std::ios::out | std::ios::binary);
    const auto size = static_cast<std::streamoff>(std::filesystem::file_size(largest));
    for (int i = 0; i < GetParam(); ++i) {
      table.seekp(size * (2 * i + 1) / (2 * GetParam()));
      table.put('!');
    }
  }
  auto queue = Open(WithoutHotTail());
  Ranges damaged;
  std::vector<std::string> read;
  pipeline::ReadRequest request = From(*(*queue)->State(log_));
  for (bool more = true; more;) {
    const auto batch = queue->Read(request);
    ASSERT_TRUE(batch) << batch.error().message;
    for (const auto& range : batch->damaged) damaged.push_back(range);
    for (std::string& text : Texts(*batch)) read.push_back(std::move(text));
    more = !batch->slices.empty();
    if (more) request.from = {.chunk = batch->slices.back().chunk->end(), .index = 0};
  }
  ASSERT_EQ(damaged.size(), static_cast<std::size_t>(GetParam()));
  Seq lost = 0;
  for (const auto& [first, end] : damaged | std::views::reverse) {
    EXPECT_GT(first, 0U);
    EXPECT_LT(end, kEvents);
    EXPECT_LT(end - first, 15U) << "a block of 16 KiB";
    lost += end - first;
    texts.erase(texts.begin() + static_cast<std::ptrdiff_t>(first),
                texts.begin() + static_cast<std::ptrdiff_t>(end));
  }
  EXPECT_EQ(read, texts);
  EXPECT_EQ(Metric("queue_quarantined_events_total"), static_cast<double>(lost));
}

TEST_F(DamageTest, ADamagedWriteInTheLogFileCostsItsEventsAlone) {
  Options killed = WithoutHotTail();
  killed.path = dir_ / "killed";
  pipeline::LogId other = 0;
  {
    auto queue = Open();
    log_ = (*queue)->OpenLog("acme")->log;
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(queue->AppendTexts(log_, {"event " + std::to_string(i)}));
    }
    other = (*queue)->OpenLog("globex")->log;
    ASSERT_TRUE(queue->AppendTexts(other, {"event of another"}));
    std::filesystem::copy(path(), killed.path);  // With everything in the log file.
  }
  for (const auto& entry : std::filesystem::directory_iterator(killed.path)) {
    if (entry.path().extension() != ".log") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const std::size_t at = bytes.find("event 4");
    if (at == std::string::npos) continue;
    file.seekp(static_cast<std::streamoff>(at));
    file.put('E');
  }
  {
    const auto look = OfflineQueue::Open(killed.path);
    ASSERT_TRUE(look) << look.error().message;
    EXPECT_NE((*look)->Verify([](std::uint64_t) {}).problems, std::vector<std::string>{});
  }
  auto queue = Open(killed);
  std::vector<std::string> expected;
  for (int i = 0; i < 10; ++i) {
    if (i != 4) expected.push_back("event " + std::to_string(i));
  }
  EXPECT_EQ(Pending(*queue, log_), expected);
  EXPECT_EQ(Pending(*queue, other), std::vector<std::string>{"event of another"});
  EXPECT_EQ(Metric("queue_quarantined_events_total"), 1);
  const auto kept = std::ranges::count_if(
      std::filesystem::directory_iterator(killed.path),
      [](const auto& entry) { return entry.path().filename().string().starts_with("damaged-"); });
  EXPECT_EQ(kept, 1) << "the file as it was";
}

TEST_F(DamageTest, TheNumberOfALogWhoseRegistrationIsLostIsNotGivenAway) {
  Fill();
  Tamper([&](RocksStore& store) {
    rocksdb::WriteBatch batch;
    batch.Delete(store.family(Family::kMeta), EncodeMetaKey(kLogPrefix, log_));
    ASSERT_TRUE(store.Write(batch, true).ok());
  });
  auto queue = Open();
  const auto other = (*queue)->OpenLog("globex");
  ASSERT_TRUE(other);
  EXPECT_NE(other->log, log_);
  EXPECT_EQ(other->tail, 0U);
}

TEST_F(DamageTest, ALogOfWhichNothingIsLeftButEventsIsFound) {
  Fill();
  Tamper([&](RocksStore& store) {
    rocksdb::WriteBatch batch;
    for (const Family family : {Family::kMeta, Family::kRegistry}) {
      for (const char prefix : {kLogPrefix, kTailPrefix}) {
        batch.Delete(store.family(family), EncodeMetaKey(prefix, log_));
      }
    }
    ASSERT_TRUE(store.Write(batch, true).ok());
  });
  std::filesystem::remove(path() + "/tails");
  const auto problems = [&] { return (*OfflineQueue::Open(path()))->Verify([](auto) {}).problems; };
  EXPECT_EQ(problems().size(), 1U) << "before a gateway has opened it";
  {
    auto queue = Open();
    EXPECT_EQ((*queue)->State(log_)->tenant, "lost-log-" + std::to_string(log_));
    EXPECT_EQ(Pending(*queue, log_), Numbered(0, 12));
    EXPECT_NE((*queue)->OpenLog("acme")->log, log_);
  }
  EXPECT_EQ(problems().size(), 1U) << "and behind it";
}

TEST_F(DamageTest, ALogOfWhichOnlyTheFileOfTailsTellsIsMissed) {
  Fill();
  for (const auto& entry : std::filesystem::directory_iterator(path())) {
    if (entry.path().extension() == ".log") std::filesystem::resize_file(entry.path(), 0);
  }
  auto queue = Open(WithoutHotTail());
  ASSERT_TRUE((*queue)->State(log_));
  EXPECT_EQ((*queue)->State(log_)->pending(), 12U);
  EXPECT_EQ((*queue)->OpenLog("acme")->pending(), 0U) << "a log of its own";
  const auto lost = queue->Read(From(*(*queue)->State(log_)));
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->damaged, (Ranges{{0, 12}}));
  EXPECT_EQ(Metric("queue_quarantined_events_total"), 12);
}

TEST_F(DamageTest, RowsOfAnyKindTellOfALogThatIsNotRegistered) {
  Fill();
  const pipeline::LogId registered = log_ + 5;
  const std::vector<pipeline::LogId> logs{log_ + 1, log_ + 3, log_ + 4, log_ + 7, log_ + 8};
  Tamper([&](RocksStore& store) {
    rocksdb::WriteBatch batch;
    batch.Put(store.family(Family::kRegistry), EncodeMetaKey(kLogPrefix, registered),
              EncodeLog("globex"));
    const std::string letter = EncodeDeadLetter({.code = "bad", .event = "{}"});
    batch.Put(store.family(Family::kQueue), EncodeKey(EntryKey{logs[0], 0}),
              Record(Encoded(logs[0], 0, Numbered(0, 3))));
    batch.Put(store.family(Family::kDead), EncodeKey(EntryKey{logs[1], 9}), letter);
    batch.Put(store.family(Family::kRejected), EncodeKey(EntryKey{logs[2], 9}), letter);
    batch.Put(store.family(Family::kIds), EncodeKey(IdKey{logs[3], {.high = 1, .low = 2}}),
              EncodeNumber(1));
    batch.Put(store.family(Family::kQuarantine), EncodeKey(QuarantineKey{logs[4], 0, 3}), "raw");
    ASSERT_TRUE(store.Write(batch, true).ok());
  });
  auto queue = Open();
  for (const pipeline::LogId log : logs) {
    const auto state = (*queue)->State(log);
    ASSERT_TRUE(state) << log;
    EXPECT_EQ(state->tenant, "lost-log-" + std::to_string(log));
  }
  EXPECT_EQ((*queue)->State(registered)->tenant, "globex");
  EXPECT_EQ((*queue)->Logs().size(), logs.size() + 2);
}

}  // namespace
}  // namespace gateway::queue

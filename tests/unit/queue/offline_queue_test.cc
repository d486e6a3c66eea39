// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/offline_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gateway/queue/chunk_codec.h"
#include "gateway/queue/record_key.h"
#include "tests/unit/queue/queue_fixture.h"

namespace gateway::queue {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class OfflineQueueTest : public QueueFixture {
 protected:
  /// Twelve events in four records; three of them settled, one of those dead.
  void Fill() {
    auto queue = Open();
    log_ = (*queue)->OpenLog("acme")->log;
    for (std::uint64_t first = 0; first < 12; first += 3) {
      ASSERT_TRUE(queue->AppendTexts(log_, Objects(first, 3), clock_.Wall()));
    }
    ASSERT_TRUE(queue->Settle(
        {.log = log_, .cursor = {3, 0}, .finished_chunks = {0}, .dead = {{.event = "{}"}}}));
    ASSERT_TRUE(queue->Append(
        {.log = log_,
         .rejected = {{.stage = pipeline::DeadLetterStage::kIngest, .event = "refused"}}}));
  }
  static std::vector<std::string> Objects(std::uint64_t first, std::uint64_t count) {
    std::vector<std::string> texts;
    for (std::uint64_t i = first; i < first + count; ++i) {
      texts.push_back(R"({"n":)" + std::to_string(i) + "}");
    }
    return texts;
  }
  std::unique_ptr<OfflineQueue> Look() const {
    auto opened = OfflineQueue::Open(path());
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  }
  static OfflineQueue::Verdict Verify(const OfflineQueue& queue) {
    return queue.Verify([](std::uint64_t) {});
  }
  std::vector<std::string> Exported(std::uint64_t damaged) const {
    std::vector<std::string> texts;
    const auto lost = Look()->ForEachPending(log_, 2, 1 << 20, [&](const pipeline::ReadBatch& b) {
      for (std::string& text : Texts(b)) texts.push_back(std::move(text));
    });
    EXPECT_EQ(lost, damaged);
    return texts;
  }
  /// Turns a bit of a stored record.
  void Damage(pipeline::Seq first, std::size_t at) {
    Tamper([&](RocksStore& store) {
      std::string value;
      const std::string key = EncodeKey(EntryKey{log_, first});
      ASSERT_TRUE(
          store.db().Get(rocksdb::ReadOptions(), store.family(Family::kQueue), key, &value).ok());
      value[at] = static_cast<char>(value[at] ^ 1);
      rocksdb::WriteBatch batch;
      batch.Put(store.family(Family::kQueue), key, value);
      ASSERT_TRUE(store.Write(batch, true).ok());
    });
  }

  pipeline::LogId log_ = 0;
};

TEST_F(OfflineQueueTest, ShowsWhatEachLogHolds) {
  Fill();
  const auto logs = Look()->Logs();
  ASSERT_TRUE(logs) << logs.error().message;
  ASSERT_EQ(logs->size(), 1U);
  const OfflineQueue::Log& log = logs->front();
  EXPECT_EQ(log.state.tenant, "acme");
  EXPECT_EQ(log.state.pending(), 9U);
  EXPECT_EQ(log.state.delivered(), 2U);
  EXPECT_EQ(log.state.dead, 1U);
  EXPECT_EQ(log.dead_letters, 1U);
  EXPECT_EQ(log.refused, 1U);
  EXPECT_EQ(log.quarantined, 0U);
  EXPECT_EQ(log.oldest, clock_.Wall());
}

TEST_F(OfflineQueueTest, LooksBesideTheProcessThatHasItOpen) {
  Fill();
  auto running = Open();
  const auto look = Look();
  ASSERT_TRUE(running->AppendTexts(log_, {"{}"}));
  EXPECT_EQ(look->Logs()->front().state.pending(), 9U) << "the moment of the opening";
  EXPECT_EQ(Look()->Logs()->front().state.pending(), 10U);
}

TEST_F(OfflineQueueTest, ChangesNothing) {
  Fill();
  const auto files = [this] {
    std::vector<std::pair<std::string, std::uintmax_t>> all;
    for (const auto& entry : std::filesystem::directory_iterator(path())) {
      all.emplace_back(entry.path(), entry.file_size());
    }
    std::ranges::sort(all);
    return all;
  };
  const auto before = files();
  EXPECT_THAT(Verify(*Look()).problems, IsEmpty());
  EXPECT_EQ(Exported(0), Objects(3, 9));
  EXPECT_EQ(files(), before);
}

TEST_F(OfflineQueueTest, VerifyCountsWhatIsWhole) {
  Fill();
  const auto verdict = Verify(*Look());
  EXPECT_THAT(verdict.problems, IsEmpty());
  EXPECT_EQ(verdict.events, 9U);
  EXPECT_EQ(verdict.letters, 2U);
}

TEST_F(OfflineQueueTest, DamageIsFoundAndTheRestComesOut) {
  Fill();
  Damage(6, kChunkHeaderBytes + 3 * 4 + 2);
  const auto verdict = Verify(*Look());
  EXPECT_THAT(verdict.problems, ElementsAre(HasSubstr("3 of 9 pending events are damaged")));
  EXPECT_EQ(verdict.events, 6U);
  std::vector<std::string> rest = Objects(3, 3);
  for (std::string& text : Objects(9, 3)) rest.push_back(std::move(text));
  EXPECT_EQ(Exported(3), rest);
}

TEST_F(OfflineQueueTest, WhatIsLegibleComesOutOfTheQuarantine) {
  Fill();
  Damage(6, kChunkHeaderBytes + 3 * 4 + 6);  // The first of three: its closing brace.
  {
    auto queue = Open(WithoutHotTail());
    EXPECT_EQ(Pending(*queue, log_).size(), 6U);
    ASSERT_TRUE(queue->Settle({.log = log_, .cursor = {9, 0}, .finished_chunks = {3}}));
  }
  EXPECT_EQ(Look()->Logs()->front().quarantined, 3U);
  EXPECT_THAT(Verify(*Look()).problems, IsEmpty()) << "it is accounted for";
  std::vector<std::string> texts;
  const auto lost =
      Look()->ForEachQuarantined(log_, [&](std::string_view text) { texts.emplace_back(text); });
  EXPECT_EQ(lost, 1U);
  EXPECT_EQ(texts, Objects(7, 2));
}

TEST_F(OfflineQueueTest, LettersThatAreGoneAreMissed) {
  Fill();
  Tamper([&](RocksStore& store) {
    rocksdb::WriteBatch batch;
    batch.DeleteRange(store.family(Family::kDead), "", std::string(32, '\xff'));
    ASSERT_TRUE(store.Write(batch, true).ok());
  });
  EXPECT_THAT(Verify(*Look()).problems, ElementsAre(HasSubstr("1 events count as dead, 0 dead")));
}

TEST_F(OfflineQueueTest, SaysWhenThereIsNoStore) {
  const auto opened = OfflineQueue::Open(path());
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("there is no event store in " + path()));
  EXPECT_FALSE(std::filesystem::exists(path()));
}

}  // namespace
}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
//
// Stores that earlier releases wrote are opened, and everything in them is there. The directories
// in tests/golden stay as they are, for every later release; a release that changes what a store
// holds adds one: GW_UPDATE_GOLDEN=1 makes it where it is missing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "gateway/queue/offline_queue.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/store_files.h"
#include "tests/unit/queue/queue_fixture.h"

namespace gateway::queue {
namespace {

using pipeline::DeadLetterStage;
using pipeline::LogId;
using std::chrono::minutes;

class GoldenStoreTest : public QueueFixture {
 protected:
  /// A copy of a golden directory, as a process that was killed left it.
  void Take(const std::string& name) const {
    std::filesystem::copy(std::string(GW_GOLDEN_DIR) + "/" + name, path());
  }

  pipeline::RetryState Retry() const {
    return {.attempts = 5,
            .first_attempt = clock_.Wall() - minutes(10),
            .not_before = clock_.Wall() + minutes(1),
            .hold = pipeline::HoldReason::kWriteKeyRefused};
  }

  /// Everything that a store can hold, some of it in tables and the rest in the log file.
  void Write() {
    LogId acme = 0;
    {
      auto queue = Open();
      acme = (*queue)->OpenLog("acme")->log;
      const LogId globex = (*queue)->OpenLog("globex")->log;
      ASSERT_TRUE(queue->AppendTexts(acme, Numbered(0, 3), clock_.Wall()));
      ASSERT_TRUE(queue->AppendTexts(acme, Numbered(3, 3), clock_.Wall()));
      ASSERT_TRUE(queue->AppendTexts(acme, Numbered(6, 3), clock_.Wall()));
      ASSERT_TRUE(queue->AppendTexts(acme, Numbered(9, 2), clock_.Wall()));
      ASSERT_TRUE(queue->Append(WithIds(globex, clock_.Wall(), {1, 2, 3})));
      ASSERT_TRUE(queue->Append(
          {.log = globex, .rejected = {{.stage = DeadLetterStage::kIngest, .code = "bad"}}}));
      ASSERT_TRUE(queue->Settle(
          {.log = acme,
           .cursor = {.chunk = 3, .index = 1},
           .finished_chunks = {0},
           .dead = {{.stage = DeadLetterStage::kDelivery, .code = "segment_rejected"}},
           .retry = Retry()}));
    }
    Tamper([&](RocksStore& store) {
      rocksdb::WriteBatch batch;
      batch.Put(store.family(Family::kQueue), EncodeKey(EntryKey{acme, 6}), "damaged");
      ASSERT_TRUE(store.Write(batch, true).ok());
    });
    auto queue = Open();
    pipeline::ReadRequest behind = From(*(*queue)->State(acme));
    behind.from = {.chunk = 6, .index = 0};
    ASSERT_TRUE(queue->Read(behind)) << "moves it to quarantine";
    ASSERT_TRUE(queue->AppendTexts(acme, Numbered(11, 1), clock_.Wall()));
  }

  void UpdateGolden(const std::string& name) {
    const std::filesystem::path golden = std::string(GW_GOLDEN_DIR) + "/" + name;
    if (std::getenv("GW_UPDATE_GOLDEN") == nullptr || std::filesystem::exists(golden)) return;
    Write();
    std::filesystem::create_directory(golden);
    for (const auto& entry : std::filesystem::directory_iterator(path())) {
      const std::string file = entry.path().filename();
      const bool needed = file != "LOCK" && file != kLockFile && !file.starts_with("OPTIONS");
      if (needed) std::filesystem::copy_file(entry.path(), golden / file);
    }
    std::filesystem::remove_all(path());
  }
};

/// The same content, as each release wrote it.
class GoldenStores : public GoldenStoreTest, public testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(Version2, GoldenStores,
                         // The second has the files `format-version` and `tails`, and tables with
                         // an index in parts.
                         testing::Values("store-2", "store-2-index-in-parts"), [](const auto& of) {
                           std::string name = of.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_P(GoldenStores, HoldWhatWasStored) {
  UpdateGolden(GetParam());
  Take(GetParam());
  {
    const auto look = OfflineQueue::Open(path());
    ASSERT_TRUE(look) << look.error().message;
    EXPECT_EQ((*look)->Verify([](std::uint64_t) {}).problems.size(), 1U) << "the quarantine";
  }
  auto queue = Open();
  const auto acme = (*queue)->OpenLog("acme");
  ASSERT_TRUE(acme);
  EXPECT_EQ(acme->cursor, (pipeline::Cursor{3, 1}));
  EXPECT_EQ(acme->tail, 12U);
  EXPECT_EQ(acme->dead, 1U);
  EXPECT_EQ(acme->retry, Retry());
  EXPECT_EQ(acme->oldest, clock_.Wall());
  std::vector<std::string> waiting = Numbered(4, 2);
  for (std::string& text : Numbered(9, 3)) waiting.push_back(std::move(text));
  EXPECT_EQ(Pending(*queue, acme->log), waiting);
  EXPECT_EQ(Metric("queue_quarantined_events_total"), 0) << "known already";
  const auto dead = (*queue)->ReadDeadLetters(acme->log, 0, 10);
  ASSERT_TRUE(dead);
  ASSERT_EQ(dead->size(), 1U);
  EXPECT_EQ(dead->front().second.code, "segment_rejected");

  const auto globex = (*queue)->OpenLog("globex");
  ASSERT_TRUE(globex);
  EXPECT_EQ(Pending(*queue, globex->log), (std::vector<std::string>{"e1", "e2", "e3"}));
  ASSERT_TRUE(queue->Append(WithIds(globex->log, clock_.Wall(), {2, 4})));
  EXPECT_EQ(Metric("queue_duplicate_events_total"), 1) << "its id is remembered";
  const auto refused = (*queue)->ReadDeadLetters(globex->log, 0, 10);
  ASSERT_TRUE(refused);
  ASSERT_EQ(refused->size(), 1U);
  EXPECT_EQ(refused->front().second.code, "bad");
  EXPECT_GT((*queue)->OpenLog("initech")->log, globex->log);
}

/// Before tails, the records of dead letters, and the second registry. Its three events and one
/// dead letter were written by a gateway that was killed.
TEST_F(GoldenStoreTest, Version2BeforeTails) {
  Take("store-2-before-tails");
  auto queue = Open();
  const auto acme = (*queue)->OpenLog("acme");
  ASSERT_TRUE(acme);
  EXPECT_EQ(acme->tail, 4U);
  EXPECT_EQ(acme->dead, 1U);
  EXPECT_EQ(acme->delivered(), 0U);
  const std::vector<std::string> waiting = Pending(*queue, acme->log);
  ASSERT_EQ(waiting.size(), 3U);
  for (const std::string& text : waiting) EXPECT_TRUE(text.starts_with('{')) << text;
  EXPECT_GT(Metric("queue_dead_letter_bytes"), 0);
  queue.reset();
  const auto look = OfflineQueue::Open(path());
  ASSERT_TRUE(look) << look.error().message;
  EXPECT_EQ((*look)->Verify([](std::uint64_t) {}).problems, std::vector<std::string>{});
}

}  // namespace
}  // namespace gateway::queue

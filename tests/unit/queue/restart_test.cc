// SPDX-License-Identifier: Apache-2.0
//
// What is acknowledged survives: a clean stop, kill -9 and a power cut.
#include <gtest/gtest.h>
#include <rocksdb/env.h>

#include <filesystem>

#include "gateway/queue/record_key.h"
#include "gateway/queue/stored_records.h"
#include "tests/support/fault_file_system.h"
#include "tests/unit/queue/queue_fixture.h"

namespace gateway::queue {
namespace {

class RestartTest : public QueueFixture {
 protected:
  /// The directory as kill -9 leaves it: everything that was written, synced or not.
  Options KilledCopy() {
    Options copy = Defaults();
    copy.path = dir_ / ("killed" + std::to_string(++copies_));
    std::filesystem::copy(path(), copy.path);
    return copy;
  }

  int copies_ = 0;
};

TEST_F(RestartTest, ContinuesFromTheCursor) {
  pipeline::LogState before;
  {
    auto queue = Open();
    const auto log = (*queue)->OpenLog("acme")->log;
    ASSERT_TRUE(queue->AppendTexts(log, Numbered(0, 4)));
    ASSERT_TRUE(queue->AppendTexts(log, Numbered(4, 4)));
    ASSERT_TRUE(queue->AppendTexts(log, Numbered(8, 4)));
    ASSERT_TRUE(queue->Settle({.log = log,
                               .cursor = {4, 2},
                               .finished_chunks = {0},
                               .dead = {{.event = "e5"}},
                               .retry = {.attempts = 3,
                                         .first_attempt = clock_.Wall(),
                                         .not_before = clock_.Wall(),
                                         .hold = pipeline::HoldReason::kWriteKeyRefused}}));
    before = *(*queue)->State(log);
  }
  auto queue = Open();
  const auto after = (*queue)->OpenLog("acme");
  ASSERT_TRUE(after);
  EXPECT_EQ(after->log, before.log);
  EXPECT_EQ(after->cursor, before.cursor);
  EXPECT_EQ(after->tail, 12U);
  EXPECT_EQ(after->dead, 1U);
  EXPECT_EQ(after->retry, before.retry);
  EXPECT_GT(after->pending_bytes, 0U);
  EXPECT_EQ(Pending(*queue, after->log), Numbered(6, 6));
  ASSERT_TRUE(queue->AppendTexts(after->log, Numbered(12, 1)));
  EXPECT_EQ(Pending(*queue, after->log), Numbered(6, 7));
}

TEST_F(RestartTest, EmptyLogKeepsItsPlace) {
  {
    auto queue = Open();
    const auto log = (*queue)->OpenLog("acme")->log;
    ASSERT_TRUE(queue->AppendTexts(log, Numbered(0, 4)));
    ASSERT_TRUE(queue->Settle({.log = log, .cursor = {4, 0}, .finished_chunks = {0}}));
  }
  auto queue = Open();
  const auto state = (*queue)->OpenLog("acme");
  EXPECT_EQ(state->tail, 4U);
  EXPECT_EQ(state->accepted(), 4U);
  EXPECT_EQ(state->delivered(), 4U);
  ASSERT_TRUE(queue->AppendTexts(state->log, Numbered(4, 1)));
  EXPECT_EQ(Pending(*queue, state->log), Numbered(4, 1));
}

TEST_F(RestartTest, LogsAreListedAlsoWhenTheirTenantIsGone) {
  {
    auto queue = Open();
    for (const char* tenant : {"a", "b", "c"}) ASSERT_TRUE((*queue)->OpenLog(tenant));
  }
  auto queue = Open();
  const auto logs = (*queue)->Logs();
  ASSERT_EQ(logs.size(), 3U);
  EXPECT_EQ(logs[0].tenant, "a");
  EXPECT_EQ(logs[2].tenant, "c");
  const auto fresh = (*queue)->OpenLog("d");
  EXPECT_GT(fresh->log, logs[2].log);
}

TEST_F(RestartTest, KilledProcessLosesNothingAcknowledged) {
  auto queue = Open();
  const auto log = (*queue)->OpenLog("acme")->log;
  for (std::uint64_t round = 0; round < 10; ++round) {
    ASSERT_TRUE(queue->AppendTexts(log, Numbered(round * 7, 7)));
    auto killed = Open(KilledCopy());
    EXPECT_EQ(Pending(*killed, log), Numbered(0, (round + 1) * 7));
  }
}

TEST_F(RestartTest, CapOfRefusedEventsIsExactAcrossKills) {
  const std::string filler(3000, 'x');
  const std::uint64_t cap = Defaults().max_rejected_bytes;
  auto queue = Open();
  const auto log = (*queue)->OpenLog("acme")->log;
  for (int round = 0; round < 60; ++round) {
    ASSERT_TRUE(
        queue->Append({.log = log, .rejected = {{.code = std::to_string(round) + filler}}}));
    if (round % 6 != 0) continue;
    auto killed = Open(KilledCopy());
    std::uint64_t bytes = 0;
    const auto letters = *(*killed)->ReadDeadLetters(log, 0, 1000);
    for (const auto& [id, letter] : letters) {
      bytes += EncodeKey(EntryKey{log, id}).size() + EncodeDeadLetter(letter).size();
    }
    EXPECT_EQ(Metric("queue_rejected_bytes"), static_cast<double>(bytes));
    EXPECT_LE(bytes, cap);
    ASSERT_TRUE(killed->Append({.log = log, .rejected = {{.code = filler}}}));
    EXPECT_LE(Metric("queue_rejected_bytes"), static_cast<double>(cap));
  }
}

TEST_F(RestartTest, PowerCutKeepsWhatWasAcknowledged) {
  tests::FaultFileSystem disk;
  const auto env = rocksdb::NewCompositeEnv(
      std::shared_ptr<rocksdb::FileSystem>(&disk, [](rocksdb::FileSystem*) {}));
  Options options = Defaults();
  options.env = env.get();
  options.write_buffer_bytes = 64 << 10;  // Flushes happen too.
  auto queue = Open(options);
  const auto log = (*queue)->OpenLog("acme")->log;
  const std::string filler(5000, 'x');
  std::vector<std::string> texts;
  for (int round = 0; round < 40; ++round) {
    texts.push_back(std::to_string(round) + filler);
    ASSERT_TRUE(queue->AppendTexts(log, {texts.back()}));
    if (round % 10 != 9) continue;
    Options cut = Defaults();
    cut.path = dir_ / ("cut" + std::to_string(round));
    disk.CopySynced(path(), cut.path);
    auto after = Open(cut);
    EXPECT_EQ(Pending(*after, log), texts);
  }
}

TEST_F(RestartTest, UnsyncedSettlementOnlyDeliversAgain) {
  tests::FaultFileSystem disk;
  const auto env = rocksdb::NewCompositeEnv(
      std::shared_ptr<rocksdb::FileSystem>(&disk, [](rocksdb::FileSystem*) {}));
  Options options = Defaults();
  options.env = env.get();
  auto queue = Open(options);
  const auto log = (*queue)->OpenLog("acme")->log;
  ASSERT_TRUE(queue->AppendTexts(log, Numbered(0, 3)));
  ASSERT_TRUE(queue->AppendTexts(log, Numbered(3, 3)));
  ASSERT_TRUE(queue->Settle(
      {.log = log, .cursor = {3, 1}, .finished_chunks = {0}, .dead = {{.event = "e1"}}}));

  Options cut = Defaults();
  cut.path = dir_ / "cut";
  disk.CopySynced(path(), cut.path);
  {
    auto after = Open(cut);
    const auto state = (*after)->State(log);
    EXPECT_EQ(state->cursor, pipeline::Cursor{});
    EXPECT_EQ(state->dead, 0U);
    EXPECT_TRUE((*after)->ReadDeadLetters(log, 0, 10)->empty());
    EXPECT_EQ(Pending(*after, log), Numbered(0, 6));
  }
  // The next synced append makes the settlement before it durable too.
  ASSERT_TRUE(queue->AppendTexts(log, Numbered(6, 1)));
  cut.path = dir_ / "cut2";
  disk.CopySynced(path(), cut.path);
  auto after = Open(cut);
  EXPECT_EQ((*after)->State(log)->dead, 1U);
  EXPECT_EQ((*after)->ReadDeadLetters(log, 0, 10)->size(), 1U);
  EXPECT_EQ(Pending(*after, log), Numbered(4, 3));
}

TEST_F(RestartTest, BacklogSurvivesManyFlushes) {
  Options options = WithoutHotTail();
  options.write_buffer_bytes = 64 << 10;
  const std::string filler(500, 'x');
  std::vector<std::string> texts;
  pipeline::LogId log = 0;
  {
    auto queue = Open(options);
    log = (*queue)->OpenLog("acme")->log;
    for (int i = 0; i < 200; ++i) {
      std::vector<std::string> some;
      some.reserve(5);
      for (int j = 0; j < 5; ++j) some.push_back(std::to_string(i * 5 + j) + filler);
      ASSERT_TRUE(queue->AppendTexts(log, some));
      texts.insert(texts.end(), some.begin(), some.end());
    }
  }
  auto queue = Open(options);
  EXPECT_EQ((*queue)->State(log)->tail, 1000U);
  EXPECT_EQ(Pending(*queue, log), texts);
}

}  // namespace
}  // namespace gateway::queue

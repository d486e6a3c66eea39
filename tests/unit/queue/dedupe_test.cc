// SPDX-License-Identifier: Apache-2.0
//
// An event whose messageId the log remembers is not stored again: not after a restart
// either, and for no longer than it should.
#include <gtest/gtest.h>
#include <rocksdb/env.h>

#include <filesystem>
#include <future>

#include "common/random.h"
#include "gateway/queue/id_ledger.h"
#include "gateway/queue/record_key.h"
#include "tests/support/fault_file_system.h"
#include "tests/unit/queue/queue_fixture.h"

namespace gateway::queue {
namespace {

using common::Status;
using std::chrono::hours;
using std::chrono::minutes;

class DedupeTest : public QueueFixture {
 protected:
  /// The store of a process that was killed now.
  Options KilledCopy() {
    Options copy = Defaults();
    copy.path = dir_ / ("killed" + std::to_string(++copies_));
    std::filesystem::copy(path(), copy.path);
    return copy;
  }
  /// Compacts the ids of the closed store, at the time of the clock, and says what is left.
  std::vector<std::uint64_t> IdsLeftByCompaction() const {
    std::vector<std::uint64_t> left;
    Tamper([&](RocksStore& store) {
      auto ledger = IdLedger::Load(store);
      ASSERT_TRUE(ledger) << ledger.error().message;
      ledger->Expire(clock_);
      ASSERT_TRUE(store.db().CompactRange({}, store.family(Family::kIds), nullptr, nullptr).ok());
      RangeScan scan(store, Family::kIds, "", std::string(32, '\xff'));
      for (scan->SeekToFirst(); scan->Valid(); scan->Next()) {
        left.push_back(DecodeIdKey(scan.key())->id.low);
      }
    });
    return left;
  }

  int copies_ = 0;
};

TEST_F(DedupeTest, RepetitionInOneCommitIsFound) {
  auto queue = Open(Defaults(), /*start=*/false);
  const auto a = (*queue)->OpenLog("a")->log;
  const auto b = (*queue)->OpenLog("b")->log;
  std::vector<std::future<Status>> answers;
  answers.push_back(queue->AppendAsync(WithIds(a, clock_.Wall(), {1, 2})));
  answers.push_back(queue->AppendAsync(WithIds(b, clock_.Wall(), {2, 3})));
  answers.push_back(queue->AppendAsync(WithIds(a, clock_.Wall(), {3, 2, 4})));
  answers.push_back(queue->AppendAsync(WithIds(b, clock_.Wall(), {3, 2})));
  answers.push_back(queue->AppendAsync(WithIds(a, clock_.Wall(), {4, 1, 5})));
  queue->Start();
  for (auto& answer : answers) EXPECT_TRUE(answer.get());
  EXPECT_EQ(Metric("queue_commits_total"), 1);
  EXPECT_EQ(Pending(*queue, a), Numbered(1, 5));
  EXPECT_EQ(Pending(*queue, b), Numbered(2, 2));
  EXPECT_EQ(Metric("queue_duplicate_events_total"), 5);
  EXPECT_EQ(Metric("queue_remembered_ids"), 7);
}

TEST_F(DedupeTest, RequestIsCutIntoChunksWhateverIsDropped) {
  common::FastRandom random(11);
  Options options = Defaults();
  options.max_chunk_bytes = 40;
  auto queue = Open(options);
  const auto log = (*queue)->OpenLog("a")->log;
  std::vector<std::string> expected;
  std::vector<bool> seen(300);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::uint64_t> numbers;
    for (int i = 0; i < 20; ++i) {
      const std::uint64_t n = random.Next() % seen.size();
      numbers.push_back(n);
      if (n == 0 || !seen[n]) expected.push_back("e" + std::to_string(n));
      seen[n] = true;
    }
    ASSERT_TRUE(queue->Append(WithIds(log, clock_.Wall(), numbers)));
  }
  EXPECT_EQ(Pending(*queue, log), expected);
  queue.reset();
  queue = Open(options);
  EXPECT_EQ(Pending(*queue, log), expected);
}

TEST_F(DedupeTest, IdsSurviveStopAndKill) {
  auto queue = Open();
  const auto log = (*queue)->OpenLog("a")->log;
  for (std::uint64_t n = 1; n <= 10; ++n) {
    ASSERT_TRUE(queue->Append(WithIds(log, clock_.Wall(), {n})));
    auto killed = Open(KilledCopy());
    ASSERT_TRUE(killed->Append(WithIds(log, clock_.Wall(), {n, n + 1, 1})));
    EXPECT_EQ(Pending(*killed, log), Numbered(1, n + 1));
  }
  queue.reset();
  clock_.Advance(hours(24));
  queue = Open();
  ASSERT_TRUE(queue->Append(WithIds(log, clock_.Wall(), {10, 1, 5})));
  EXPECT_EQ((*queue)->State(log)->tail, 10U);
  clock_.Advance(minutes(1));
  ASSERT_TRUE(queue->Append(WithIds(log, clock_.Wall(), {10, 1, 5})));
  EXPECT_EQ((*queue)->State(log)->tail, 13U);
}

TEST_F(DedupeTest, PowerCutKeepsIdsAndEventsTogether) {
  tests::FaultFileSystem disk;
  const auto env = rocksdb::NewCompositeEnv(
      std::shared_ptr<rocksdb::FileSystem>(&disk, [](rocksdb::FileSystem*) {}));
  Options options = Defaults();
  options.env = env.get();
  options.write_buffer_bytes = 64 << 10;  // Flushes happen too.
  auto queue = Open(options);
  const auto log = (*queue)->OpenLog("a")->log;
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t first = 1; first < 2000; first += 100) {
    numbers.clear();
    for (std::uint64_t n = first; n < first + 100; ++n) numbers.push_back(n);
    ASSERT_TRUE(queue->Append(WithIds(log, clock_.Wall(), numbers)));
    if (first % 500 != 401) continue;
    Options cut = Defaults();
    cut.path = dir_ / ("cut" + std::to_string(first));
    disk.CopySynced(path(), cut.path);
    auto after = Open(cut);
    ASSERT_TRUE(after->Append(WithIds(log, clock_.Wall(), {1, first, first + 99})));
    EXPECT_EQ(Pending(*after, log), Numbered(1, first + 99));
  }
}

TEST_F(DedupeTest, CountIsKeptWithinItsBoundAcrossRestarts) {
  const pipeline::Dedupe few{.window = hours(24), .max_ids = 240};
  std::uint64_t next = 1;
  for (int opening = 0; opening < 10; ++opening) {
    auto queue = Open();
    const auto log = (*queue)->OpenLog("a")->log;
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(queue->Append(WithIds(log, clock_.Wall(), {next++}, few)));
    }
    EXPECT_LE(Metric("queue_remembered_ids"), 240);
    EXPECT_GE(Metric("queue_remembered_ids"), std::min<double>(static_cast<double>(next) - 1, 230));
  }
  clock_.Advance(minutes(2));
  const auto left = IdsLeftByCompaction();
  EXPECT_LE(left.size(), 240U);
  EXPECT_EQ(left.back(), next - 1);
}

TEST_F(DedupeTest, CompactionDropsWhatIsForgottenAndNothingElse) {
  {
    auto queue = Open();
    const auto log = (*queue)->OpenLog("a")->log;
    for (std::uint64_t n = 1; n <= 5; ++n) {
      ASSERT_TRUE(queue->Append(WithIds(log, clock_.Wall(), {n})));
      clock_.Advance(hours(2));
    }
  }
  EXPECT_EQ(IdsLeftByCompaction(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
  clock_.JumpWall(-hours(48));
  EXPECT_EQ(IdsLeftByCompaction(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
  clock_.JumpWall(hours(48));
  clock_.Advance(hours(24) - hours(5));  // The second was accepted 27 hours ago.
  EXPECT_EQ(IdsLeftByCompaction(), (std::vector<std::uint64_t>{3, 4, 5}));
  {
    auto queue = Open();
    const auto log = (*queue)->OpenLog("a")->log;
    // The third is out of the window too, though its neighbours keep it on the disk.
    ASSERT_TRUE(queue->Append(WithIds(log, clock_.Wall(), {4, 5})));
    EXPECT_EQ((*queue)->State(log)->tail, 5U);
    ASSERT_TRUE(queue->Append(WithIds(log, clock_.Wall(), {3, 4, 5})));
    EXPECT_EQ((*queue)->State(log)->tail, 6U);
  }
  clock_.Advance(hours(26));
  EXPECT_TRUE(IdsLeftByCompaction().empty());
}

TEST_F(DedupeTest, LogThatReceivesNothingForgetsToo) {
  auto queue = Open();
  const auto idle = (*queue)->OpenLog("idle")->log;
  const auto busy = (*queue)->OpenLog("busy")->log;
  ASSERT_TRUE(queue->Append(WithIds(idle, clock_.Wall(), {1, 2, 3})));
  clock_.Advance(hours(23));
  ASSERT_TRUE(queue->AppendTexts(busy, {"x"}));
  EXPECT_EQ(Metric("queue_remembered_ids"), 3);
  clock_.Advance(hours(2));
  ASSERT_TRUE(queue->AppendTexts(busy, {"x"}));
  EXPECT_EQ(Metric("queue_remembered_ids"), 0);
}

TEST_F(DedupeTest, NothingIsRememberedWhereItIsOff) {
  auto queue = Open();
  const auto log = (*queue)->OpenLog("a")->log;
  ASSERT_TRUE(queue->Append(WithIds(log, clock_.Wall(), {1, 1}, pipeline::Dedupe())));
  ASSERT_TRUE(queue->AppendTexts(log, {"x", "x"}));
  EXPECT_EQ((*queue)->State(log)->tail, 4U);
  EXPECT_EQ(Metric("queue_remembered_ids"), 0);
  EXPECT_EQ(Metric("queue_duplicate_events_total"), 0);
  queue.reset();
  EXPECT_TRUE(IdsLeftByCompaction().empty());
}

}  // namespace
}  // namespace gateway::queue

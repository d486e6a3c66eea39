// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/commit_builder.h"

#include <gtest/gtest.h>

#include <chrono>

#include "gateway/queue/log_loader.h"
#include "gateway/queue/log_registry.h"
#include "gateway/queue/logged_changes.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/stored_records.h"
#include "tests/unit/queue/queue_fixture.h"

namespace gateway::queue {
namespace {

class CommitBuilderTest : public QueueFixture {
 protected:
  static constexpr pipeline::LogId kLog = 1;
  static constexpr std::uint64_t kLetterBytes = 100;
  static constexpr std::chrono::hours kLetterAge{24};

  void SetUp() override {
    auto store = RocksStore::Open(Defaults(), health_);
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
    rocksdb::WriteBatch batch;
    batch.Put(store_->family(Family::kMeta), EncodeMetaKey(kLogPrefix, kLog), EncodeLog("acme"));
    ASSERT_TRUE(store_->Write(batch, true).ok());
    ASSERT_TRUE(LoadLogs(*store_, table_));
    const LetterLimits limits{.max_bytes = 2 * kLetterBytes, .max_age = kLetterAge};
    auto rejected = LetterLedger::Load(
        *store_, {.family = Family::kRejected, .prefix = kRejectedPrefix}, limits);
    ASSERT_TRUE(rejected) << rejected.error().message;
    auto dead =
        LetterLedger::Load(*store_, {.family = Family::kDead, .prefix = kDeadPrefix}, limits);
    ASSERT_TRUE(dead) << dead.error().message;
    auto ids = IdLedger::Load(*store_);
    ASSERT_TRUE(ids) << ids.error().message;
    auto tails = TailLedger::Open(*store_, table_);
    ASSERT_TRUE(tails) << tails.error().message;
    builder_ =
        std::make_unique<CommitBuilder>(*store_, table_, clock_, 10, 0,
                                        CommitBuilder::Ledgers{.rejected = std::move(*rejected),
                                                               .dead = std::move(*dead),
                                                               .ids = std::move(*ids),
                                                               .tails = std::move(*tails)});
  }

  Work AppendWork(const std::vector<std::string>& texts,
                  const std::vector<std::uint64_t>& ids = {}) const {
    Work work;
    PendingAppend append{.request = {.log = kLog, .events = Block(texts)}};
    // Records of about kLetterBytes, so that two are kept.
    append.request.rejected.push_back({.event = std::string(kLetterBytes - 25, '!')});
    if (!ids.empty()) {
      append.request.dedupe = kDayOfIds;
      append.request.events.ids = WithIds(kLog, {}, ids).events.ids;
    }
    work.appends.push_back(std::move(append));
    return work;
  }
  Work SettleWork() const {
    Work work;
    work.settlements.push_back({.settlement = {.log = kLog,
                                               .cursor = {.chunk = 2, .index = 0},
                                               .finished_chunks = {0, 1},
                                               .dead = {{.event = "dead"}}}});
    return work;
  }
  /// A commit whose write fails.
  void Fail(Work work) {
    Commit commit;
    builder_->Build(work, commit);
  }
  void Succeed(Work work) {
    Commit commit;
    builder_->Build(work, commit);
    ASSERT_TRUE(store_->Write(commit.batch, true).ok());
    builder_->OnSuccess();
    table_.Publish(commit.changes);
  }
  std::vector<std::uint64_t> Numbers(Family family) const {
    std::vector<std::uint64_t> numbers;
    RangeScan scan(*store_, family, "", std::string(32, '\xff'));
    for (scan->SeekToFirst(); scan->Valid(); scan->Next()) {
      numbers.push_back(DecodeEntryKey(scan.key())->number);
    }
    return numbers;
  }

  std::vector<std::uint64_t> Ids() const {
    std::vector<std::uint64_t> ids;
    RangeScan scan(*store_, Family::kIds, "", std::string(32, '\xff'));
    for (scan->SeekToFirst(); scan->Valid(); scan->Next()) {
      ids.push_back(DecodeIdKey(scan.key())->id.low);
    }
    return ids;
  }
  std::vector<LetterSegment> StoredSegments() const {
    const auto stored = store_->GetMeta(EncodeMetaKey(kRejectedPrefix, kLog));
    if (!stored) return {};
    return DecodeLetters(*stored)->segments;
  }

  StoreHealth health_;
  std::unique_ptr<RocksStore> store_;
  LogTable table_;
  std::unique_ptr<CommitBuilder> builder_;
};

TEST_F(CommitBuilderTest, AFailedAppendTookNoSeq) {
  Fail(AppendWork({"refused 1", "refused 2", "refused 3"}));
  Succeed(AppendWork({"good"}));
  EXPECT_EQ(Numbers(Family::kQueue), (std::vector<std::uint64_t>{0}));
  EXPECT_EQ(Numbers(Family::kRejected).size(), 1U);
  EXPECT_EQ(StoredSegments().size(), 1U);
  LogTable reloaded;
  ASSERT_TRUE(LoadLogs(*store_, reloaded));
  EXPECT_EQ(reloaded.State(kLog)->tail, 1U);
}

TEST_F(CommitBuilderTest, AFailedSettlementIsRepeatedAsIfItWereTheFirst) {
  Succeed(AppendWork({"event one", "event two", "event three"}));
  Fail(SettleWork());
  Succeed(SettleWork());
  EXPECT_EQ(table_.State(kLog)->dead, 1U);
  EXPECT_EQ(Numbers(Family::kDead).size(), 1U);
  EXPECT_EQ(Numbers(Family::kQueue), (std::vector<std::uint64_t>{2}));
}

TEST_F(CommitBuilderTest, AWriteTellsWhetherItWasSynced) {
  Succeed(AppendWork({"e0", "e1"}));
  const auto expect = [&](Work work, bool synced) {
    Commit commit;
    builder_->Build(work, commit);
    EXPECT_EQ(commit.sync, synced);
    EXPECT_EQ(WasSynced(commit.batch.Data()), synced);
  };
  expect(AppendWork({"e2"}), true);
  expect(AppendWork({}), true);  // With a refused event.
  expect(SettleWork(), false);
  rocksdb::WriteBatch batch;  // What is due after a flush, whatever else is in the commit.
  for (const Family family : {Family::kMeta, Family::kRegistry}) {
    batch.Put(store_->family(family), EncodeMetaKey(kTailPrefix, kLog), EncodeNumber(2));
  }
  EXPECT_FALSE(WasSynced(batch.Data()));
  PutLog(*store_, kLog + 1, "globex", batch);
  EXPECT_TRUE(WasSynced(batch.Data()));
}

TEST_F(CommitBuilderTest, IdsOfAFailedAppendAreNotRemembered) {
  Fail(AppendWork({"a"}, {1}));
  Succeed(AppendWork({"a", "b"}, {1, 2}));
  EXPECT_EQ(builder_->remembered_ids(), 2U);
  Fail(AppendWork({"b", "c", "d"}, {2, 3, 4}));
  EXPECT_EQ(builder_->remembered_ids(), 2U);
  EXPECT_EQ(table_.State(kLog)->tail, 2U);
  Succeed(AppendWork({"b", "c", "d"}, {2, 3, 4}));
  EXPECT_EQ(Ids(), (std::vector<std::uint64_t>{1, 2, 3, 4}));
  EXPECT_EQ(builder_->remembered_ids(), 4U);
  EXPECT_EQ(table_.State(kLog)->tail, 4U);
}

TEST_F(CommitBuilderTest, RefusedEventsAreWhatTheirRecordSaysAlsoAfterAFailure) {
  for (int i = 0; i < 5; ++i) Succeed(AppendWork({"good"}));
  const std::vector<LetterSegment> before = StoredSegments();
  ASSERT_EQ(before.size(), 2U);
  EXPECT_EQ(Numbers(Family::kRejected),
            (std::vector<std::uint64_t>{before[0].first_id, before[1].first_id}));
  EXPECT_EQ(builder_->rejected_bytes(), before[0].bytes + before[1].bytes);

  Fail(AppendWork({"refused"}));
  EXPECT_EQ(builder_->rejected_bytes(), before[0].bytes + before[1].bytes);

  Succeed(AppendWork({"good"}));
  const std::vector<LetterSegment> after = StoredSegments();
  ASSERT_EQ(after.size(), 2U);
  EXPECT_EQ(after[0], before[1]);
  EXPECT_EQ(Numbers(Family::kRejected),
            (std::vector<std::uint64_t>{after[0].first_id, after[1].first_id}));
}

TEST_F(CommitBuilderTest, OldLettersGoWithTheNextCommitAlsoAnEmptyOne) {
  Succeed(AppendWork({"one", "two", "three"}));
  Succeed(SettleWork());
  EXPECT_FALSE(builder_->LettersExpired());
  clock_.Advance(kLetterAge);
  EXPECT_FALSE(builder_->LettersExpired()) << "not older yet";
  clock_.Advance(std::chrono::minutes(1));
  ASSERT_TRUE(builder_->LettersExpired());
  Fail({});
  EXPECT_EQ(Numbers(Family::kDead).size(), 1U);
  Work none;
  Commit commit;
  builder_->Build(none, commit);
  ASSERT_EQ(commit.dead_evicted.size(), 1U);
  EXPECT_EQ(commit.dead_evicted[0].count, 1U);
  ASSERT_EQ(commit.rejected_evicted.size(), 1U);
  ASSERT_TRUE(store_->Write(commit.batch, true).ok());
  builder_->OnSuccess();
  EXPECT_TRUE(Numbers(Family::kDead).empty());
  EXPECT_TRUE(Numbers(Family::kRejected).empty());
  EXPECT_EQ(builder_->dead_bytes(), 0U);
  EXPECT_EQ(builder_->rejected_bytes(), 0U);
  EXPECT_EQ(table_.State(kLog)->dead, 1U) << "what was dead stays counted";
  clock_.Advance(std::chrono::minutes(2));
  EXPECT_FALSE(builder_->LettersExpired());
}

TEST_F(CommitBuilderTest, AClockThatJumpedDropsNoLettersForAnHour) {
  Succeed(AppendWork({"one", "two", "three"}));
  Succeed(SettleWork());
  const auto jump = std::chrono::hours(24 * 120);
  clock_.JumpWall(jump);
  EXPECT_FALSE(builder_->LettersExpired()) << "as it may be at the start";
  for (int minute = 0; minute < 59; ++minute) {
    clock_.Advance(std::chrono::minutes(1));
    EXPECT_FALSE(builder_->LettersExpired());
  }
  clock_.JumpWall(-jump);
  clock_.Advance(std::chrono::hours(2));
  EXPECT_FALSE(builder_->LettersExpired()) << "mended in time";
  clock_.JumpWall(jump);
  clock_.Advance(std::chrono::minutes(1));
  EXPECT_FALSE(builder_->LettersExpired()) << "as somebody may set it later";
  Succeed({});
  EXPECT_EQ(Numbers(Family::kDead).size(), 1U);
  clock_.Advance(std::chrono::hours(1));
  EXPECT_TRUE(builder_->LettersExpired()) << "it seems to be right";
}

TEST_F(CommitBuilderTest, LettersOfABuildThatIsRepeatedGoByTheTimeOfTheLook) {
  Succeed(AppendWork({"one", "two", "three"}));
  clock_.Advance(kLetterAge);
  Succeed(SettleWork());
  clock_.Advance(std::chrono::minutes(1));
  ASSERT_TRUE(builder_->LettersExpired()) << "the refused event is too old";
  Fail({});
  clock_.JumpWall(std::chrono::hours(24 * 120));
  Succeed({});
  EXPECT_TRUE(Numbers(Family::kRejected).empty());
  EXPECT_EQ(Numbers(Family::kDead).size(), 1U) << "the dead letter is not";
}

TEST_F(CommitBuilderTest, DeadLettersOfAnOlderReleaseAreCounted) {
  Succeed(AppendWork({"one", "two", "three"}));
  Succeed(SettleWork());
  rocksdb::WriteBatch batch;
  batch.Delete(store_->family(Family::kMeta), EncodeMetaKey(kDeadPrefix, kLog));
  ASSERT_TRUE(store_->Write(batch, true).ok());
  const auto loaded = LetterLedger::Load(*store_, {.family = Family::kDead, .prefix = kDeadPrefix},
                                         {.max_bytes = 1 << 20, .max_age = kLetterAge});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->bytes(), builder_->dead_bytes());
  EXPECT_GT(loaded->bytes(), 0U);
}

}  // namespace
}  // namespace gateway::queue

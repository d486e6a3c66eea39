// SPDX-License-Identifier: Apache-2.0
//
// The disk refuses: nothing of it is acknowledged, nothing acknowledged is lost, and the
// queue says so and comes back when the disk does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <rocksdb/metadata.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gateway/queue/table_check.h"
#include "tests/support/fault_file_system.h"
#include "tests/unit/queue/queue_fixture.h"

namespace gateway::queue {
namespace {

using common::ErrorCode;
using common::Status;
using Op = tests::FaultFileSystem::Op;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class FaultTest : public QueueFixture {
 protected:
  FaultTest()
      : disk_(std::make_shared<tests::FaultFileSystem>()), env_(rocksdb::NewCompositeEnv(disk_)) {}

  Options OnFaultyDisk() const {
    Options options = Defaults();
    options.env = env_.get();
    return options;
  }
  static rocksdb::IOStatus NoSpace() {
    rocksdb::IOStatus status = rocksdb::IOStatus::NoSpace("injected");
    status.SetRetryable(true);  // As the real file system does.
    return status;
  }
  /// Appends until it is accepted. The queue probes the disk on its own, now and then.
  void AppendWhenRecovered(tests::RunningQueue& queue, pipeline::LogId log,
                           const std::string& text) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < until) {
      clock_.Advance(std::chrono::milliseconds(10));
      if (queue.AppendTexts(log, {text})) return;
    }
    FAIL() << "did not recover: " << queue->health().reason;
  }

  Status TryToOpen(const Options& options) const {
    prometheus::Registry registry;
    const auto queue = RocksQueue::Open(options, clock_, registry);
    return queue ? common::Ok() : Status(tl::unexpected(queue.error()));
  }
  /// A closed store with these events of log 1 in a table of their own, which is damaged: RocksDB
  /// does not open it, and what is in it can be read all the same.
  void MakeDamagedTable(const std::vector<std::string>& texts) {
    {
      auto queue = Open();
      ASSERT_TRUE(queue->AppendTexts((*queue)->OpenLog("acme")->log, texts));
    }
    std::string table;
    Tamper([&](RocksStore& store) {
      ASSERT_TRUE(store.db().Flush(rocksdb::FlushOptions(), store.family(Family::kQueue)).ok());
      std::vector<rocksdb::LiveFileMetaData> tables;
      store.db().GetLiveFilesMetaData(&tables);
      for (const rocksdb::LiveFileMetaData& each : tables) {
        if (each.column_family_name == FamilyName(Family::kQueue)) table = path() + each.name;
      }
    });
    std::fstream file(table, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('!');  // Of the number that says what kind of file it is.
  }

  std::shared_ptr<tests::FaultFileSystem> disk_;
  std::unique_ptr<rocksdb::Env> env_;
};

TEST_F(FaultTest, FullDiskRefusesAndRecovers) {
  auto queue = Open(OnFaultyDisk());
  const auto log = (*queue)->OpenLog("acme")->log;
  ASSERT_TRUE(queue->AppendTexts(log, {"before"}));
  disk_->Fail(Op::kSync, ".log", NoSpace());
  for (int i = 0; i < 3; ++i) {
    const Status refused = queue->AppendTexts(log, {"refused"});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kIo);
    EXPECT_THAT(refused.error().message, HasSubstr("pace"));
  }
  EXPECT_FALSE((*queue)->health().ok);
  EXPECT_FALSE((*queue)->health().needs_restart);
  EXPECT_THAT((*queue)->health().reason, HasSubstr("injected"));
  EXPECT_EQ(Metric("queue_healthy"), 0);
  EXPECT_EQ(Metric("queue_commit_errors_total"), 1);
  // Reads go on, and the log stands where it stood.
  EXPECT_EQ((*queue)->State(log)->tail, 1U);
  EXPECT_EQ(Pending(*queue, log), (std::vector<std::string>{"before"}));

  disk_->Heal();
  AppendWhenRecovered(*queue, log, "after");
  EXPECT_TRUE((*queue)->health().ok);
  EXPECT_EQ(Metric("queue_healthy"), 1);
  EXPECT_EQ(Pending(*queue, log), (std::vector<std::string>{"before", "after"}));
  queue.reset();
  queue = Open();
  EXPECT_EQ(Pending(*queue, log), (std::vector<std::string>{"before", "after"}));
}

TEST_F(FaultTest, RecoveryLeavesADamagedLogFileThatWasKeptAlone) {
  auto queue = Open(OnFaultyDisk());
  const auto log = (*queue)->OpenLog("acme")->log;
  const std::string kept = path() + "/damaged-000009.log";
  std::ofstream(kept) << "evidence";
  disk_->Fail(Op::kSync, ".log", NoSpace());
  ASSERT_FALSE(queue->AppendTexts(log, {"refused"}));
  disk_->Heal();
  AppendWhenRecovered(*queue, log, "after");
  EXPECT_EQ(std::filesystem::file_size(kept), 8U);
}

TEST_F(FaultTest, FailedAppendOfTheLogFileRecoversToo) {
  auto queue = Open(OnFaultyDisk());
  const auto log = (*queue)->OpenLog("acme")->log;
  ASSERT_TRUE(queue->AppendTexts(log, {"before"}));
  for (const std::size_t torn_at : {0UL, 5UL, 1000000UL}) {
    disk_->Fail(Op::kAppend, ".log", NoSpace(), torn_at);
    ASSERT_FALSE(queue->AppendTexts(log, {"refused"}));
    disk_->Heal();
    AppendWhenRecovered(*queue, log, "after " + std::to_string(torn_at));
  }
  const std::vector<std::string> expected{"before", "after 0", "after 5", "after 1000000"};
  EXPECT_EQ(Pending(*queue, log), expected);
  queue.reset();
  queue = Open();
  EXPECT_EQ(Pending(*queue, log), expected);
}

TEST_F(FaultTest, RefusedEventsMayComeBackOnlyWhole) {
  // The bytes reached the file, the sync did not succeed, and the process dies.
  auto queue = Open(OnFaultyDisk());
  const auto log = (*queue)->OpenLog("acme")->log;
  ASSERT_TRUE(queue->AppendTexts(log, {"before"}));
  disk_->Fail(Op::kSync, ".log", NoSpace());
  ASSERT_FALSE(queue->AppendTexts(log, {"refused 1", "refused 2"}));
  Options killed = Defaults();
  killed.path = dir_ / "killed";
  std::filesystem::copy(path(), killed.path);
  auto after = Open(killed);
  EXPECT_EQ(Pending(*after, log), (std::vector<std::string>{"before", "refused 1", "refused 2"}));
  EXPECT_EQ((*after)->State(log)->tail, 3U);
  ASSERT_TRUE(after->AppendTexts(log, {"new"}));
  EXPECT_EQ(Pending(*after, log),
            (std::vector<std::string>{"before", "refused 1", "refused 2", "new"}));
}

TEST_F(FaultTest, SeqsOfARefusedCommitNeverMixWithLaterOnes) {
  // The refused commit made three records, at 1, 2 and 3. The accepted one that follows is
  // shorter: whatever a recovery replays, only accepted events may be there. Once with a
  // memtable, whose flush ends the log file, and once without, where the file goes on.
  Options options = OnFaultyDisk();
  options.max_chunk_bytes = 10;
  for (const bool reopened : {false, true}) {
    options.path = dir_ / (reopened ? "reopened" : "running");
    auto queue = Open(options);
    const auto log = (*queue)->OpenLog("acme")->log;
    ASSERT_TRUE(queue->AppendTexts(log, {"before"}));
    if (reopened) {
      queue.reset();
      queue = Open(options);
    }
    disk_->Fail(Op::kSync, ".log", NoSpace());
    ASSERT_FALSE(queue->AppendTexts(log, {"refused 1", "refused 2", "refused 3"}));
    disk_->Heal();
    AppendWhenRecovered(*queue, log, "after");
    Options killed = options;
    killed.path += "-killed";
    std::filesystem::copy(options.path, killed.path);
    auto after = Open(killed);
    EXPECT_EQ((*after)->State(log)->tail, 2U);
    EXPECT_EQ(Pending(*after, log), (std::vector<std::string>{"before", "after"}));
  }
}

TEST_F(FaultTest, RefusedSettlementIsRepeatedWithoutDoubleDeadLetters) {
  auto queue = Open(OnFaultyDisk());
  const auto log = (*queue)->OpenLog("acme")->log;
  ASSERT_TRUE(queue->AppendTexts(log, Numbered(0, 3)));
  const pipeline::Settlement settlement{
      .log = log, .cursor = {3, 0}, .finished_chunks = {0}, .dead = {{.event = "e1"}}};
  disk_->Fail(Op::kAppend, ".log", NoSpace());
  const Status refused = queue->Settle(settlement);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kIo);
  EXPECT_EQ((*queue)->State(log)->cursor, pipeline::Cursor{});
  EXPECT_EQ(Pending(*queue, log), Numbered(0, 3));
  disk_->Heal();
  AppendWhenRecovered(*queue, log, "e3");
  ASSERT_TRUE(queue->Settle(settlement));
  queue.reset();
  queue = Open();
  EXPECT_EQ((*queue)->ReadDeadLetters(log, 0, 10)->size(), 1U);
  EXPECT_EQ((*queue)->State(log)->dead, 1U);
  EXPECT_EQ(Pending(*queue, log), Numbered(3, 1));
}

TEST_F(FaultTest, RefusedEventsOfAFailedCommitDoNotCount) {
  auto queue = Open(OnFaultyDisk());
  const auto log = (*queue)->OpenLog("acme")->log;
  const auto reject = [&](const std::string& code) {
    return queue->Append({.log = log, .rejected = {{.code = code}}});
  };
  ASSERT_TRUE(reject("kept"));
  const double bytes = Metric("queue_rejected_bytes");
  disk_->Fail(Op::kSync, ".log", NoSpace());
  ASSERT_FALSE(reject("refused"));
  disk_->Heal();
  AppendWhenRecovered(*queue, log, "after");
  EXPECT_EQ(Metric("queue_rejected_bytes"), bytes);
  queue.reset();
  queue = Open();
  EXPECT_EQ(Metric("queue_rejected_bytes"), bytes);
  const auto letters = (*queue)->ReadDeadLetters(log, 0, 10);
  ASSERT_EQ(letters->size(), 1U);
  EXPECT_EQ(letters->front().second.code, "kept");
}

TEST_F(FaultTest, IdsOfAFailedCommitAreForgottenSoThatTheRetryIsTaken) {
  for (const bool reopened : {false, true}) {
    Options options = OnFaultyDisk();
    options.path = dir_ / (reopened ? "reopened" : "running");
    auto queue = Open(options);
    const auto log = (*queue)->OpenLog("acme")->log;
    ASSERT_TRUE(queue->Append(WithIds(log, clock_.Wall(), {1, 2})));
    if (reopened) {  // Without a memtable, so that the log file goes on after the failure.
      queue.reset();
      queue = Open(options);
    }
    disk_->Fail(Op::kSync, ".log", NoSpace());
    ASSERT_FALSE(queue->Append(WithIds(log, clock_.Wall(), {2, 3, 4})));
    disk_->Heal();
    AppendWhenRecovered(*queue, log, "between");
    EXPECT_EQ(Metric("queue_remembered_ids"), 2);
    Options killed = options;
    killed.path += "-killed";
    std::filesystem::copy(options.path, killed.path);
    const std::vector<std::string> expected{"e1", "e2", "between", "e3", "e4"};
    for (const Options& where : {options, killed}) {
      if (where.path == killed.path) queue = Open(killed);
      ASSERT_TRUE(queue->Append(WithIds(log, clock_.Wall(), {2, 3, 4})));
      EXPECT_EQ(Pending(*queue, log), expected);
      ASSERT_TRUE(queue->Append(WithIds(log, clock_.Wall(), {4, 3, 2, 1})));
      EXPECT_EQ(Pending(*queue, log), expected);
      EXPECT_EQ(Metric("queue_remembered_ids"), 4);
    }
  }
}

TEST_F(FaultTest, IdOfAFailedCommitComesBackOnlyWithItsEvent) {
  // The bytes reached the file, the sync did not succeed, and the process dies.
  auto queue = Open(OnFaultyDisk());
  const auto log = (*queue)->OpenLog("acme")->log;
  ASSERT_TRUE(queue->Append(WithIds(log, clock_.Wall(), {1})));
  for (const std::size_t torn_at : {0UL, 40UL, 1000000UL}) {
    disk_->Fail(Op::kAppend, ".log", NoSpace(), torn_at);
    ASSERT_FALSE(queue->Append(WithIds(log, clock_.Wall(), {2})));
    Options killed = Defaults();
    killed.path = dir_ / ("killed" + std::to_string(torn_at));
    std::filesystem::copy(path(), killed.path);
    {
      auto after = Open(killed);
      // The client repeats what it got no 200 for.
      ASSERT_TRUE(after->Append(WithIds(log, clock_.Wall(), {2})));
      EXPECT_EQ(Pending(*after, log), (std::vector<std::string>{"e1", "e2"}));
    }
    disk_->Heal();
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!(*queue)->health().ok && std::chrono::steady_clock::now() < until) {
      clock_.Advance(std::chrono::milliseconds(10));
      std::this_thread::yield();
    }
    ASSERT_TRUE((*queue)->health().ok);
  }
}

TEST_F(FaultTest, IoErrorAsksForARestart) {
  auto queue = Open(OnFaultyDisk());
  const auto log = (*queue)->OpenLog("acme")->log;
  ASSERT_TRUE(queue->AppendTexts(log, {"before"}));
  disk_->Fail(Op::kSync, ".log", rocksdb::IOStatus::IOError("injected"));
  ASSERT_FALSE(queue->AppendTexts(log, {"refused"}));
  disk_->Heal();
  const QueueHealth health = (*queue)->health();
  EXPECT_FALSE(health.ok);
  EXPECT_TRUE(health.needs_restart);
  EXPECT_THAT(health.reason, HasSubstr("injected"));
  const Status refused = queue->AppendTexts(log, {"refused too"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kIo);
  EXPECT_EQ(Pending(*queue, log), (std::vector<std::string>{"before"}));
  queue.reset();
  queue = Open();
  EXPECT_TRUE((*queue)->health().ok);
  ASSERT_TRUE(queue->AppendTexts(log, {"after"}));
  const auto pending = Pending(*queue, log);
  EXPECT_EQ(pending.front(), "before");
  EXPECT_EQ(pending.back(), "after");
  EXPECT_THAT(pending, testing::Not(testing::Contains("refused too")));
}

TEST_F(FaultTest, FailureDuringRecoveryAsksForARestart) {
  // An error that comes without a full disk, and is still there when recovery has begun.
  auto queue = Open(OnFaultyDisk());
  const auto log = (*queue)->OpenLog("acme")->log;
  ASSERT_TRUE(queue->AppendTexts(log, {"before"}));
  rocksdb::IOStatus passing = rocksdb::IOStatus::IOError("injected");
  passing.SetRetryable(true);
  disk_->Fail(Op::kAppend, ".log", passing, 0);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!(*queue)->health().needs_restart && std::chrono::steady_clock::now() < until) {
    EXPECT_FALSE(queue->AppendTexts(log, {"refused"}));
    clock_.Advance(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE((*queue)->health().needs_restart);
  disk_->Heal();
  EXPECT_FALSE(queue->AppendTexts(log, {"refused"}));
  EXPECT_EQ(Pending(*queue, log), (std::vector<std::string>{"before"}));
  queue.reset();
  queue = Open();
  EXPECT_EQ(Pending(*queue, log), (std::vector<std::string>{"before"}));
  EXPECT_TRUE(queue->AppendTexts(log, {"after"}));
}

TEST_F(FaultTest, WhatTheDiskCannotLookForIsNotTakenForLost) {
  {
    auto queue = Open();
    ASSERT_TRUE(queue->AppendTexts((*queue)->OpenLog("acme")->log, {"event"}));
  }
  for (const char* name : {"/CURRENT", "/list-lost", "/check-tables", "/restore-incomplete"}) {
    disk_->Fail(Op::kExists, name, rocksdb::IOStatus::IOError("injected"));
    const Status refused = TryToOpen(OnFaultyDisk());
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code, ErrorCode::kIo);
    EXPECT_THAT(refused.error().message, HasSubstr("injected"));
  }
  disk_->Heal();
  for (const auto& entry : std::filesystem::directory_iterator(path())) {
    EXPECT_THAT(entry.path().filename().string(),
                Not(AnyOf(StartsWith("damaged-"), StartsWith("salvage-"))));
  }
  auto queue = Open();
  EXPECT_EQ(Pending(*queue, (*queue)->OpenLog("acme")->log), (std::vector<std::string>{"event"}));
}

TEST_F(FaultTest, ADamagedTableThatTheDiskCannotLookForIsNotForgotten) {
  MakeDamagedTable({"event"});
  disk_->Fail(Op::kExists, ".sst", rocksdb::IOStatus::IOError("injected"));
  const Status refused = TryToOpen(OnFaultyDisk());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kIo);
  disk_->Heal();
  auto queue = Open();
  EXPECT_EQ(Pending(*queue, 1), (std::vector<std::string>{"event"}));
}

TEST_F(FaultTest, AFullDiskWhileADamagedTableIsTakenOutIsWaitedFor) {
  MakeDamagedTable({"event"});
  disk_->Fail(Op::kAppend, ".dbtmp", NoSpace());
  const Status refused = TryToOpen(OnFaultyDisk());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace);
  disk_->Fail(Op::kAppend, ".dbtmp", rocksdb::IOStatus::IOError("injected"));
  EXPECT_EQ(TryToOpen(OnFaultyDisk()).error().code, ErrorCode::kIo);
  disk_->Heal();
  auto queue = Open(OnFaultyDisk());
  EXPECT_EQ(Pending(*queue, 1), (std::vector<std::string>{"event"}));
}

TEST_F(FaultTest, TablesAreLookedAtWithoutTheLogFilesInMemory) {
  constexpr std::uint64_t kEventBytes = 100'000;
  constexpr std::uint64_t kEvents = 30;
  Options killed = OnFaultyDisk();
  killed.path = dir_ / "killed";
  {
    Options options = Defaults();
    options.write_buffer_bytes = 2 * kEvents * kEventBytes;  // Everything stays in the log file.
    auto queue = Open(options);
    const auto log = (*queue)->OpenLog("acme")->log;
    for (std::uint64_t i = 0; i < kEvents; ++i) {
      ASSERT_TRUE(queue->AppendTexts(log, {std::string(kEventBytes, 'x')}));
    }
    std::filesystem::copy(path(), killed.path);
  }
  ASSERT_TRUE(TakeOutDamagedTables(killed));
  EXPECT_LT(disk_->BytesRead(".log"), 2 * kEventBytes);
  auto queue = Open(killed);
  EXPECT_EQ(Pending(*queue, 1).size(), kEvents);
}

TEST_F(FaultTest, WhereADamagedTableCannotBeTakenOutTheListIsMadeAnew) {
  MakeDamagedTable({"event"});
  disk_->Fail(Op::kAppend, ".dbtmp", rocksdb::IOStatus::Corruption("injected"));
  EXPECT_FALSE(TryToOpen(OnFaultyDisk())) << "nor can any list be made yet";
  disk_->Heal();
  auto queue = Open();
  EXPECT_EQ(Pending(*queue, 1), (std::vector<std::string>{"event"}));
  EXPECT_TRUE(std::filesystem::exists(path() + "/damaged-CURRENT"));
}

TEST_F(FaultTest, FullDiskWhileFlushingRefusesAndRecovers) {
  Options options = OnFaultyDisk();
  options.write_buffer_bytes = 64 << 10;
  auto queue = Open(options);
  const auto log = (*queue)->OpenLog("acme")->log;
  disk_->Fail(Op::kAppend, ".sst", NoSpace());
  std::vector<std::string> accepted;
  const std::string filler(8000, 'x');
  // Acknowledged until the failed flush is noticed; the limit is far beyond that.
  for (int i = 0; i < 10000; ++i) {
    std::string text = std::to_string(i) + filler;
    if (!queue->AppendTexts(log, {text})) break;
    accepted.push_back(std::move(text));
  }
  EXPECT_FALSE((*queue)->health().ok);
  EXPECT_GT(disk_->failures(), 0U);
  disk_->Heal();
  AppendWhenRecovered(*queue, log, "after");
  accepted.push_back("after");
  EXPECT_EQ(Pending(*queue, log), accepted);
  queue.reset();
  queue = Open();
  EXPECT_EQ(Pending(*queue, log), accepted);
}

}  // namespace
}  // namespace gateway::queue

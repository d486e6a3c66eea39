// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stop_token>
#include <string>
#include <vector>

#include "common/thread.h"
#include "gateway/queue/backup_files.h"
#include "gateway/queue/offline_queue.h"
#include "tests/support/fault_file_system.h"
#include "tests/unit/queue/queue_fixture.h"

namespace gateway::queue {
namespace {

namespace fs = std::filesystem;
using common::ErrorCode;
using testing::ElementsAre;
using testing::HasSubstr;
using tests::FaultFileSystem;

void Silent(BackupStep, std::uint64_t, std::uint64_t) {}

class BackupTest : public QueueFixture {
 protected:
  std::string backups() const { return dir_ / "backups"; }
  std::string restored() const { return dir_ / "restored"; }
  BackupOptions To() const { return {.directory = backups(), .read_back = true}; }

  common::Result<BackupReport> Take(tests::RunningQueue& queue, const BackupOptions& options) {
    return queue->Backup(options, Silent, stop_.get_token());
  }
  BackupReport Take(tests::RunningQueue& queue) {
    const auto report = Take(queue, To());
    EXPECT_TRUE(report) << report.error().message;
    return report.value_or(BackupReport{});
  }
  /// The pending texts of what a backup restores to; the latest one unless `id` says which.
  std::vector<std::string> RestoredTexts(std::optional<std::uint32_t> id = std::nullopt) {
    fs::remove_all(restored());
    const auto done = RestoreBackup(backups(), id, restored(), Silent);
    EXPECT_TRUE(done) << done.error().message;
    Options options = Defaults();
    options.path = restored();
    auto queue = Open(options);
    std::vector<std::string> texts = Pending(*queue, (*queue)->OpenLog("acme")->log);
    EXPECT_EQ(texts.size(), done ? done->pending : 0);
    return texts;
  }
  std::vector<std::uint32_t> Ids() const {
    std::vector<std::uint32_t> ids;
    const std::vector<Backup> all = ListBackups(backups()).value();
    for (const Backup& backup : all) {
      if (!backup.damaged) ids.push_back(backup.id);
    }
    return ids;
  }
  /// Texts that fill tables, and do not compress.
  static std::vector<std::string> Large(std::uint64_t seed, std::size_t count) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i) {
      std::string text;
      while (text.size() < 32'000) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        text += std::to_string(seed);
      }
      texts.push_back(std::move(text));
    }
    return texts;
  }
  void AppendLarge(tests::RunningQueue& queue, pipeline::LogId log, std::uint64_t seed) {
    for (std::uint64_t i = 0; i < 30; ++i) {
      ASSERT_TRUE(queue.AppendTexts(log, Large(seed * 100 + i, 8)));
    }
  }
  /// Of the files of all backups.
  std::vector<fs::path> Files(const std::string& in) const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(in)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    return files;
  }

  std::stop_source stop_;
};

TEST_F(BackupTest, WhatIsOnlyInTheLogFileIsInIt) {
  auto queue = Open();
  const auto log = (*queue)->OpenLog("acme")->log;
  ASSERT_TRUE(queue->AppendTexts(log, {"a", "b", "c"}));
  ASSERT_TRUE(queue->Settle({.log = log, .cursor = {0, 1}}));
  const BackupReport report = Take(*queue);
  ASSERT_TRUE(queue->AppendTexts(log, {"later"}));
  EXPECT_EQ(report.backup.id, 1U);
  EXPECT_GT(report.backup.bytes, 0U);
  EXPECT_GE(report.new_bytes, report.backup.bytes);
  EXPECT_THAT(RestoredTexts(), ElementsAre("b", "c"));
}

TEST_F(BackupTest, TheSecondOneSharesTables) {
  auto queue = Open();
  const auto log = (*queue)->OpenLog("acme")->log;
  AppendLarge(*queue, log, 1);
  const BackupReport full = Take(*queue);
  ASSERT_TRUE(queue->AppendTexts(log, {"one more"}));
  const BackupReport second = Take(*queue);
  EXPECT_GT(full.new_bytes, 4U << 20);
  EXPECT_LT(second.new_bytes, full.new_bytes / 2) << "tables are there";
  EXPECT_THAT(Ids(), ElementsAre(1, 2));
  EXPECT_EQ(RestoredTexts(1).size(), 240U);
  EXPECT_EQ(RestoredTexts(2).back(), "one more");
}

TEST_F(BackupTest, HoldsWhatWasAcknowledgedBeforeUnderLoad) {
  auto queue = Open();
  const auto log = (*queue)->OpenLog("acme")->log;
  std::atomic<std::size_t> acknowledged{0};
  std::atomic<bool> enough{false};
  common::Thread load("load", [&] {
    for (std::uint64_t seed = 0; !enough; ++seed) {
      ASSERT_TRUE(queue->AppendTexts(log, Large(seed, 4)));
      acknowledged += 4;
    }
  });
  std::vector<std::size_t> before;
  for (int i = 0; i < 5; ++i) {
    before.push_back(acknowledged);
    Take(*queue);
  }
  enough = true;
  load.Join();
  const std::vector<std::string> all = Pending(*queue, log);
  for (std::uint32_t id = 1; id <= before.size(); ++id) {
    const std::vector<std::string> texts = RestoredTexts(id);
    EXPECT_GE(texts.size(), before[id - 1]);
    ASSERT_LE(texts.size(), all.size());
    EXPECT_TRUE(std::equal(texts.begin(), texts.end(), all.begin())) << "in order, none missing";
  }
}

TEST_F(BackupTest, OlderOnesGoWhenTheNewOneIsWhole) {
  auto queue = Open();
  const auto log = (*queue)->OpenLog("acme")->log;
  for (std::uint32_t i = 1; i <= 4; ++i) {
    ASSERT_TRUE(queue->AppendTexts(log, {std::to_string(i)}));
    BackupOptions options = To();
    options.keep = 2;
    const auto report = Take(*queue, options);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->removed, i > 2 ? 1U : 0U);
  }
  EXPECT_THAT(Ids(), ElementsAre(3, 4));
  EXPECT_THAT(RestoredTexts(3), ElementsAre("1", "2", "3"));
  EXPECT_THAT(RestoredTexts(4), ElementsAre("1", "2", "3", "4"));
}

TEST_F(BackupTest, ALimitCountsWhatIsReadAndNotWhatIsAskedFor) {
  auto queue = Open();
  ASSERT_TRUE((*queue)->OpenLog("acme"));
  BackupOptions limited = To();
  limited.bytes_per_second = 100'000;
  const auto begin = std::chrono::steady_clock::now();
  const auto report = Take(*queue, limited);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_LT(report->new_bytes, 50'000U);
  // The engine reads each of its files with a buffer of megabytes: minutes.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

TEST_F(BackupTest, ALimitThatCannotBeKeptIsRefused) {
  auto queue = Open();
  ASSERT_TRUE((*queue)->OpenLog("acme"));
  for (const std::uint64_t rate : {std::uint64_t{1}, kMinBackupRate - 1, kMaxBackupRate + 1,
                                   std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    BackupOptions limited = To();
    limited.bytes_per_second = rate;
    const auto refused = Take(*queue, limited);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(refused.error().message, HasSubstr("from 64KiB to 1TiB a second"));
  }
  EXPECT_FALSE(fs::exists(backups()));
  for (const std::uint64_t rate : {kMinBackupRate, kMaxBackupRate}) {
    BackupOptions limited = To();
    limited.bytes_per_second = rate;
    EXPECT_TRUE(Take(*queue, limited));
  }
  const BackupFiles slowest(rocksdb::FileSystem::Default(), Silent, {}, 1);
  EXPECT_EQ(slowest.Part(10), 1U) << "whoever takes nothing never ends";
}

TEST_F(BackupTest, StopEndsItAndLeavesTheOthers) {
  auto queue = Open();
  const auto log = (*queue)->OpenLog("acme")->log;
  ASSERT_TRUE(queue->AppendTexts(log, {"first"}));
  Take(*queue);
  const std::vector<fs::path> whole = Files(backups());
  AppendLarge(*queue, log, 1);
  for (const bool copying : {true, false}) {
    std::stop_source stop;
    BackupOptions slow = To();
    slow.keep = 1;
    // The rest would take minutes.
    slow.bytes_per_second = copying ? 100'000 : 0;
    const auto stopped = (*queue)->Backup(
        slow,
        [&](BackupStep step, std::uint64_t done, std::uint64_t) {
          if (copying ? done > 0 : step == BackupStep::kReadingBack) stop.request_stop();
        },
        stop.get_token());
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled) << stopped.error().message;
    EXPECT_THAT(Ids(), ElementsAre(1));
    EXPECT_THAT(Files(backups()), testing::UnorderedElementsAreArray(whole)) << "nothing is left";
  }
  EXPECT_TRUE((*queue)->health().ok);
  EXPECT_THAT(RestoredTexts(), ElementsAre("first"));
  EXPECT_EQ(Take(*queue).backup.id, 2U);
}

TEST_F(BackupTest, AFullDiskIsSaidAndTheQueueIsWell) {
  FaultFileSystem files;
  const auto env = rocksdb::NewCompositeEnv(
      std::shared_ptr<rocksdb::FileSystem>(&files, [](rocksdb::FileSystem*) {}));
  Options options = Defaults();
  options.env = env.get();
  auto queue = Open(options);
  const auto log = (*queue)->OpenLog("acme")->log;
  AppendLarge(*queue, log, 1);
  Take(*queue);
  AppendLarge(*queue, log, 2);
  // Shared tables are copied under names of their own; the others fail where they are.
  files.Fail(FaultFileSystem::Op::kAppend, ".tmp", rocksdb::IOStatus::NoSpace());
  const auto failed = Take(*queue, To());
  ASSERT_FALSE(failed);
  EXPECT_GT(files.failures(), 0U);
  EXPECT_EQ(failed.error().code, ErrorCode::kNoSpace);
  EXPECT_THAT(failed.error().message, HasSubstr("no space left"));
  files.Heal();
  EXPECT_TRUE((*queue)->health().ok);
  ASSERT_TRUE(queue->AppendTexts(log, {"on"}));
  EXPECT_EQ(RestoredTexts().size(), 240U) << "the first";
  Take(*queue);
  EXPECT_EQ(RestoredTexts().size(), 481U);
}

TEST_F(BackupTest, AStoreThatWasBackedUpRecoversFromAFullDisk) {
  FaultFileSystem files;
  const auto env = rocksdb::NewCompositeEnv(
      std::shared_ptr<rocksdb::FileSystem>(&files, [](rocksdb::FileSystem*) {}));
  Options options = Defaults();
  options.env = env.get();
  auto queue = Open(options);
  const auto log = (*queue)->OpenLog("acme")->log;
  Take(*queue);
  files.Fail(FaultFileSystem::Op::kAppend, ".log", rocksdb::IOStatus::NoSpace(), 0);
  ASSERT_FALSE(queue->AppendTexts(log, {"refused"}));
  const auto refused = Take(*queue, To());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  files.Heal();
  while (!(*queue)->health().ok && !(*queue)->health().needs_restart) {
    clock_.Advance(std::chrono::milliseconds(10));
    queue->AppendTexts(log, {"probe"}).has_value();
  }
  EXPECT_FALSE((*queue)->health().needs_restart) << (*queue)->health().reason;
  EXPECT_EQ(Take(*queue).backup.id, 2U);
}

TEST_F(BackupTest, AWrongPlaceIsRefused) {
  auto queue = Open();
  ASSERT_TRUE((*queue)->OpenLog("acme"));
  std::ofstream(dir_ / "file") << "x";
  fs::create_directories(dir_ / "other/private");
  fs::create_directory_symlink(path(), dir_ / "link");
  const auto refusal = [&](const std::string& directory) {
    const auto report = Take(*queue, {.directory = directory});
    return report ? "taken" : report.error().message;
  };
  EXPECT_THAT(refusal("backups"), HasSubstr("not an absolute path"));
  EXPECT_THAT(refusal(path()), HasSubstr("lies in the store"));
  EXPECT_THAT(refusal(path() + "/backups"), HasSubstr("lies in the store"));
  EXPECT_THAT(refusal(dir_ / "link/backups"), HasSubstr("lies in the store"));
  EXPECT_THAT(refusal(dir_.path().string()), HasSubstr("is around the store"));
  EXPECT_THAT(refusal("/"), HasSubstr("is around the store"));
  EXPECT_THAT(refusal(dir_ / "file"), HasSubstr("cannot be written"));
  EXPECT_THAT(refusal(dir_ / "missing/backups"), HasSubstr("directory above is there"));
  EXPECT_THAT(refusal(dir_ / "other"), HasSubstr("holds something else (private)"));
  EXPECT_EQ(refusal(path() + "-backups"), "taken") << "beside the store";
}

TEST_F(BackupTest, OneAtATimeInADirectory) {
  auto queue = Open();
  ASSERT_TRUE((*queue)->OpenLog("acme"));
  std::string second;
  const auto first = (*queue)->Backup(To(),
                                      [&](BackupStep, std::uint64_t, std::uint64_t) {
                                        const auto refused = Take(*queue, To());
                                        second = refused ? "taken" : refused.error().message;
                                      },
                                      {});
  EXPECT_TRUE(first);
  EXPECT_THAT(second, HasSubstr("another backup into"));
}

TEST_F(BackupTest, ADamagedOneIsNamedAndRefused) {
  auto queue = Open();
  const auto log = (*queue)->OpenLog("acme")->log;
  ASSERT_TRUE(queue->AppendTexts(log, {"first"}));
  Take(*queue);
  ASSERT_TRUE(queue->AppendTexts(log, {"second"}));
  Take(*queue);
  Take(*queue);
  for (const fs::path& file : Files(backups() + "/private/2")) {
    if (file.extension() != ".log") continue;
    std::fstream bytes(file, std::ios::in | std::ios::out);
    bytes.seekp(10).put('\x7f');
  }
  fs::remove(backups() + "/private/3/CURRENT");
  const auto listed = ListBackups(backups());
  ASSERT_EQ(listed->size(), 3U);
  EXPECT_TRUE(listed->at(2).damaged);
  EXPECT_TRUE(CheckBackup(backups(), listed->at(0), Silent));
  EXPECT_EQ(CheckBackup(backups(), listed->at(1), Silent).error().code, ErrorCode::kDataLoss);
  for (const std::uint32_t id : {2U, 3U}) {
    const auto refused = RestoreBackup(backups(), id, restored(), Silent);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kDataLoss);
    EXPECT_THAT(refused.error().message, HasSubstr("backup " + std::to_string(id)));
    EXPECT_FALSE(fs::exists(restored())) << "nothing is left";
  }
  EXPECT_THAT(RestoreBackup(backups(), 9, restored(), Silent).error().message,
              HasSubstr("no backup 9"));
  EXPECT_THAT(RestoredTexts(1), ElementsAre("first"));
}

TEST_F(BackupTest, RestoresToAnEmptyDirectoryOnly) {
  auto queue = Open();
  ASSERT_TRUE((*queue)->OpenLog("acme"));
  Take(*queue);
  fs::create_directory(restored());
  std::ofstream(restored() + "/mine") << "x";
  const auto refused = RestoreBackup(backups(), {}, restored(), Silent);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("is not empty (mine)"));
  EXPECT_EQ(Files(restored()).size(), 1U) << "nothing was changed";
  fs::remove(restored() + "/mine");
  EXPECT_TRUE(RestoreBackup(backups(), {}, restored(), Silent));
  EXPECT_FALSE(RestoreBackup(backups(), {}, restored(), Silent)) << "a store lies there";
  EXPECT_THAT(RestoreBackup(path(), {}, dir_ / "new", Silent).error().message,
              HasSubstr("no backups in"));
}

TEST_F(BackupTest, AGatewayThatStartsDuringARestoreFindsTheStoreLocked) {
  {
    auto queue = Open();
    ASSERT_TRUE(queue->AppendTexts((*queue)->OpenLog("acme")->log, {"a"}));
    Take(*queue);
  }
  Options options = Defaults();
  options.path = restored();
  std::string answer;
  const auto done =
      RestoreBackup(backups(), {}, restored(), [&](BackupStep step, std::uint64_t, std::uint64_t) {
        if (step != BackupStep::kOpening) return;  // By then the engine has emptied the place.
        prometheus::Registry registry;
        const auto queue = RocksQueue::Open(options, clock_, registry);
        answer = queue ? "open" : queue.error().message;
      });
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->pending, 1U);
  EXPECT_THAT(answer, HasSubstr("in use by another process"));
}

TEST_F(BackupTest, ARestoreThatWasCutShortIsNoStore) {
  {
    auto queue = Open();
    ASSERT_TRUE(queue->AppendTexts((*queue)->OpenLog("acme")->log, {"a"}));
    Take(*queue);
  }
  // What a kill leaves: the engine waits in a pipe for one of its files.
  const std::string part = dir_ / "part";
  fs::path log;
  std::optional<common::Thread> feeder;
  const auto stop_midway = [&](BackupStep step, std::uint64_t, std::uint64_t) {
    if (step != BackupStep::kRestoring || feeder) return;
    const std::vector<fs::path> files = Files(backups() + "/private/1");
    log = *std::ranges::find(files, ".log", [](const fs::path& file) { return file.extension(); });
    fs::rename(log, dir_ / "log");
    ASSERT_EQ(mkfifo(log.c_str(), 0600), 0);
    feeder.emplace("feeder", [&] {
      std::ofstream out(log);  // Until the engine reads.
      fs::copy(restored(), part);
      out << std::ifstream(dir_ / "log").rdbuf();
    });
  };
  const auto done = RestoreBackup(backups(), {}, restored(), stop_midway);
  ASSERT_TRUE(feeder);
  feeder->Join();
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_FALSE(done->began_again);
  EXPECT_FALSE(fs::exists(restored() + "/restore-incomplete"));
  fs::rename(dir_ / "log", log);

  Options options = Defaults();
  options.path = part;
  prometheus::Registry registry;
  const auto opened = RocksQueue::Open(options, clock_, registry);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("restore the backup again"));
  EXPECT_THAT(OfflineQueue::Open(part).error().message, HasSubstr("restore the backup again"));

  std::ofstream(part + "/mine") << "x";
  EXPECT_THAT(RestoreBackup(backups(), {}, part, Silent).error().message,
              HasSubstr("is not empty (mine)"));
  EXPECT_TRUE(fs::exists(part + "/restore-incomplete")) << "nothing was changed";
  fs::remove(part + "/mine");
  const auto again = RestoreBackup(backups(), {}, part, Silent);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(again->began_again);
  EXPECT_EQ(again->pending, 1U);
  EXPECT_FALSE(fs::exists(part + "/restore-incomplete"));
  EXPECT_NO_THROW(Open(options));
}

TEST_F(BackupTest, AStoreThatNobodyHasOpen) {
  EXPECT_EQ(BackupClosedStore(path(), To(), Silent).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(fs::exists(path()));
  {
    auto queue = Open();
    ASSERT_TRUE(queue->AppendTexts((*queue)->OpenLog("acme")->log, {"a"}));
    EXPECT_EQ(BackupClosedStore(path(), To(), Silent).error().code, ErrorCode::kUnavailable);
  }
  const auto report = BackupClosedStore(path(), To(), Silent);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(RestoredTexts(), ElementsAre("a"));
}

}  // namespace
}  // namespace gateway::queue

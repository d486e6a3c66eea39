// SPDX-License-Identifier: Apache-2.0
//
// Stores with damaged files whose process was killed: a part of everything is in the log file
// alone.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gateway/queue/offline_queue.h"
#include "gateway/queue/store_files.h"
#include "tests/unit/queue/salvage_fixture.h"

namespace gateway::queue {
namespace {

using pipeline::LogId;

/// Stores as kill -9 leaves them, with what is not in tables in the log file.
class KilledStoreTest : public SalvageTest {
 protected:
  /// Copies the directory of the open store, closes it and has the copy in its place.
  void Kill(std::unique_ptr<tests::RunningQueue> queue) {
    const std::string copy = dir_ / "killed";
    std::filesystem::remove_all(copy);
    std::filesystem::copy(path(), copy);
    before_ = (*queue)->Logs();
    queue.reset();
    std::filesystem::remove_all(path());
    std::filesystem::rename(copy, path());
  }
  void BackUp(tests::RunningQueue& queue) const {
    const auto backup = queue->Backup({.directory = dir_ / "backups"},
                                      [](BackupStep, std::uint64_t, std::uint64_t) {}, {});
    ASSERT_TRUE(backup) << backup.error().message;
  }
  /// Harms the log file that holds this text at the first place.
  void FlipInLogFile(const std::string& text) const {
    for (const auto& entry : std::filesystem::directory_iterator(path())) {
      if (!IsLogFile(entry.path().filename().string())) continue;
      const std::size_t at = Find(entry.path(), text);
      if (at != std::string::npos) return Flip(entry.path(), at);
    }
    FAIL() << "it is in no log file";
  }
  std::string LogFile() const {
    for (const auto& entry : std::filesystem::directory_iterator(path())) {
      if (IsLogFile(entry.path().filename().string()) && entry.file_size() > 0) {
        return entry.path();
      }
    }
    return "";
  }
  void Append(tests::RunningQueue& queue, const char* tenant, std::uint64_t first,
              std::uint64_t count) {
    const LogId log = queue->OpenLog(tenant)->log;
    for (std::uint64_t i = first; i < first + count; ++i) {
      ASSERT_TRUE(queue.AppendTexts(log, {Text(i)}));
    }
  }
};

TEST_F(KilledStoreTest, WithoutTheListWhatIsInTheLogFileAloneIsThere) {
  auto queue = Open();
  Append(*queue, "acme", 0, 20);
  Append(*queue, "globex", 0, 5);
  ASSERT_TRUE(queue->Settle({.log = (*queue)->OpenLog("acme")->log,
                             .cursor = {4, 0},
                             .finished_chunks = {0, 1, 2, 3},
                             .dead = {{.code = "bad", .event = "{}"}}}));
  Kill(std::move(queue));
  Remove(path() + "/CURRENT");
  EXPECT_EQ(ExpectOpensAndFlows(), 0U);
  const auto dead = (*Open())->ReadDeadLetters(before_[0].log, 0, 10);
  ASSERT_TRUE(dead);
  EXPECT_EQ(dead->size(), 1U);
}

TEST_F(KilledStoreTest, AListOfTheTablesThatLostItsEndCostsNothing) {
  {
    auto queue = Open();
    Append(*queue, "acme", 0, 20);
    ASSERT_TRUE(queue->Settle({.log = (*queue)->OpenLog("acme")->log,
                               .cursor = {4, 0},
                               .finished_chunks = {0, 1, 2, 3},
                               .dead = {{.code = "bad", .event = "{}"}}}));
  }
  auto queue = Open();  // All of it is in tables now, and in them alone.
  Append(*queue, "acme", 20, 5);
  Append(*queue, "globex", 0, 5);
  Kill(std::move(queue));
  ForEachTornList([&] { EXPECT_EQ(ExpectOpensAndFlows(), 0U); });
}

TEST_F(KilledStoreTest, AListThatLostFamiliesHidesNothingOfTheLogFile) {
  auto queue = Open();  // Whose families are the last that was written to the list.
  Append(*queue, "acme", 0, 20);
  Kill(std::move(queue));
  ForEachTornList([&] { EXPECT_EQ(ExpectOpensAndFlows(), 0U); });
}

TEST_F(KilledStoreTest, WithoutTheListWhatTablesAndLogFileBothHoldIsThereOnce) {
  {
    auto queue = Open();
    Append(*queue, "acme", 0, 10);
  }
  auto queue = Open();  // Those are in a table now.
  Append(*queue, "acme", 10, 10);
  // As RocksDB flushes one family and keeps the log file for the others.
  BackUp(*queue);
  Append(*queue, "acme", 20, 10);
  Kill(std::move(queue));
  Remove(path() + "/CURRENT");
  EXPECT_EQ(ExpectOpensAndFlows(), 0U);
}

TEST_F(KilledStoreTest, AMetaTableThatHoldsTheVersionMayBeDamaged) {
  for (const Damage& damage : {Damage(CutOff), Damage(FlipEnd), Damage(Remove)}) {
    std::filesystem::remove_all(path());
    auto queue = Open();
    Append(*queue, "acme", 0, 10);
    std::filesystem::remove_all(dir_ / "backups");
    BackUp(*queue);  // Flushes it.
    Kill(std::move(queue));
    const std::vector<std::string> tables = TablesOf(Family::kMeta);
    ASSERT_FALSE(tables.empty());
    for (const std::string& table : tables) damage(table);
    EXPECT_EQ(ExpectOpensAndFlows(true), 0U);
  }
}

TEST_F(KilledStoreTest, WhatADamagedLogFileLostCountsAlsoWhereCursorsAreLost) {
  auto queue = Open();
  Append(*queue, "acme", 0, 10);
  BackUp(*queue);  // Flushes the meta records.
  Kill(std::move(queue));
  for (const std::string& table : TablesOf(Family::kMeta)) Remove(table);
  FlipInLogFile(Text(0));
  EXPECT_EQ(ExpectOpensAndFlows(true), 1U);
}

TEST_F(KilledStoreTest, SettingAsideIsGoneOnWithAfterACrash) {
  auto queue = Open();
  Append(*queue, "acme", 0, 20);
  Kill(std::move(queue));
  // The process died when the log file was moved, and the list was not.
  const std::filesystem::path log = LogFile();
  std::filesystem::rename(log, log.parent_path() / ("salvage-" + log.filename().string()));
  for (const char* mark : {"list-lost", "check-tables"}) std::ofstream(path() + "/" + mark).flush();
  EXPECT_EQ(ExpectOpensAndFlows(), 0U);
}

TEST_F(KilledStoreTest, ARegistrationLostInTheLogFileHidesNoEvents) {
  auto queue = Open();
  Append(*queue, "acme", 0, 10);
  Append(*queue, "globex", 0, 10);
  Kill(std::move(queue));
  FlipInLogFile("globex");
  auto opened = Open(WithoutHotTail());
  const auto lost = (*opened)->State(before_[1].log);
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->tenant, "lost-log-" + std::to_string(before_[1].log));
  EXPECT_EQ(ReadAll(*opened, before_[1].log).numbers.size(), 10U);
  EXPECT_EQ(ReadAll(*opened, before_[0].log).numbers.size(), 10U);
  EXPECT_EQ((*opened)->OpenLog("globex")->tail, 0U) << "a log of its own";
  opened.reset();
  const auto look = OfflineQueue::Open(path());
  ASSERT_TRUE(look);
  EXPECT_EQ((*look)->Verify([](std::uint64_t) {}).problems.size(), 1U);
}

TEST_F(KilledStoreTest, ACursorThatIsLostWithEverythingSettledIsTheEnd) {
  {
    auto queue = Open();
    Append(*queue, "acme", 0, 10);
    ASSERT_TRUE(queue->Settle({.log = (*queue)->OpenLog("acme")->log,
                               .cursor = {10, 0},
                               .finished_chunks = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}));
  }
  auto queue = Open();  // All of it goes to tables.
  Kill(std::move(queue));
  for (const std::string& table : TablesOf(Family::kMeta)) Remove(table);
  EXPECT_EQ(ExpectOpensAndFlows(true), 0U) << "delivered, not lost";
}

TEST_F(KilledStoreTest, AListThatIsLostAgainInTheMidstOfTheSalvageCostsNothing) {
  auto queue = Open();
  Append(*queue, "acme", 0, 10);
  Kill(std::move(queue));
  // What the first salvage had set aside, under the number that the log file has again now.
  const std::filesystem::path log = LogFile();
  std::filesystem::copy(log, log.parent_path() / ("salvage-" + log.filename().string()));
  std::filesystem::remove(log);
  {
    auto other = std::make_unique<tests::TempDir>();
    Options options = Defaults();
    options.path = *other / "queue";
    auto fresh = Open(options);
    ASSERT_TRUE((*fresh)->OpenLog("acme"));
    for (const auto& entry : std::filesystem::directory_iterator(options.path)) {
      if (entry.path().extension() == ".log") std::filesystem::copy(entry.path(), log);
    }
  }
  ASSERT_TRUE(std::filesystem::exists(log));
  Remove(path() + "/CURRENT");
  EXPECT_EQ(ExpectOpensAndFlows(), 0U);
}

TEST_F(KilledStoreTest, AnOlderStoreMayBeDamagedToo) {
  std::filesystem::copy(std::string(GW_GOLDEN_DIR) + "/store-2-before-tails", path());
  std::ofstream(path() + "/check-tables").flush();
  auto queue = Open();
  EXPECT_EQ((*queue)->OpenLog("acme")->pending(), 3U);
}

}  // namespace
}  // namespace gateway::queue

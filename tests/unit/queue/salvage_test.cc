// SPDX-License-Identifier: Apache-2.0
//
// A store with damaged files opens, and lacks what cannot be read and nothing else.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gateway/queue/offline_queue.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/stored_records.h"
#include "tests/unit/queue/salvage_fixture.h"

namespace gateway::queue {
namespace {

using pipeline::LogId;

TEST_F(SalvageTest, ATableThatIsGoneCostsItsEventsAndNoOthers) {
  for (const std::size_t half : {0U, 1U}) {
    Fill();
    const std::vector<std::string> tables = TablesOf(Family::kQueue);
    ASSERT_EQ(tables.size(), 2U);
    Remove(tables[half]);
    EXPECT_EQ(ExpectOpensAndFlows(), 3 * (kEvents / 2 - (half == 0 ? kSettled : 0)));
  }
}

TEST_F(SalvageTest, OfATableThatIsCutOffWhatIsThereIsUsed) {
  for (const std::size_t half : {0U, 1U}) {
    Fill();
    const std::string table = TablesOf(Family::kQueue).at(half);
    const std::uint64_t in_table = 3 * (kEvents / 2 - (half == 0 ? kSettled : 0));
    CutOff(table);
    const std::uint64_t lost = ExpectOpensAndFlows();
    EXPECT_GE(lost, in_table / 2);
    EXPECT_LE(lost, in_table / 2 + 8) << "the block that was cut, of eight events";
  }
}

TEST_F(SalvageTest, WithoutTheListOfItsBlocksATableLosesNothing) {
  Fill();
  for (const std::string& table : TablesOf(Family::kQueue)) FlipEnd(table);
  EXPECT_EQ(ExpectOpensAndFlows(), 0U);
}

TEST_F(SalvageTest, WithoutTheListOfItsBlocksADamagedOneIsPassed) {
  Fill();
  const std::string table = TablesOf(Family::kQueue).back();
  FlipEnd(table);
  FlipMiddle(table);
  const std::uint64_t lost = ExpectOpensAndFlows();
  EXPECT_GT(lost, 0U);
  EXPECT_LE(lost, 8U);
}

TEST_F(SalvageTest, ADamagedBlockCostsItsEventsAloneAlsoInACompaction) {
  Fill();
  for (const std::string& table : TablesOf(Family::kQueue)) FlipMiddle(table);
  // What a compaction meets makes RocksDB refuse every write.
  Tamper([](RocksStore& store) { EXPECT_TRUE(store.CompactQueue().IsCorruption()); });
  EXPECT_TRUE(std::filesystem::exists(path() + "/check-tables"));
  const std::uint64_t lost = ExpectOpensAndFlows();
  EXPECT_GT(lost, 0U);
  EXPECT_LT(lost, 30U) << "two blocks of 16 KiB";
  EXPECT_EQ(Kept(), 2U);
}

TEST_F(SalvageTest, ADamagedLastBlockOfALogDoesNotStopTheStart) {
  Fill();
  const std::string table = TablesOf(Family::kQueue).back();
  // Before the index and what else is at the end.
  Flip(table, std::filesystem::file_size(table) - 6'000);
  const std::uint64_t lost = ExpectOpensAndFlows();
  EXPECT_GT(lost, 0U);
  EXPECT_LT(lost, 15U);
}

TEST_F(SalvageTest, TheFirstRecordBehindADamagedBlockIsFound) {
  {
    auto queue = Open();
    for (const char* tenant : {"acme", "globex"}) {
      const LogId log = (*queue)->OpenLog(tenant)->log;
      for (std::uint64_t i = 0; i < 3; ++i) {
        std::vector<std::string> record;  // A block of its own.
        for (std::uint64_t j = 0; j < 10; ++j) record.push_back(Text(i * 10 + j));
        ASSERT_TRUE(queue->AppendTexts(log, record));
      }
    }
    before_ = (*queue)->Logs();
  }
  Open();  // Brings all of it into a table.
  const std::string table = TablesOf(Family::kQueue).back();
  Flip(table, std::filesystem::file_size(table) * 2 / 5);  // The last record of the first log.
  EXPECT_EQ(ExpectOpensAndFlows(), 10U);
}

TEST_F(SalvageTest, AWholeBlockAmongDamagedOnesIsFound) {
  constexpr std::uint64_t kRecord = 20;  // Events: a block of its own.
  {
    auto queue = Open();
    const LogId log = (*queue)->OpenLog("acme")->log;
    for (std::uint64_t i = 0; i < 12; ++i) {
      std::vector<std::string> record;
      for (std::uint64_t j = 0; j < kRecord; ++j) record.push_back(Text(i * kRecord + j));
      ASSERT_TRUE(queue->AppendTexts(log, record));
    }
    before_ = (*queue)->Logs();
  }
  Open();  // Brings all of it into a table.
  const std::string table = TablesOf(Family::kQueue).back();
  for (const std::uint64_t record : {5U, 6U, 8U}) {
    const std::uint64_t at = Find(table, Text(record * kRecord).substr(0, 20));
    ASSERT_LT(at, std::filesystem::file_size(table));
    Flip(table, at);
  }
  std::ofstream(path() + "/check-tables").flush();
  EXPECT_EQ(ExpectOpensAndFlows(), 3 * kRecord);
}

TEST_F(SalvageTest, LettersAndIdsThatCannotBeReadHoldNothingUp) {
  for (const Family family : {Family::kDead, Family::kRejected, Family::kIds}) {
    for (const Damage& damage :
         {Damage(FlipMiddle), Damage(CutOff), Damage(FlipEnd), Damage(Remove)}) {
      Fill();
      damage(TablesOf(family).front());
      EXPECT_EQ(ExpectOpensAndFlows(), 0U);
    }
  }
}

TEST_F(SalvageTest, CursorsThatAreLostAreFoundAgain) {
  for (const Damage& damage : {Damage(CutOff), Damage(Remove)}) {
    Fill();
    for (const std::string& table : TablesOf(Family::kMeta)) damage(table);
    EXPECT_EQ(ExpectOpensAndFlows(true), 0U);
  }
}

TEST_F(SalvageTest, WithoutTheListOfItsBlocksATableOfCursorsLosesNothing) {
  for (const bool list_too : {false, true}) {
    Fill();
    for (const Family family : {Family::kMeta, Family::kRegistry}) {
      for (const std::string& table : TablesOf(family)) FlipEnd(table);
    }
    if (list_too) Remove(path() + "/CURRENT");
    EXPECT_EQ(ExpectOpensAndFlows(), 0U);
  }
}

TEST_F(SalvageTest, WithoutTheListOfItsBlocksATableOfIdsLosesNothing) {
  Fill();
  for (const std::string& table : TablesOf(Family::kIds)) FlipEnd(table);
  auto queue = Open();
  for (const pipeline::LogState& before : before_) {
    pipeline::AppendRequest again;
    again.log = before.log;
    again.received_at = clock_.Wall();
    again.dedupe = kDayOfIds;
    again.events.Append(Text(0));
    again.events.ids.push_back(IdOf(before.log, 0));
    ASSERT_TRUE(queue->Append(std::move(again)));
    EXPECT_EQ((*queue)->State(before.log)->tail, before.tail) << "it was there before";
  }
}

TEST_F(SalvageTest, WhatWasQuarantinedBeforeACursorThatIsFoundAgainIsDead) {
  Fill();
  const LogId log = before_[0].log;
  Tamper([&](RocksStore& store) {
    rocksdb::WriteBatch batch;
    batch.Put(store.family(Family::kQueue), EncodeKey(EntryKey{log, kSettled}), "garbage");
    ASSERT_TRUE(store.Write(batch, true).ok());
  });
  EXPECT_EQ(ReadAll(*Open(WithoutHotTail()), log).damaged, 1U);
  Open();  // Brings all of it into tables.
  for (const std::string& table : TablesOf(Family::kMeta)) Remove(table);
  const auto state = (*Open())->State(log);
  EXPECT_EQ(state->cursor.next(), kSettled + 1);
  EXPECT_EQ(state->dead, 1U);
}

TEST_F(SalvageTest, ALogWhoseRegistrationIsLostKeepsItsEvents) {
  Fill();
  for (const Family family : {Family::kMeta, Family::kRegistry}) {
    for (const std::string& table : TablesOf(family)) Remove(table);
  }
  auto queue = Open(WithoutHotTail());
  for (const pipeline::LogState& before : before_) {
    const auto state = (*queue)->State(before.log);
    ASSERT_TRUE(state);
    EXPECT_EQ(state->tenant, "lost-log-" + std::to_string(before.log));
    EXPECT_EQ(state->tail, before.tail);
    EXPECT_EQ(ReadAll(*queue, before.log).numbers.size(), before.pending());
  }
  const auto opened = (*queue)->OpenLog("acme");
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->tail, 0U) << "a log of its own";
}

TEST_F(SalvageTest, ADamagedListOfTheTablesIsMadeAnew) {
  const std::vector<Damage> damages{
      [&](const std::string&) { FlipMiddle(Manifest()); },
      [&](const std::string&) { std::filesystem::resize_file(Manifest(), 10); },
      [&](const std::string&) { Remove(Manifest()); },
      [&](const std::string& folder) { std::ofstream(folder + "/CURRENT") << "garbage"; },
      [&](const std::string& folder) { Remove(folder + "/CURRENT"); },
  };
  for (const Damage& damage : damages) {
    Fill();
    damage(path());
    EXPECT_EQ(ExpectOpensAndFlows(), 0U);
  }
}

TEST_F(SalvageTest, AListOfTheTablesThatLostItsEndCostsNothing) {
  Fill();
  // Removes the tables that it merges; its own table is in the last record of the list.
  Tamper([](RocksStore& store) { ASSERT_TRUE(store.CompactQueue().ok()); });
  ForEachTornList([&] { EXPECT_EQ(ExpectOpensAndFlows(), 0U); });
}

TEST_F(SalvageTest, ADamagedListAndADamagedTable) {
  Fill();
  FlipMiddle(TablesOf(Family::kQueue).front());
  std::ofstream(path() + "/CURRENT") << "garbage";
  const std::uint64_t lost = ExpectOpensAndFlows();
  EXPECT_GT(lost, 0U);
  EXPECT_LT(lost, 15U);
}

TEST_F(SalvageTest, AnInterruptedSalvageIsDoneAgain) {
  Fill();
  const std::vector<std::string> tables = TablesOf(Family::kQueue);
  // As if the process died when the table was set aside, but is still in RocksDB's list.
  const std::filesystem::path file = tables.front();
  FlipMiddle(file);
  std::filesystem::rename(file, file.parent_path() / ("salvage-" + file.filename().string()));
  std::ofstream(path() + "/check-tables").flush();
  const std::uint64_t lost = ExpectOpensAndFlows();
  EXPECT_GT(lost, 0U);
  EXPECT_LT(lost, 15U);
}

/// Letters, in a table of their own.
class LetterSalvageTest : public SalvageTest {
 protected:
  std::vector<std::string> Codes() {
    auto queue = Open();
    const auto letters = (*queue)->ReadDeadLetters((*queue)->OpenLog("acme")->log, 0, 1000);
    EXPECT_TRUE(letters);
    std::vector<std::string> codes;
    for (const auto& [id, letter] : *letters) {
      if (letter.code != "bad") codes.push_back(letter.code);  // Not the refused events.
    }
    return codes;
  }
};

TEST_F(LetterSalvageTest, LettersOfALogWithoutARecordAreKept) {
  Fill();
  const auto before = Codes();
  ASSERT_EQ(before.size(), kDead);
  Tamper([&](RocksStore& store) {
    rocksdb::WriteBatch batch;
    batch.Delete(store.family(Family::kMeta), EncodeMetaKey(kDeadPrefix, before_[0].log));
    ASSERT_TRUE(store.Write(batch, true).ok());
  });
  FlipEnd(TablesOf(Family::kDead).front());
  EXPECT_EQ(Codes(), before);
}

TEST_F(LetterSalvageTest, LettersWhoseDeletionIsLostStayAway) {
  Fill();
  const auto before = Codes();
  Tamper([&](RocksStore& store) {
    rocksdb::WriteBatch batch;
    batch.Put(store.family(Family::kDead), EncodeKey(EntryKey{before_[0].log, 1}),
              EncodeDeadLetter({.stage = pipeline::DeadLetterStage::kDelivery, .code = "gone"}));
    ASSERT_TRUE(store.Write(batch, true).ok());
  });
  EXPECT_EQ(Codes().size(), before.size() + 1);
  std::ofstream(path() + "/check-tables").flush();
  EXPECT_EQ(Codes(), before);
}

TEST_F(SalvageTest, ALookFromOutsideShowsADamagedStore) {
  Fill();
  FlipMiddle(TablesOf(Family::kQueue).front());
  const auto look = OfflineQueue::Open(path());
  ASSERT_TRUE(look) << look.error().message;
  EXPECT_FALSE((*look)->Verify([](std::uint64_t) {}).problems.empty());
}

}  // namespace
}  // namespace gateway::queue

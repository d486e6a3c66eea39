// SPDX-License-Identifier: Apache-2.0
//
// A store with damaged files opens, and lacks what cannot be read and nothing else.
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/metadata.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/random.h"
#include "gateway/queue/offline_queue.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/store_files.h"
#include "gateway/queue/stored_records.h"
#include "tests/unit/queue/queue_fixture.h"

namespace gateway::queue {
namespace {

using pipeline::LogId;
using pipeline::Seq;

constexpr std::uint64_t kEvents = 120;  // Of each log, in records of one.
constexpr std::uint64_t kSettled = 30;
constexpr std::uint64_t kDead = 3;

using Damage = std::function<void(const std::string& file)>;

void Flip(const std::string& file, std::uint64_t at) {
  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekg(static_cast<std::streamoff>(at));
  const auto byte = static_cast<char>(bytes.get() ^ 0x20);
  bytes.seekp(static_cast<std::streamoff>(at));
  bytes.put(byte);
}

std::size_t Find(const std::string& file, const std::string& text) {
  std::ifstream bytes(file, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(bytes), {}).find(text);
}

void FlipMiddle(const std::string& file) { Flip(file, std::filesystem::file_size(file) / 2); }
void FlipEnd(const std::string& file) { Flip(file, std::filesystem::file_size(file) - 4); }
void CutOff(const std::string& file) {
  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
}
void Remove(const std::string& file) { std::filesystem::remove(file); }

class SalvageTest : public QueueFixture {
 protected:
  /// A directory as FillOnce left it.
  void Fill() {
    static const tests::TempDir kFilled;
    static const std::vector<pipeline::LogState> kStates = [&] {
      FillOnce();
      std::filesystem::copy(path(), kFilled / "queue", std::filesystem::copy_options::recursive);
      return before_;
    }();
    std::filesystem::remove_all(path());
    std::filesystem::copy(kFilled / "queue", path(), std::filesystem::copy_options::recursive);
    before_ = kStates;
  }

  /// Three logs with events, settled ones, dead letters, refused events and remembered ids, all of
  /// it in tables: those of the queue are two, with half of each log's events.
  void FillOnce() {
    for (const int half : {0, 1}) {
      {
        auto queue = Open();
        for (const char* tenant : {"acme", "globex", "initech"}) FillHalf(*queue, tenant, half);
      }
      Tamper([&](RocksStore& store) {
        for (std::size_t i = 0; i < kFamilyCount; ++i) {
          ASSERT_TRUE(
              store.db().Flush(rocksdb::FlushOptions(), store.family(static_cast<Family>(i))).ok());
        }
      });
    }
    auto queue = Open();
    for (const pipeline::LogState& state : (*queue)->Logs()) before_.push_back(state);
  }

  void FillHalf(tests::RunningQueue& queue, const char* tenant, int half) {
    const LogId log = queue->OpenLog(tenant)->log;
    for (std::uint64_t i = 0; i < kEvents / 2; ++i) {
      const std::uint64_t number = static_cast<std::uint64_t>(half) * kEvents / 2 + i;
      pipeline::AppendRequest request;
      request.log = log;
      request.dedupe = kDayOfIds;
      request.events.Append(Text(number));
      request.events.ids.push_back({.high = 0x8000000000000000U | log, .low = number});
      if (i % 10 == 0) request.rejected.push_back({.code = "bad", .event = "{}"});
      ASSERT_TRUE(queue.Append(std::move(request)));
    }
    if (half == 1) return;
    pipeline::Settlement settlement{.log = log, .cursor = {kSettled, 0}};
    for (Seq chunk = 0; chunk < kSettled; ++chunk) settlement.finished_chunks.push_back(chunk);
    for (std::uint64_t i = 0; i < kDead; ++i) {
      settlement.dead.push_back(
          {.stage = pipeline::DeadLetterStage::kDelivery, .code = "dead", .event = "{}"});
    }
    ASSERT_TRUE(queue.Settle(std::move(settlement)));
  }

  /// An event of 2 KB that no compression makes small.
  static std::string Text(std::uint64_t number) {
    common::FastRandom random(number + 1);
    std::string text = std::to_string(number) + " ";
    while (text.size() < 2'000) text += static_cast<char>('a' + random.Next() % 26);
    return text;
  }

  std::vector<std::string> TablesOf(Family family) const {
    std::vector<std::string> files;
    StoreHealth health;
    const auto store = RocksStore::OpenToRead(Defaults(), health);
    EXPECT_TRUE(store) << store.error().message;
    std::vector<rocksdb::LiveFileMetaData> tables;
    (*store)->db().GetLiveFilesMetaData(&tables);
    for (const rocksdb::LiveFileMetaData& table : tables) {
      if (table.column_family_name == FamilyName(family)) files.push_back(path() + table.name);
    }
    std::ranges::sort(files);
    return files;
  }

  struct Found {
    std::vector<std::uint64_t> numbers;  ///< Of the events that are pending and whole.
    std::uint64_t damaged = 0;
  };
  /// Everything pending; settles none of it.
  static Found ReadAll(tests::RunningQueue& queue, LogId log) {
    Found found;
    pipeline::ReadRequest request = From(*queue->State(log));
    while (true) {
      const auto batch = queue.Read(request);
      EXPECT_TRUE(batch) << batch.error().message;
      if (!batch) return found;
      for (const auto& [first, end] : batch->damaged) found.damaged += end - first;
      for (const std::string& text : Texts(*batch)) {
        const std::uint64_t number = std::stoull(text);
        EXPECT_EQ(text, Text(number));
        found.numbers.push_back(number);
      }
      if (batch->slices.empty()) return found;
      request.from = {.chunk = batch->slices.back().chunk->end(), .index = 0};
    }
  }

  /// Opens the damaged store; what can be expected of any damage. Returns the lost events.
  std::uint64_t ExpectOpensAndFlows(bool cursors_may_be_lost = false) {
    std::uint64_t lost = 0;
    {
      auto queue = Open(WithoutHotTail());
      for (const pipeline::LogState& before : before_) {
        const auto state = (*queue)->State(before.log);
        EXPECT_TRUE(state);
        EXPECT_EQ(state->tenant, before.tenant);
        EXPECT_EQ(state->tail, before.tail) << "Seqs are not used twice, and none is forgotten";
        if (!cursors_may_be_lost) EXPECT_EQ(state->cursor, before.cursor);
        const Found found = ReadAll(*queue, before.log);
        EXPECT_TRUE(std::ranges::is_sorted(found.numbers));
        EXPECT_EQ(found.numbers.size() + found.damaged, state->pending());
        lost += found.damaged;
        EXPECT_TRUE(queue->AppendTexts(before.log, {Text(before.tail)}));
      }
    }
    Tamper([](RocksStore& store) {
      EXPECT_TRUE(store.CompactQueue().ok()) << "no damage is left in the way";
    });
    EXPECT_FALSE(std::filesystem::exists(path() + "/check-tables"));
    EXPECT_FALSE(std::filesystem::exists(path() + "/check-cursors"));
    auto again = Open(WithoutHotTail());
    EXPECT_EQ((*again)->State(before_[0].log)->tail, before_[0].tail + 1);
    return lost;
  }

  std::size_t Kept() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(std::filesystem::directory_iterator(path()), [](const auto& entry) {
          return entry.path().filename().string().starts_with(kDamagedPrefix);
        }));
  }

  std::vector<pipeline::LogState> before_;
};

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
  for (const Damage& damage : {Damage(CutOff), Damage(FlipEnd), Damage(Remove)}) {
    Fill();
    for (const std::string& table : TablesOf(Family::kMeta)) damage(table);
    EXPECT_EQ(ExpectOpensAndFlows(true), 0U);
  }
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
  const auto manifest = [&] {
    for (const auto& entry : std::filesystem::directory_iterator(path())) {
      const std::string name = entry.path().filename();
      if (name.starts_with("MANIFEST-")) return entry.path().string();
    }
    return std::string();
  };
  const std::vector<Damage> damages{
      [&](const std::string&) { FlipMiddle(manifest()); },
      [&](const std::string&) { std::filesystem::resize_file(manifest(), 10); },
      [&](const std::string&) { Remove(manifest()); },
      [&](const std::string& folder) { std::ofstream(folder + "/CURRENT") << "garbage"; },
      [&](const std::string& folder) { Remove(folder + "/CURRENT"); },
  };
  for (const Damage& damage : damages) {
    Fill();
    damage(path());
    EXPECT_EQ(ExpectOpensAndFlows(), 0U);
  }
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
  const std::string log = LogFile();
  Flip(log, Find(log, "globex"));
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

TEST_F(KilledStoreTest, AnOlderStoreMayBeDamagedToo) {
  std::filesystem::copy(std::string(GW_GOLDEN_DIR) + "/store-2-before-tails", path());
  std::ofstream(path() + "/check-tables").flush();
  auto queue = Open();
  EXPECT_EQ((*queue)->OpenLog("acme")->pending(), 3U);
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

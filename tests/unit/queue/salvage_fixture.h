// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/metadata.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "common/random.h"
#include "gateway/queue/log_file.h"
#include "gateway/queue/store_files.h"
#include "tests/unit/queue/queue_fixture.h"

namespace gateway::queue {

inline constexpr std::uint64_t kEvents = 120;  // Of each log, in records of one.
inline constexpr std::uint64_t kSettled = 30;
inline constexpr std::uint64_t kDead = 3;

using Damage = std::function<void(const std::string& file)>;

inline void Flip(const std::string& file, std::uint64_t at) {
  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekg(static_cast<std::streamoff>(at));
  const auto byte = static_cast<char>(bytes.get() ^ 0x20);
  bytes.seekp(static_cast<std::streamoff>(at));
  bytes.put(byte);
}

inline std::string ReadAllOf(const std::string& file) {
  std::ifstream bytes(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(bytes), {}};
}

inline std::size_t Find(const std::string& file, const std::string& text) {
  return ReadAllOf(file).find(text);
}

inline void FlipMiddle(const std::string& file) {
  Flip(file, std::filesystem::file_size(file) / 2);
}
inline void FlipEnd(const std::string& file) { Flip(file, std::filesystem::file_size(file) - 4); }
inline void CutOff(const std::string& file) {
  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
}
inline void Remove(const std::string& file) { std::filesystem::remove(file); }

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
    const pipeline::LogId log = queue->OpenLog(tenant)->log;
    for (std::uint64_t i = 0; i < kEvents / 2; ++i) {
      const std::uint64_t number = static_cast<std::uint64_t>(half) * kEvents / 2 + i;
      pipeline::AppendRequest request;
      request.log = log;
      request.received_at = clock_.Wall();
      request.dedupe = kDayOfIds;
      request.events.Append(Text(number));
      request.events.ids.push_back(IdOf(log, number));
      if (i % 10 == 0) request.rejected.push_back({.code = "bad", .event = "{}"});
      ASSERT_TRUE(queue.Append(std::move(request)));
    }
    if (half == 1) return;
    pipeline::Settlement settlement{.log = log, .cursor = {kSettled, 0}};
    for (pipeline::Seq chunk = 0; chunk < kSettled; ++chunk)
      settlement.finished_chunks.push_back(chunk);
    for (std::uint64_t i = 0; i < kDead; ++i) {
      settlement.dead.push_back(
          {.stage = pipeline::DeadLetterStage::kDelivery, .code = "dead", .event = "{}"});
    }
    ASSERT_TRUE(queue.Settle(std::move(settlement)));
  }

  static pipeline::EventId IdOf(pipeline::LogId log, std::uint64_t number) {
    return {.high = 0x8000000000000000U | log, .low = number};
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
  static Found ReadAll(tests::RunningQueue& queue, pipeline::LogId log) {
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
        if (!cursors_may_be_lost) {
          EXPECT_EQ(state->cursor, before.cursor);
          EXPECT_EQ(state->dead, before.dead);
        }
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

  /// RocksDB's list of the tables.
  std::string Manifest() const {
    for (const auto& entry : std::filesystem::directory_iterator(path())) {
      if (entry.path().filename().string().starts_with("MANIFEST-")) return entry.path();
    }
    return "";
  }

  /// The store with its list cut off here and there in its records, all through it.
  void ForEachTornList(const std::function<void()>& expect) {
    const std::string whole = dir_ / "whole";
    std::filesystem::copy(path(), whole);
    const std::string list = ReadAllOf(Manifest());
    for (std::size_t size = 1; size < list.size(); size += 29) {
      if (IsWhole(list.substr(0, size))) continue;  // Between two records.
      SCOPED_TRACE(std::to_string(size) + " bytes of the list");
      std::filesystem::remove_all(path());
      std::filesystem::copy(whole, path());
      std::filesystem::resize_file(Manifest(), size);
      expect();
    }
  }

  std::size_t Kept() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(std::filesystem::directory_iterator(path()), [](const auto& entry) {
          return entry.path().filename().string().starts_with(kDamagedPrefix);
        }));
  }

  std::vector<pipeline::LogState> before_;
};

}  // namespace gateway::queue

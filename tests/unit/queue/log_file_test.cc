// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/log_file.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace gateway::queue {
namespace {

bool Synced(std::string_view) { return true; }
bool NotSynced(std::string_view) { return false; }

/// A log file that RocksDB wrote: one write for each size, the n-th with sequence number n; and
/// where each ends.
struct Written {
  std::string bytes;
  std::vector<std::uint64_t> ends;
};

std::string ReadLogFile(const std::string& directory) {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() != ".log") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  return {};
}

Written Write(const std::vector<std::size_t>& sizes) {
  const tests::TempDir dir;
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  EXPECT_TRUE(rocksdb::DB::Open(options, dir / "db", &opened).ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  Written written;
  for (const std::size_t size : sizes) {
    EXPECT_TRUE(db->Put(rocksdb::WriteOptions(), "key", std::string(size, 'v')).ok());
    written.bytes = ReadLogFile(dir / "db");
    written.ends.push_back(written.bytes.size());
  }
  return written;
}

TEST(LogFile, KnowsWhereEachWriteEnds) {
  // Small ones, ones over several blocks of 32 KiB, and one that leaves less than a header.
  const Written written = Write({0, 10, 40'000, 100'000, 32'768 - 7, 5, 200'000, 1});
  for (std::size_t n = 0; n <= written.ends.size(); ++n) {
    EXPECT_EQ(BytesOfWritesUpTo(n, written.bytes), n == 0 ? 0 : written.ends[n - 1]);
  }
  EXPECT_EQ(BytesOfWritesUpTo(1'000, written.bytes), written.bytes.size());
}

TEST(LogFile, LeavesOutAWriteThatIsTorn) {
  const Written written = Write({10, 70'000});
  for (const std::size_t cut : {1UL, 10UL, 35'000UL, 69'000UL}) {
    const std::string torn = written.bytes.substr(0, written.bytes.size() - cut);
    EXPECT_EQ(BytesOfWritesUpTo(1'000, torn), written.ends[0]) << cut;
    // As a file whose space was reserved.
    EXPECT_EQ(BytesOfWritesUpTo(1'000, torn + std::string(100'000, '\0')), written.ends[0]) << cut;
  }
}

TEST(LogFile, LeavesOutAWriteThatIsDamaged) {
  const Written written = Write({10, 70'000, 10});
  for (std::size_t at = written.ends[0]; at < written.ends[1]; at += 997) {
    std::string damaged = written.bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_EQ(BytesOfWritesUpTo(1'000, damaged), written.ends[0]) << at;
  }
}

TEST(LogFile, TakesAnyBytes) {
  EXPECT_EQ(BytesOfWritesUpTo(1, ""), 0U);
  EXPECT_EQ(BytesOfWritesUpTo(1, "abc"), 0U);
  EXPECT_EQ(BytesOfWritesUpTo(1, std::string(100'000, '\xff')), 0U);
  EXPECT_EQ(BytesOfWritesUpTo(1, std::string(100'000, '\0')), 0U);
}

std::string Flip(std::string bytes, std::size_t at) {
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  return bytes;
}

TEST(LogFile, WithoutItsDamageHoldsEveryOtherWrite) {
  const std::vector<std::size_t> sizes{10, 300, 70'000, 20, 40'000, 10, 10};
  const Written all = Write(sizes);
  for (std::size_t n = 0; n + 1 < sizes.size(); ++n) {
    const std::size_t begin = n == 0 ? 0 : all.ends[n - 1];
    for (const std::size_t at : {begin, begin + 8, (begin + all.ends[n]) / 2, all.ends[n] - 1}) {
      const auto whole = WithoutDamage(Flip(all.bytes, at), false, Synced);
      ASSERT_TRUE(whole) << n << " at " << at;
      EXPECT_EQ(WithoutDamage(*whole, false, Synced), std::nullopt) << "sound";
      EXPECT_EQ(BytesOfWritesUpTo(n, *whole), begin) << "what came before is as it was";
      EXPECT_EQ(BytesOfWritesUpTo(1'000, *whole), whole->size());
      // As large as it would be without that write, but for how the others fall into blocks.
      const std::size_t gone = all.ends[n] - begin;
      EXPECT_NEAR(static_cast<double>(whole->size()), static_cast<double>(all.bytes.size() - gone),
                  40)
          << n << " at " << at;
    }
  }
}

TEST(LogFile, WhatIsSoundOrMerelyTornIsLeftAlone) {
  const Written all = Write({10, 70'000, 10});
  EXPECT_EQ(WithoutDamage(all.bytes, false, Synced), std::nullopt);
  EXPECT_EQ(WithoutDamage(all.bytes + std::string(50'000, '\0'), false, Synced), std::nullopt);
  EXPECT_EQ(WithoutDamage("", false, Synced), std::nullopt);
  for (const std::size_t cut : {1UL, 20UL, 35'000UL}) {
    const std::string torn = all.bytes.substr(0, all.bytes.size() - cut);
    EXPECT_EQ(WithoutDamage(torn, false, Synced), std::nullopt) << cut;
    EXPECT_EQ(WithoutDamage(torn + std::string(50'000, '\0'), false, Synced), std::nullopt) << cut;
  }
  EXPECT_EQ(WithoutDamage(Flip(all.bytes, all.bytes.size() - 3), false, Synced), std::nullopt)
      << "the last write";
}

TEST(LogFile, AWrongLengthCostsItsOwnWriteAlone) {
  const Written all = Write({100, 200, 300, 400, 500, 600});  // In one block.
  for (std::size_t n = 0; n + 1 < all.ends.size(); ++n) {
    const std::size_t begin = n == 0 ? 0 : all.ends[n - 1];
    for (std::size_t at = begin; at < begin + 7; ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string bytes = all.bytes;
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
        const std::string others = all.bytes.substr(0, begin) + all.bytes.substr(all.ends[n]);
        EXPECT_EQ(WithoutDamage(bytes, false, Synced), others) << n << " at " << at - begin;
      }
    }
  }
}

TEST(LogFile, TornEndBeforeLaterWritesIsDamage) {
  const Written all = Write({10, 70'000, 10});
  EXPECT_EQ(WithoutDamage(all.bytes, true, Synced), std::nullopt);
  EXPECT_EQ(WithoutDamage("", true, Synced), std::nullopt);
  const std::string two = all.bytes.substr(0, all.ends[1]);
  for (const std::string& torn :
       {all.bytes.substr(0, all.bytes.size() - 1), all.bytes.substr(0, all.ends[1] + 20),
        two + std::string(50'000, '\0'), Flip(all.bytes, all.bytes.size() - 3)}) {
    EXPECT_EQ(WithoutDamage(torn, true, Synced), two);
  }
  const std::string one = all.bytes.substr(0, all.ends[0]);
  EXPECT_EQ(WithoutDamage(all.bytes.substr(0, all.ends[1] - 35'000), true, Synced), one)
      << "within a write of several blocks";
  EXPECT_EQ(WithoutDamage("no write at all", true, Synced), "");
}

TEST(LogFile, WritesThatWereNotSyncedProveNoDamage) {
  const Written all = Write({10, 300, 20});
  EXPECT_EQ(WithoutDamage(Flip(all.bytes, 5), false, NotSynced), std::nullopt)
      << "a disk may have lost the first of them alone";
  EXPECT_TRUE(WithoutDamage(Flip(all.bytes, 5), true, NotSynced))
      << "a newer file has one that was";
}

TEST(LogFile, KnowsWhetherItIsWhole) {
  const Written all = Write({10, 70'000, 10});
  EXPECT_TRUE(IsWhole(""));
  EXPECT_TRUE(IsWhole(all.bytes));
  EXPECT_TRUE(IsWhole(all.bytes.substr(0, all.ends[1])));
  EXPECT_FALSE(IsWhole(all.bytes + std::string(8, '\0')));
  for (std::size_t at = 0; at < all.bytes.size(); at += 97) {
    EXPECT_FALSE(IsWhole(Flip(all.bytes, at))) << at;
    if (at == 0 || at == all.ends[0] || at == all.ends[1]) continue;
    EXPECT_FALSE(IsWhole(all.bytes.substr(0, at))) << at;
  }
}

TEST(LogFile, KnowsWhetherItHoldsASyncedWrite) {
  const Written all = Write({10});
  EXPECT_FALSE(HoldsSyncedWrite(all.bytes, NotSynced));
  EXPECT_TRUE(HoldsSyncedWrite(all.bytes, Synced));
  EXPECT_FALSE(HoldsSyncedWrite("", Synced));
  EXPECT_FALSE(HoldsSyncedWrite(all.bytes.substr(0, all.bytes.size() - 1), Synced));
}

}  // namespace
}  // namespace gateway::queue

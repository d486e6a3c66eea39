// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/raw_table.h"

#include <gtest/gtest.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "common/random.h"
#include "tests/support/temp_dir.h"

namespace gateway::queue {
namespace {

using Rows = std::map<std::string, std::string>;

class RawTableTest : public testing::Test {
 protected:
  /// Values of up to 5 KB, some of which LZ4 makes smaller.
  static Rows MakeRows() {
    Rows rows;
    common::FastRandom random(3);
    for (int i = 0; i < 300; ++i) {
      std::string value;
      const std::uint64_t letters = i % 2 == 0 ? 2 : 256;
      const std::uint64_t size = random.Next() % 5'000;
      while (value.size() < size) value += static_cast<char>('a' + random.Next() % letters);
      rows["key" + std::to_string(1'000 + i)] = value;
    }
    return rows;
  }

  std::string Write(const Rows& rows, rocksdb::CompressionType compression) const {
    rocksdb::Options options;
    options.compression = compression;
    rocksdb::BlockBasedTableOptions table;
    table.format_version = 5;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options);
    EXPECT_TRUE(writer.Open(dir_ / "table.sst").ok());
    for (const auto& [key, value] : rows) EXPECT_TRUE(writer.Put(key, value).ok());
    EXPECT_TRUE(writer.Delete("later").ok());
    EXPECT_TRUE(writer.Finish().ok());
    std::ifstream file(dir_ / "table.sst", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  static Rows Read(std::string_view bytes) {
    Rows rows;
    ForEachRawRow(bytes,
                  [&](std::string_view key, std::string_view value) { rows.emplace(key, value); });
    return rows;
  }

  tests::TempDir dir_;
};

TEST_F(RawTableTest, FindsEveryRowWithoutTheEndOfTheFile) {
  const Rows rows = MakeRows();
  for (const auto compression : {rocksdb::kLZ4Compression, rocksdb::kNoCompression}) {
    const std::string bytes = Write(rows, compression);
    const Rows found = Read(std::string_view(bytes).substr(0, bytes.size() - 60));
    for (const auto& [key, value] : rows) {
      ASSERT_TRUE(found.contains(key)) << key;
      EXPECT_EQ(found.at(key), value);
    }
    EXPECT_FALSE(found.contains("later"));
  }
}

TEST_F(RawTableTest, AnythingMayBeInTheFile) {
  const Rows rows = MakeRows();
  const std::string bytes = Write(rows, rocksdb::kLZ4Compression);
  common::FastRandom random(5);
  for (int round = 0; round < 100; ++round) {
    std::string damaged = bytes.substr(0, random.Next() % bytes.size());
    for (std::uint64_t flips = random.Next() % 5; flips > 0 && !damaged.empty(); --flips) {
      damaged[random.Next() % damaged.size()] ^= static_cast<char>(1U << random.Next() % 8);
    }
    for (const auto& [key, value] : Read(damaged)) {
      const auto written = rows.find(key);
      if (written != rows.end()) EXPECT_EQ(value, written->second);
    }
  }
  std::string noise;
  while (noise.size() < 100'000) noise += static_cast<char>(random.Next());
  EXPECT_TRUE(Read(noise).empty());
}

}  // namespace
}  // namespace gateway::queue

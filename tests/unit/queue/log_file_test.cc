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

}  // namespace
}  // namespace gateway::queue

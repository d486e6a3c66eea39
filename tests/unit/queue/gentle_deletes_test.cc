// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/gentle_deletes.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "tests/support/temp_dir.h"

namespace gateway::queue {
namespace {

constexpr std::uint64_t kPiece = 1000;

class GentleDeletesTest : public ::testing::Test {
 protected:
  /// A file of 3.5 pieces.
  std::string Make(const std::string& name) {
    std::string path = dir_ / name;
    std::ofstream(path) << std::string(3500, 'x');
    return path;
  }

  rocksdb::IOStatus Delete(const std::string& path) {
    return files_.DeleteFile(path, rocksdb::IOOptions(), nullptr);
  }

  /// Deletes the file and says what it still held when it was closed.
  std::streamoff LeftWhenClosed(const std::string& path) {
    std::ifstream reader(path);
    EXPECT_TRUE(Delete(path).ok());
    EXPECT_FALSE(std::filesystem::exists(path));
    reader.seekg(0, std::ios::end);
    return reader.tellg();
  }

  tests::TempDir dir_;
  GentleDeletes files_{rocksdb::FileSystem::Default(), kPiece};
};

TEST_F(GentleDeletesTest, ALogFileGoesInPieces) {
  EXPECT_EQ(LeftWhenClosed(Make("000012.log")), 500);
}

TEST_F(GentleDeletesTest, WhatSomebodyMayStillReadGoesAsItIs) {
  EXPECT_EQ(LeftWhenClosed(Make("000012.sst")), 3500);
  EXPECT_EQ(LeftWhenClosed(Make("MANIFEST-000012")), 3500);
}

TEST_F(GentleDeletesTest, AnotherNameKeepsTheBytes) {
  const std::string path = Make("000012.log");
  std::filesystem::create_hard_link(path, dir_ / "kept");
  EXPECT_TRUE(Delete(path).ok());
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(std::filesystem::file_size(dir_ / "kept"), 3500U);
}

TEST_F(GentleDeletesTest, AMissingFileIsAnError) { EXPECT_FALSE(Delete(dir_ / "000013.log").ok()); }

}  // namespace
}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/gentle_deletes.h"

#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <unistd.h>

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

  /// Deletes the file and says how often its size was changed before it was gone.
  int PiecesOf(const std::string& path) {
    const int watch = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    EXPECT_GE(::inotify_add_watch(watch, path.c_str(), IN_MODIFY | IN_DELETE_SELF), 0);
    EXPECT_TRUE(Delete(path).ok());
    EXPECT_FALSE(std::filesystem::exists(path));
    int pieces = 0;
    inotify_event event{};
    // Of a file that is watched itself an event has no name behind it. Equal ones in a row are
    // one while nobody reads, so this says only whether there was any.
    while (::read(watch, &event, sizeof(event)) == sizeof(event)) {
      if ((event.mask & IN_MODIFY) != 0) ++pieces;
    }
    ::close(watch);
    return pieces;
  }

  tests::TempDir dir_;
  GentleDeletes files_{rocksdb::FileSystem::Default(), kPiece};
};

TEST_F(GentleDeletesTest, LogFilesAndTablesGoInPieces) {
  EXPECT_GT(PiecesOf(Make("000012.log")), 0);
  EXPECT_GT(PiecesOf(Make("000012.sst")), 0);
  EXPECT_EQ(PiecesOf(Make("MANIFEST-000012")), 0);
}

TEST_F(GentleDeletesTest, WhatSomebodyReadsGoesAsOne) {
  const std::string path = Make("000012.sst");
  std::ifstream reader(path);
  EXPECT_EQ(PiecesOf(path), 0);
  reader.seekg(0, std::ios::end);
  EXPECT_EQ(reader.tellg(), 3500);
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

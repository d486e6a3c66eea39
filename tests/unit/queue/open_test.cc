// SPDX-License-Identifier: Apache-2.0
//
// A store that cannot be used is refused with one sentence that names it and says what to
// do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "gateway/queue/record_key.h"
#include "gateway/queue/stored_records.h"
#include "tests/unit/queue/queue_fixture.h"

namespace gateway::queue {
namespace {

using common::ErrorCode;
using testing::AllOf;
using testing::HasSubstr;

class OpenTest : public QueueFixture {
 protected:
  common::Error Refusal(const Options& options) {
    prometheus::Registry registry;
    auto queue = RocksQueue::Open(options, clock_, registry);
    if (queue) {
      ADD_FAILURE() << "was opened";
      return {};
    }
    return queue.error();
  }
};

TEST_F(OpenTest, MakesMissingDirectories) {
  Options options = Defaults();
  options.path = dir_ / "a/b/c";
  auto queue = Open(options);
  EXPECT_TRUE((*queue)->health().ok);
  EXPECT_TRUE(std::filesystem::is_directory(options.path));
  EXPECT_FALSE(std::filesystem::exists(options.path + "/write-probe"));
}

TEST_F(OpenTest, SecondOpenerIsRefused) {
  auto queue = Open();
  const common::Error error = Refusal(Defaults());
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_THAT(error.message, AllOf(HasSubstr(path()), HasSubstr("in use by another process"),
                                   HasSubstr("storage.path")));
  queue.reset();
  EXPECT_NO_THROW(Open());
}

TEST_F(OpenTest, UnknownVersionIsRefusedAndLeftAlone) {
  Open().reset();
  Tamper([](RocksStore& store) {
    rocksdb::WriteBatch batch;
    batch.Put(store.family(Family::kMeta), kVersionKey, EncodeNumber(99));
    ASSERT_TRUE(store.Write(batch, true).ok());
  });
  for (int i = 0; i < 2; ++i) {
    const common::Error error = Refusal(Defaults());
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.message, AllOf(HasSubstr(path()), HasSubstr("format version 99"),
                                     HasSubstr("run the release that wrote it")));
  }
}

TEST_F(OpenTest, VersionIsToldBeforeUnknownColumnFamilies) {
  Open().reset();
  Tamper([](RocksStore& store) {
    rocksdb::ColumnFamilyHandle* future = nullptr;
    ASSERT_TRUE(store.db().CreateColumnFamily({}, "future", &future).ok());
    ASSERT_TRUE(store.db().DestroyColumnFamilyHandle(future).ok());
    rocksdb::WriteBatch batch;
    batch.Put(store.family(Family::kMeta), kVersionKey, EncodeNumber(3));
    ASSERT_TRUE(store.Write(batch, true).ok());
  });
  EXPECT_THAT(Refusal(Defaults()).message, HasSubstr("format version 3"));
}

TEST_F(OpenTest, StoreOfVersionOneIsTakenOver) {
  // It had refused events among the dead letters, and none of the families that came later.
  const pipeline::DeadLetter old{.stage = pipeline::DeadLetterStage::kIngest, .code = "old"};
  pipeline::LogId log = 0;
  {
    auto queue = Open();
    log = (*queue)->OpenLog("acme")->log;
    ASSERT_TRUE(queue->AppendTexts(log, Numbered(0, 2)));
  }
  Tamper([&](RocksStore& store) {
    rocksdb::WriteBatch batch;
    batch.Put(store.family(Family::kMeta), kVersionKey, EncodeNumber(1));
    batch.Put(store.family(Family::kMeta), kDeadIdKey, EncodeNumber(1000));
    batch.Put(store.family(Family::kDead), EncodeKey(EntryKey{log, 1000}), EncodeDeadLetter(old));
    ASSERT_TRUE(store.Write(batch, true).ok());
    for (const Family later : {Family::kRejected, Family::kIds}) {
      ASSERT_TRUE(store.db().DropColumnFamily(store.family(later)).ok());
    }
  });
  for (int opening = 0; opening < 2; ++opening) {
    auto queue = Open();
    EXPECT_EQ(Pending(*queue, log), Numbered(0, 2));
    ASSERT_TRUE(queue->Append({.log = log, .rejected = {{.code = "new"}}}));
    const auto letters = (*queue)->ReadDeadLetters(log, 0, 10);
    ASSERT_TRUE(letters) << letters.error().message;
    EXPECT_EQ(letters->size(), 2U + static_cast<std::size_t>(opening));
    EXPECT_EQ(letters->front().second.code, "old");
  }
  Tamper([](RocksStore& store) {
    EXPECT_EQ(*store.GetMeta(kVersionKey), EncodeNumber(RocksStore::kFormatVersion));
  });
}

TEST_F(OpenTest, FileInTheWayIsRefused) {
  std::ofstream(dir_ / "file") << "x";
  Options options = Defaults();
  options.path = dir_ / "file/queue";
  EXPECT_THAT(Refusal(options).message,
              AllOf(HasSubstr(options.path), HasSubstr("cannot be made")));
  options.path = dir_ / "file";
  EXPECT_THAT(Refusal(options).message, HasSubstr(options.path));
}

TEST_F(OpenTest, UnwritableDirectoryIsRefused) {
  Options options = Defaults();
  options.path = "/proc/self";  // Not even root may write here.
  const common::Error error = Refusal(options);
  EXPECT_EQ(error.code, ErrorCode::kIo);
  EXPECT_THAT(error.message, AllOf(HasSubstr("/proc/self"), HasSubstr("cannot be written")));
}

TEST_F(OpenTest, AStoreOfALaterFormatIsNotTouched) {
  Open().reset();
  std::ofstream(path() + "/format-version") << "9\n";
  const auto files = [&] {
    std::map<std::string, std::filesystem::file_time_type> times;
    for (const auto& entry : std::filesystem::directory_iterator(path())) {
      if (entry.path().filename() == kLockFile) continue;
      times[entry.path().filename()] = entry.last_write_time();
    }
    return times;
  };
  const auto before = files();
  EXPECT_THAT(Refusal(Defaults()).message, AllOf(HasSubstr(path()), HasSubstr("version 9")));
  EXPECT_EQ(files(), before);
}

TEST_F(OpenTest, IncompleteOptionsAreRefused) {
  const auto unset = [&](auto change) {
    Options options = Defaults();
    change(options);
    return Refusal(options).code;
  };
  EXPECT_EQ(unset([](Options& o) { o.path.clear(); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(unset([](Options& o) { o.max_commit_bytes = 0; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(unset([](Options& o) { o.write_buffer_count = 1; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(unset([](Options& o) { o.max_chunk_bytes = 2ULL << 30; }), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/env.h>
#include <rocksdb/iterator.h>
#include <rocksdb/sst_file_reader.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"

namespace gateway::queue {

/// Whether each block of a table file can be read; reads all of it.
rocksdb::Status CheckTable(rocksdb::Env* env, const std::string& file);

/// A table file that is damaged somewhere, on its own, without the store around it. Not
/// thread-safe.
class DamagedTable {
 public:
  /// Fails when the file is gone, or when its end is damaged: that says where its blocks are,
  /// and without it none can be read.
  static common::Result<DamagedTable> Open(rocksdb::Env* env, const std::string& file);

  /// The name of the family whose rows these are.
  const std::string& family() const { return family_; }
  /// Rows and deletions that the whole file held.
  std::uint64_t entries() const { return entries_; }

  /// Calls `visit` for each row that can be read, in the order of keys, until one call fails.
  /// Rows that are deleted in the same file are not among them. Returns whether all could be
  /// read.
  common::Result<bool> ForEachRow(
      const std::function<common::Status(std::string_view key, std::string_view value)>& visit)
      const;

 private:
  explicit DamagedTable(std::unique_ptr<rocksdb::SstFileReader> reader);
  std::unique_ptr<rocksdb::Iterator> Seek(std::string_view key) const;
  bool ReadableFrom(std::string_view key) const;
  /// The first key behind the unreadable blocks that begin at `from`; nothing when they reach to
  /// the end.
  std::optional<std::string> SkipUnreadable(std::string_view from) const;

  std::unique_ptr<rocksdb::SstFileReader> reader_;
  std::string family_;
  std::uint64_t entries_ = 0;
};

}  // namespace gateway::queue

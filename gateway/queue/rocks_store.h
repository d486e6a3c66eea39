// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "gateway/pipeline/event.h"
#include "gateway/queue/health_listener.h"
#include "gateway/queue/id_filter.h"
#include "gateway/queue/options.h"
#include "gateway/queue/rocks_options.h"
#include "gateway/queue/settled_filter.h"
#include "gateway/queue/store_health.h"

namespace gateway::queue {

/// The open RocksDB database: its lock, its families, its format version. Thread-safe, but
/// only the committer (and OpenLog, for the registry) writes. The destructor syncs and
/// closes.
class RocksStore {
 public:
  /// The version of the whole store's layout, written at each opening, and the oldest one
  /// that can be opened.
  static constexpr std::uint64_t kFormatVersion = 2;
  static constexpr std::uint64_t kOldestFormatVersion = 1;

  /// Fails with a message that names the directory and says what to do when it cannot be
  /// written, when another process has it open, when it was written by another format
  /// version or when RocksDB cannot open it. What is damaged is taken out first (table_check.h,
  /// salvage.h), where RocksDB cannot open the store or options.path has the mark kCheckTables.
  /// `health` outlives the store.
  static common::Result<std::unique_ptr<RocksStore>> Open(const Options& options,
                                                          StoreHealth& health);
  /// The same store, to be read only: nothing in the directory changes, and the process that
  /// has it open is not disturbed. Shows the moment of the opening. Never call what writes.
  static common::Result<std::unique_ptr<RocksStore>> OpenToRead(const Options& options,
                                                                StoreHealth& health);
  ~RocksStore();
  RocksStore(const RocksStore&) = delete;
  RocksStore& operator=(const RocksStore&) = delete;

  const std::string& path() const { return path_; }
  rocksdb::DB& db() const { return *db_; }
  rocksdb::ColumnFamilyHandle* family(Family family) const {
    return families_[static_cast<std::size_t>(family)];
  }

  /// One atomic write; with `sync` it is on disk when this returns OK. One at a time: a
  /// write that RocksDB joins with another shares the other's fate.
  rocksdb::Status Write(rocksdb::WriteBatch& batch, bool sync);
  /// Asks RocksDB to take writes again after an error that it calls recoverable. NoSpace
  /// while the disk has too little room to try; kFatalError when only opening the store
  /// again can help.
  rocksdb::Status Resume();

  /// A small write, synced. To be made at each opening and after Resume: it shows that the store
  /// takes writes, and a store that has written nothing since cannot Resume.
  rocksdb::Status WriteVersion();

  /// Rewrites the queue family, so that settled records give their space back. Blocks; needs
  /// room for what is not settled.
  rocksdb::Status CompactQueue();

  /// Puts what families with little traffic hold into tables, so that they keep no old log files:
  /// a backup copies those anew each time. The queue's family stays in memory, where settled
  /// events cost nothing. Blocks. Does nothing on a disk that is nearly full, where a flush
  /// that fails would stop the queue.
  rocksdb::Status FlushSmallFamilies();

  /// Log files with whole writes behind damage, which RocksDB does not get to see: what a store
  /// that is opened to be read lacks.
  std::vector<std::string> DamagedLogFiles() const;

  /// How often event records went from memory to a table, since the opening.
  std::uint64_t queue_flushes() const;

  /// What compactions may drop of the ids family.
  IdCutoffs& id_cutoffs() const { return *id_cutoffs_; }
  /// What flushes and compactions may drop of the queue family.
  SettledCutoffs& settled_cutoffs() const { return *settled_cutoffs_; }

  /// kNotFound when absent.
  common::Result<std::string> Get(Family family, std::string_view key) const;
  common::Result<std::string> GetMeta(std::string_view key) const {
    return Get(Family::kMeta, key);
  }

  /// From now on no file that the store has done with is deleted, until DeleteFiles was called as
  /// often; that blocks on the disk. Thread-safe.
  void KeepFiles();
  void DeleteFiles();

  /// Of the file system the store is on; nothing when it does not say.
  std::optional<std::uint64_t> FreeBytes() const;
  /// Of the write-ahead log.
  std::uint64_t LogFileBytes() const;
  /// Whether RocksDB slows writes down (1) or stops them (2), for compactions to keep up.
  int WriteStall() const;
  /// Bytes on disk of [begin, end) in the queue family, roughly.
  std::uint64_t ApproximateQueueBytes(const std::string& begin, const std::string& end) const;
  /// A RocksDB property as a number, summed over all families; 0 when there is none.
  std::uint64_t Property(const std::string& name) const;

 private:
  struct Lock;

  RocksStore(std::string path, std::unique_ptr<Lock> lock, StoreHealth& health);
  enum class Mode { kWrite, kRead };
  common::Status OpenToWrite(const Options& options);
  common::Status OpenDatabase(const Options& options, Mode mode);
  common::Status CheckVersion();
  rocksdb::Status MendLogFiles();

  const std::string path_;
  std::unique_ptr<Lock> lock_;  ///< Released last.
  StoreHealth& health_;
  const std::shared_ptr<IdCutoffs> id_cutoffs_ = std::make_shared<IdCutoffs>();
  const std::shared_ptr<SettledCutoffs> settled_cutoffs_ = std::make_shared<SettledCutoffs>();
  std::mutex write_mutex_;
  std::mutex keep_mutex_;
  std::size_t keepers_ = 0;  ///< KeepFiles without its DeleteFiles.
  std::shared_ptr<HealthListener> listener_;
  std::unique_ptr<rocksdb::DB> db_;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilyCount> families_{};
  /// Families that a newer release made; RocksDB wants every family opened.
  std::vector<rocksdb::ColumnFamilyHandle*> unknown_families_;
};

/// A walk over the keys of a family in [begin, end). Does not fill the block cache: a
/// backlog is read once. Not thread-safe; short-lived, since it pins what it saw.
class RangeScan {
 public:
  RangeScan(const RocksStore& store, Family family, std::string begin, std::string end);
  RangeScan(const RangeScan&) = delete;
  RangeScan& operator=(const RangeScan&) = delete;

  rocksdb::Iterator* operator->() const { return it_.get(); }
  std::string_view key() const { return it_->key().ToStringView(); }
  std::string_view value() const { return it_->value().ToStringView(); }

 private:
  // RocksDB keeps the addresses of the bounds.
  const std::string begin_;
  const std::string end_;
  const rocksdb::Slice begin_slice_;
  const rocksdb::Slice end_slice_;
  std::unique_ptr<rocksdb::Iterator> it_;
};

/// Fails with what to do when this release does not read the version that a `V` record says.
common::Status CheckFormatVersion(const std::string& path, std::string_view record);
/// The same by kVersionFile, where there is one: opening the database to look would change it.
common::Status CheckVersionFile(rocksdb::Env* env, const std::string& path);

/// Calls `visit` for each record with this prefix in the meta family, or in one that has the same
/// keys, in the order of logs, until one call fails.
common::Status ForEachLogMeta(
    const RocksStore& store, char prefix,
    const std::function<common::Status(pipeline::LogId, std::string_view)>& visit);
common::Status ForEachLogRecord(
    const RocksStore& store, Family family, char prefix,
    const std::function<common::Status(pipeline::LogId, std::string_view)>& visit);

}  // namespace gateway::queue

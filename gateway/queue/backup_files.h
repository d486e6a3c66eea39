// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/file_system.h>
#include <rocksdb/rate_limiter.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>

#include "gateway/queue/backup.h"

namespace gateway::queue {

/// The file system as RocksDB's backup engine sees the directory of backups: tells the
/// progress, counts what is written, slows reads and writes down to a limit, and fails them when
/// it is asked to stop; the engine itself stops late or, while it reads, never. Thread-safe.
class BackupFiles final : public rocksdb::FileSystemWrapper {
 public:
  /// `limit` in bytes a second; 0: none.
  BackupFiles(const std::shared_ptr<rocksdb::FileSystem>& base, BackupProgress progress,
              std::stop_token stop, std::uint64_t limit);
  const char* Name() const override { return "BackupFiles"; }

  /// What is read or written from now on belongs to this step.
  void Begin(BackupStep step, std::uint64_t total);
  std::uint64_t written() const;

  rocksdb::IOStatus NewSequentialFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override;

  // For the files that this makes.
  /// As many of `bytes` as may pass at once.
  std::size_t Part(std::size_t bytes) const;
  rocksdb::IOStatus Wait(std::size_t bytes);
  void AfterRead(std::size_t bytes);
  void AfterWrite(std::size_t bytes);

 private:
  void Tell(std::size_t bytes);

  const BackupProgress progress_;
  const std::stop_token stop_;
  const std::unique_ptr<rocksdb::RateLimiter> limiter_;
  mutable std::mutex mutex_;  // Held while progress_ is called: one call at a time.
  BackupStep step_ = BackupStep::kCopying;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
  std::uint64_t written_ = 0;
  std::chrono::steady_clock::time_point told_;
};

/// Whether a path names something inside a directory, or the directory itself: /a/b is inside /a,
/// /ab is not. Follows links; false where that cannot be told.
bool IsInside(const std::string& path, const std::string& directory);

/// Beside the backups; says that the directory holds ours, and is locked while one is written.
inline constexpr std::string_view kBackupMarker = "segment-gateway-backups";

}  // namespace gateway::queue

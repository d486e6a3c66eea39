// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace gateway::queue {

/// One backup in a directory of backups.
struct Backup {
  std::uint32_t id = 0;       ///< From 1 upwards; a later one is higher.
  common::WallTime taken_at;  ///< Whole seconds.
  std::uint64_t bytes = 0;    ///< Of the store that it restores, shared files included.
  std::uint64_t files = 0;
  /// A file is missing or has a wrong size; then only `id` is known.
  bool damaged = false;
};

struct BackupOptions {
  /// Absolute; made when its parent exists, never inside the store. Backups in one directory
  /// share the files that they have in common.
  std::string directory;
  std::uint32_t keep = 0;  ///< The latest so many stay; 0: all of them.
  /// Of copying and of reading back; 0: no limit. From kMinBackupRate to kMaxBackupRate.
  std::uint64_t bytes_per_second = 0;
  bool read_back = false;  ///< Compare checksums of all that was stored, not sizes alone.
};

inline constexpr std::uint64_t kMinBackupRate = std::uint64_t{64} << 10;
inline constexpr std::uint64_t kMaxBackupRate = std::uint64_t{1} << 40;
/// Of BackupOptions::bytes_per_second: kInvalidArgument names the range.
common::Status CheckBackupRate(std::uint64_t bytes_per_second);

struct BackupReport {
  Backup backup;
  std::uint64_t new_bytes = 0;  ///< Written for it; the rest was there.
  std::uint32_t removed = 0;    ///< Older backups.
};

enum class BackupStep { kCopying, kReadingBack, kRestoring, kOpening };

/// Called now and then, one call at a time, on any thread. `total` is an estimate that `done`
/// may miss, and 0 where there is none; both are bytes. Must not throw.
using BackupProgress =
    std::function<void(BackupStep step, std::uint64_t done, std::uint64_t total)>;

/// As RocksQueue::Backup, for a store that no process has open; takes its lock meanwhile.
/// kUnavailable when one has, kNotFound when there is no store in `path`.
common::Result<BackupReport> BackupClosedStore(const std::string& path,
                                               const BackupOptions& options,
                                               const BackupProgress& progress);

/// The backups in `directory`, oldest first, damaged ones included. kNotFound when it is no
/// directory of backups. Reads no more than names and sizes.
common::Result<std::vector<Backup>> ListBackups(const std::string& directory);

/// Reads a backup and compares checksums; kDataLoss says what is wrong.
common::Status CheckBackup(const std::string& directory, const Backup& backup,
                           const BackupProgress& progress);

struct Restored {
  Backup backup;
  std::uint64_t tenants = 0;
  std::uint64_t pending = 0;  ///< Events that will be delivered.
  bool began_again = false;   ///< In place of a part that a restore had left.
};

/// Makes the store `path` out of a backup, the latest whole one unless `id` names one: checks
/// it, copies and syncs it, and opens the result to see that it is one. `path` must be empty
/// or not there (kInvalidArgument), or hold no more than what a restore that was cut short left
/// of a store, which is removed; after a failure it is empty. A gateway that is started on it
/// meanwhile finds it locked, and one that is started on a part of a store refuses it.
common::Result<Restored> RestoreBackup(const std::string& directory,
                                       std::optional<std::uint32_t> id, const std::string& path,
                                       const BackupProgress& progress);

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/clock.h"

namespace rocksdb {
class Env;
}

namespace gateway::queue {

/// The lock file in the directory of a store: made once, and never replaced.
inline constexpr std::string_view kLockFile = "gateway.lock";

/// What a RocksQueue needs to know. The values come from the configuration, which also
/// declares their defaults; a zero where a size is needed is refused by Open.
struct Options {
  std::string path;  ///< Directory of the store; made when its parent allows it.

  // Memory of the committer's queue and of recent events.
  std::uint64_t hot_tail_bytes = 0;        ///< 0 keeps nothing: every read goes to disk.
  std::uint64_t max_pending_bytes = 0;     ///< Appends waiting for the committer, together.
  std::uint64_t max_pending_requests = 0;  ///< The same in requests.

  // Shape of a commit.
  std::uint64_t max_commit_bytes = 0;  ///< One write holds about this much at most.
  std::uint64_t max_chunk_bytes = 0;   ///< Event bytes of one record; at most 1 GiB.
  common::Duration commit_linger{};    ///< Waits this long for company before a commit.
  /// Waits for those who were just answered, this share of the last commit's time; see Gathering.
  std::uint32_t commit_gather_percent = 0;

  /// Refused events and dead letters that each log keeps, in bytes of their records; beyond that
  /// the oldest go. 0 keeps none. What is dropped is counted.
  std::uint64_t max_rejected_bytes = 0;
  std::uint64_t max_dead_bytes = 0;
  /// Letters of both kinds that are older go too; 0: none is too old.
  common::Duration max_letter_age{};

  /// Free space of the disk below which appends are refused (kIo), and settlements are not; 0:
  /// never.
  std::uint64_t min_free_bytes = 0;

  /// How often a store that refused a write is tried again.
  common::Duration health_probe_interval{};

  // RocksDB.
  std::uint64_t write_buffer_bytes = 0;  ///< One memtable of the event records.
  int write_buffer_count = 0;            ///< Memtables before writes stall.
  std::uint64_t max_wal_bytes = 0;       ///< Live write-ahead log before old memtables flush.
  std::uint64_t block_cache_bytes = 0;   ///< Index, filter and data blocks together.

  /// The seam of the file system: nullptr is the machine's own. Must outlive the queue.
  rocksdb::Env* env = nullptr;
};

}  // namespace gateway::queue

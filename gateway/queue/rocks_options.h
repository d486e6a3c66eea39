// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include <memory>
#include <string>
#include <vector>

#include "gateway/queue/options.h"

namespace gateway::queue {

/// The column families of the store. kMeta is RocksDB's default one.
enum class Family : std::size_t {
  kMeta = 0,
  kQueue = 1,
  kDead = 2,
  kQuarantine = 3,
  kRejected = 4,
  kIds = 5,
  kRegistry = 6,
};
inline constexpr std::size_t kFamilyCount = 7;

/// The name of a family on disk.
const std::string& FamilyName(Family family);

/// RocksDB's settings for a store; each with its reason where it is set.
struct StoreSettings {
  rocksdb::DBOptions db;
  /// In the order of the enum, and behind them the families that a newer release made: RocksDB
  /// wants every family opened.
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
};

/// What flushes and compactions drop; any of them may be nullptr.
struct FamilyFilters {
  std::shared_ptr<rocksdb::CompactionFilterFactory> settled;  ///< Of the queue family.
  std::shared_ptr<rocksdb::CompactionFilterFactory> ids;
};

/// For the store in options.path. `listener` may be nullptr.
StoreSettings MakeSettings(const Options& options, std::shared_ptr<rocksdb::EventListener> listener,
                           const FamilyFilters& filters);

/// options.env, or the machine's own.
rocksdb::Env* EnvOf(const Options& options);

}  // namespace gateway::queue

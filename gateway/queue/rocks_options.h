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
};
inline constexpr std::size_t kFamilyCount = 6;

/// The name of a family on disk.
const std::string& FamilyName(Family family);

/// RocksDB's settings for this store; each with its reason where it is set.
rocksdb::DBOptions MakeDbOptions(const Options& options,
                                 std::shared_ptr<rocksdb::EventListener> listener);

/// One descriptor for each family, in the order of the enum.
std::vector<rocksdb::ColumnFamilyDescriptor> MakeFamilies(
    const Options& options, const std::shared_ptr<rocksdb::CompactionFilterFactory>& id_filter);

}  // namespace gateway::queue

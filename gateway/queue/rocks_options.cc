// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/rocks_options.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>

#include <algorithm>
#include <array>
#include <utility>

#include "gateway/queue/gentle_deletes.h"
#include "gateway/queue/rocks_log.h"

namespace gateway::queue {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kIdCompactionSeconds = 12 * 3600;

rocksdb::BlockBasedTableOptions MakeTableOptions(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  // Index blocks count against the one cache, so that memory stays bounded however large
  // the backlog is.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.block_size = 16 * 1024;  // Records are large and read in order.
  table.format_version = 5;
  return table;
}

rocksdb::ColumnFamilyOptions MakeQueueFamily(
    const Options& options, const std::shared_ptr<rocksdb::Cache>& cache,
    const std::shared_ptr<rocksdb::CompactionFilterFactory>& filter) {
  rocksdb::ColumnFamilyOptions family;
  family.compaction_filter_factory = filter;
  family.write_buffer_size = options.write_buffer_bytes;
  family.max_write_buffer_number = options.write_buffer_count;
  // A record that is settled soon is dropped in memory and never written to a table; two
  // memtables that flush together give it twice the time.
  family.min_write_buffer_number_to_merge = std::min(2, options.write_buffer_count - 1);
  family.compression = rocksdb::kLZ4Compression;
  // Tables with many tombstones in a row are compacted early: an outage that drains leaves those,
  // and their space should come back. Not by their share: in steady state each table has more
  // tombstones than records, and to compact each of them costs more than it gives.
  family.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(1024, 512));
  rocksdb::BlockBasedTableOptions table = MakeTableOptions(cache);
  // In parts: a read that leaves the cache as it is would decompress all of an index that is not
  // in there, for each log anew.
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return family;
}

rocksdb::ColumnFamilyOptions MakeSmallFamily(const Options& options,
                                             const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions family;
  // RocksDB asks for the sum of all write buffers as free space before it recovers from a
  // full disk, so the families with little traffic get little.
  family.write_buffer_size = std::min(options.write_buffer_bytes, 8 * kMiB);
  family.compression = rocksdb::kLZ4Compression;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(MakeTableOptions(cache)));
  return family;
}

rocksdb::ColumnFamilyOptions MakeIdsFamily(
    const Options& options, const std::shared_ptr<rocksdb::Cache>& cache,
    const std::shared_ptr<rocksdb::CompactionFilterFactory>& filter) {
  rocksdb::ColumnFamilyOptions family;
  family.write_buffer_size = std::min(options.write_buffer_bytes, 16 * kMiB);
  family.compression = rocksdb::kLZ4Compression;
  // The same in memory: a filter over the memtable, in place of a walk through it.
  family.memtable_prefix_bloom_size_ratio = 0.1;
  family.memtable_whole_key_filtering = true;
  family.compaction_filter_factory = filter;
  // Rewrites what no other compaction has touched, so that forgotten ids go.
  family.periodic_compaction_seconds = kIdCompactionSeconds;
  rocksdb::BlockBasedTableOptions table = MakeTableOptions(cache);
  // Nearly every lookup is for an id that is not there: the filter answers it.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  // In parts, so that a filter larger than the cache costs small reads.
  table.partition_filters = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.block_size = 4 * 1024;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return family;
}

rocksdb::ColumnFamilyOptions MakeFamily(Family family, const Options& options,
                                        const std::shared_ptr<rocksdb::Cache>& cache,
                                        const FamilyFilters& filters) {
  switch (family) {
    case Family::kQueue:
      return MakeQueueFamily(options, cache, filters.settled);
    case Family::kIds:
      return MakeIdsFamily(options, cache, filters.ids);
    case Family::kMeta:
    case Family::kDead:
    case Family::kQuarantine:
    case Family::kRejected:
    case Family::kRegistry:
      break;
  }
  return MakeSmallFamily(options, cache);
}

rocksdb::DBOptions MakeDbOptions(const Options& options,
                                 std::shared_ptr<rocksdb::EventListener> listener) {
  rocksdb::DBOptions db;
  db.env = options.env != nullptr ? options.env : GentleEnv();
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.paranoid_checks = true;
  // kAbsoluteConsistency would refuse to open after every kill -9: a torn tail is normal.
  // What lies before the tear was acknowledged and is kept.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // Would refuse to open a store whose log file lost bytes, ours included when a failed write
  // is cut off. The Seqs of each log tell what is missing, and the rest is delivered.
  db.track_and_verify_wals_in_manifest = false;
  // Each opening reads all of the list of tables into memory.
  db.max_manifest_file_size = 64 * kMiB;
  // Families with little traffic pin old log files; this flushes them.
  db.max_total_wal_size = options.max_wal_bytes;
  // One committer writes, so the machinery for many writers only costs.
  db.allow_concurrent_memtable_write = false;
  db.enable_write_thread_adaptive_yield = false;
  db.max_background_jobs = 2;
  // Else a table goes to the disk at once when it is done, and commits wait behind it.
  db.bytes_per_sync = kMiB;
  db.max_open_files = -1;  // Opening a table again costs more than its descriptor.
  // The committer resumes, after it has cut off the failed write. RocksDB's own attempts, in a
  // thread of theirs, would come before that, and can leave a store that never closes.
  db.max_bgerror_resume_count = 0;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.info_log = std::make_shared<RocksLog>();
  if (listener != nullptr) db.listeners.push_back(std::move(listener));
  return db;
}

std::vector<rocksdb::ColumnFamilyDescriptor> MakeFamilies(const Options& options,
                                                          const FamilyFilters& filters) {
  const auto cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (std::size_t i = 0; i < kFamilyCount; ++i) {
    const auto family = static_cast<Family>(i);
    families.emplace_back(FamilyName(family), MakeFamily(family, options, cache, filters));
  }
  return families;
}

}  // namespace

const std::string& FamilyName(Family family) {
  static const std::array<std::string, kFamilyCount> kNames{rocksdb::kDefaultColumnFamilyName,
                                                            "queue",
                                                            "dead",
                                                            "quarantine",
                                                            "rejected",
                                                            "ids",
                                                            "registry"};
  return kNames.at(static_cast<std::size_t>(family));
}

StoreSettings MakeSettings(const Options& options, std::shared_ptr<rocksdb::EventListener> listener,
                           const FamilyFilters& filters) {
  StoreSettings settings{.db = MakeDbOptions(options, std::move(listener)),
                         .families = MakeFamilies(options, filters)};
  std::vector<std::string> existing;
  // Fails when there is no store yet, and then there is no unknown family either.
  rocksdb::DB::ListColumnFamilies(settings.db, options.path, &existing).PermitUncheckedError();
  for (const std::string& name : existing) {
    const bool known = std::ranges::any_of(settings.families,
                                           [&](const auto& family) { return family.name == name; });
    if (!known) settings.families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  }
  return settings;
}

rocksdb::Env* EnvOf(const Options& options) {
  return options.env != nullptr ? options.env : rocksdb::Env::Default();
}

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/store_counters.h"

#include <rocksdb/db.h>

#include <charconv>
#include <map>
#include <string>

#include "common/metrics/metrics.h"

namespace gateway::queue {

using common::metrics::Counter;
using common::metrics::Gauge;
using Properties = rocksdb::DB::Properties;

namespace {

double Number(const std::map<std::string, std::string>& counted, const std::string& name) {
  double value = 0;
  if (const auto found = counted.find(name); found != counted.end()) {
    const std::string& text = found->second;
    std::from_chars(text.data(), text.data() + text.size(), value);
  }
  return value;
}

void RaiseTo(prometheus::Counter& counter, double value) {
  if (value > counter.Value()) counter.Increment(value - counter.Value());
}

}  // namespace

StoreCounters::StoreCounters(prometheus::Registry& registry)
    : log_written_(Counter(registry, "queue_log_written_bytes_total",
                           "Bytes that the store wrote to its write-ahead log.")),
      tables_written_(Counter(registry, "queue_tables_written_bytes_total",
                              "Bytes that the store wrote to table files, compactions included.")),
      stalls_(Counter(registry, "queue_write_stalls_total",
                      "Times that the store slowed or stopped writes, for flushes or compactions "
                      "to catch up.")),
      memtable_bytes_(Gauge(registry, "queue_memtable_bytes",
                            "Memory of what is not in table files yet, or not released.")),
      table_bytes_(Gauge(registry, "queue_table_bytes", "Size of the table files on disk.")),
      log_bytes_(Gauge(registry, "queue_wal_bytes", "Size of the write-ahead log on disk.")),
      stalled_(Gauge(registry, "queue_write_stall",
                     "1 while the store slows writes down so that compactions keep up, 2 while it "
                     "stops them, else 0.")),
      compaction_bytes_(Gauge(registry, "queue_pending_compaction_bytes",
                              "What compactions are behind, as the store estimates it.")) {}

void StoreCounters::Update(const RocksStore& store) {
  constexpr double kGiB = 1024.0 * 1024 * 1024;
  const std::scoped_lock lock(mutex_);
  std::map<std::string, std::string> counted;
  if (store.db().GetMapProperty(Properties::kDBStats, &counted)) {
    RaiseTo(log_written_, Number(counted, "db.wal_bytes_written"));
  }
  double tables = 0;
  double stalls = 0;
  for (std::size_t i = 0; i < kFamilyCount; ++i) {
    counted.clear();
    rocksdb::ColumnFamilyHandle* family = store.family(static_cast<Family>(i));
    if (!store.db().GetMapProperty(family, Properties::kCFStats, &counted)) continue;
    tables += Number(counted, "compaction.Sum.WriteGB") * kGiB;  // Flushes are in it.
    stalls += Number(counted, "io_stalls.total_slowdown") + Number(counted, "io_stalls.total_stop");
  }
  RaiseTo(tables_written_, tables);
  RaiseTo(stalls_, stalls);
  memtable_bytes_.Set(static_cast<double>(store.Property(Properties::kSizeAllMemTables)));
  table_bytes_.Set(static_cast<double>(store.Property(Properties::kTotalSstFilesSize)));
  log_bytes_.Set(static_cast<double>(store.LogFileBytes()));
  stalled_.Set(store.WriteStall());
  compaction_bytes_.Set(
      static_cast<double>(store.Property(Properties::kEstimatePendingCompactionBytes)));
}

}  // namespace gateway::queue

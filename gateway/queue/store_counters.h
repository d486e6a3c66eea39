// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/registry.h>

#include <mutex>

#include "gateway/queue/rocks_store.h"

namespace gateway::queue {

/// What RocksDB counts, as metrics: bytes it wrote, memory and disk it holds, writes it held
/// up. RocksDB is asked when somebody reads the metrics, so that a commit pays nothing.
/// Thread-safe.
class StoreCounters {
 public:
  explicit StoreCounters(prometheus::Registry& registry);

  void Update(const RocksStore& store);

 private:
  std::mutex mutex_;  ///< A counter only goes up: reading and adding belong together.
  prometheus::Counter& log_written_;
  prometheus::Counter& tables_written_;
  prometheus::Counter& stalls_;
  prometheus::Gauge& memtable_bytes_;
  prometheus::Gauge& table_bytes_;
  prometheus::Gauge& log_bytes_;
  prometheus::Gauge& stalled_;
  prometheus::Gauge& compaction_bytes_;
};

}  // namespace gateway::queue

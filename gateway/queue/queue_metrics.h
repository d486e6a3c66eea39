// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/metrics/metrics.h"

namespace gateway::queue {

/// Every metric of the folder, registered at zero. Thread-safe.
struct QueueMetrics {
  explicit QueueMetrics(prometheus::Registry& registry);

  prometheus::Counter& commits;
  prometheus::Counter& commit_errors;
  prometheus::Histogram& commit_events;
  prometheus::Histogram& commit_seconds;
  prometheus::Histogram& fsync_seconds;
  prometheus::Counter& hot_tail_hits;
  prometheus::Counter& hot_tail_misses;
  prometheus::Gauge& hot_tail_bytes;
  prometheus::Gauge& pending_requests;
  prometheus::Counter& quarantined_chunks;
  prometheus::Counter& quarantined_events;
  prometheus::Counter& duplicates;
  prometheus::Gauge& remembered_ids;
  prometheus::Counter& rejected_evicted;
  prometheus::Gauge& rejected_bytes;
  prometheus::Counter& dead_evicted;
  prometheus::Gauge& dead_bytes;
  prometheus::Gauge& healthy;
};

}  // namespace gateway::queue

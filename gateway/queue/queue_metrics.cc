// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/queue_metrics.h"

namespace gateway::queue {

using common::metrics::CountBuckets;
using common::metrics::Counter;
using common::metrics::Gauge;
using common::metrics::Histogram;
using common::metrics::LatencyBuckets;

QueueMetrics::QueueMetrics(prometheus::Registry& registry)
    : commits(Counter(registry, "queue_commits_total", "Writes to the store that succeeded.")),
      commit_errors(Counter(registry, "queue_commit_errors_total",
                            "Writes to the store that failed; nothing in them was accepted.")),
      commit_events(Histogram(registry, "queue_commit_events", "Events accepted by one commit.",
                              CountBuckets(5))),
      commit_seconds(Histogram(registry, "queue_commit_seconds",
                               "Time to build, write and sync one commit and answer its callers.",
                               LatencyBuckets())),
      fsync_seconds(Histogram(registry, "queue_fsync_seconds",
                              "Time of one synced write, the fsync included.", LatencyBuckets())),
      hot_tail_hits(
          Counter(registry, "queue_hot_tail_hits_total", "Reads that were served from memory.")),
      hot_tail_misses(
          Counter(registry, "queue_hot_tail_misses_total", "Reads that had to go to the disk.")),
      hot_tail_bytes(
          Gauge(registry, "queue_hot_tail_bytes", "Memory held by recently accepted events.")),
      pending_requests(Gauge(registry, "queue_pending_requests",
                             "Requests that one commit left waiting for the next.")),
      quarantined_chunks(Counter(registry, "queue_quarantined_chunks_total",
                                 "Damaged records that were moved to quarantine.")),
      quarantined_events(Counter(registry, "queue_quarantined_events_total",
                                 "Accepted events that were in damaged records.")),
      duplicates(Counter(registry, "queue_duplicate_events_total",
                         "Events that were not stored because their messageId was accepted "
                         "before.")),
      remembered_ids(Gauge(registry, "queue_remembered_ids",
                           "messageIds that all logs remember, to find events that come again.")),
      rejected_evicted(Counter(registry, "queue_rejected_events_evicted_total",
                               "Refused events dropped because their log keeps no more.")),
      rejected_bytes(Gauge(registry, "queue_rejected_bytes",
                           "Size of the refused events that all logs keep.")),
      dead_evicted(Counter(registry, "queue_dead_letters_evicted_total",
                           "Dead letters dropped because they are too old or too many.")),
      dead_bytes(
          Gauge(registry, "queue_dead_letter_bytes", "Size of the dead letters of all logs.")),
      healthy(Gauge(registry, "queue_healthy", "1 while the store takes writes, else 0.")) {
  healthy.Set(1);
}

}  // namespace gateway::queue

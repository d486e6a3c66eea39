// SPDX-License-Identifier: Apache-2.0
#include "gateway/observe/ledger.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>

#include "common/metrics/metrics.h"

namespace gateway::observe {
namespace {

prometheus::MetricFamily Family(const std::string& name, const std::string& help,
                                std::uint64_t value, prometheus::MetricType type) {
  prometheus::ClientMetric metric;
  (type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) =
      static_cast<double>(value);
  return {common::metrics::kPrefix + name, help, type, {metric}};
}

}  // namespace

std::vector<prometheus::MetricFamily> LedgerMetrics(const std::vector<pipeline::LogState>& logs,
                                                    common::WallTime now) {
  std::uint64_t accepted = 0;
  std::uint64_t delivered = 0;
  std::uint64_t dead = 0;
  std::uint64_t pending = 0;
  common::WallTime oldest = now;
  for (const pipeline::LogState& log : logs) {
    accepted += log.accepted();
    delivered += log.delivered();
    dead += log.dead;
    pending += log.pending();
    if (log.pending() > 0 && log.oldest) oldest = std::min(oldest, *log.oldest);
  }
  using prometheus::MetricType;
  return {Family("events_accepted_total", "Durable events, over the life of the store.", accepted,
                 MetricType::Counter),
          Family("events_delivered_total", "Events that Segment took, over the life of the store.",
                 delivered, MetricType::Counter),
          Family("events_dead_total",
                 "Accepted events that went to the dead letters or to quarantine, over the life of "
                 "the store.",
                 dead, MetricType::Counter),
          Family("events_pending", "Accepted events that wait for delivery.", pending,
                 MetricType::Gauge),
          Family("events_oldest_pending_age_seconds",
                 "How long the oldest event that waits for delivery has waited, at most.",
                 static_cast<std::uint64_t>(
                     std::chrono::duration_cast<std::chrono::seconds>(now - oldest).count()),
                 MetricType::Gauge)};
}

}  // namespace gateway::observe

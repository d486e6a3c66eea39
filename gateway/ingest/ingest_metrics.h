// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "common/clock.h"
#include "gateway/ingest/routes.h"
#include "gateway/normalize/normalizer.h"

namespace gateway::ingest {

/// "number_id", …: for metrics and dry runs.
std::string_view NoteName(normalize::Note note);

/// The ingest's metrics. Thread-safe.
class IngestMetrics {
 public:
  explicit IngestMetrics(prometheus::Registry& registry);

  /// One answer; no route (RouteIndex): the path is nobody's. Of a pixel, the status that
  /// another path would have answered.
  void CountRequest(std::optional<std::size_t> route, int status);
  /// One answer 503 for want of room: "disk", "queue", "memory", "in_flight", "draining".
  void CountShed(std::string_view reason);
  /// One answer 429: "tenant_rate", "key_rate" or "tenant_backlog".
  void CountThrottled(std::string_view limit);
  /// The events of a request that are taken, by type, and what was odd about them.
  void CountEvents(const normalize::Normalized& normalized);
  /// Those that are not, by reason.
  void CountRejected(const normalize::Normalized& normalized);

  prometheus::Counter& acknowledged;   ///< Events answered with 200 once they were durable.
  prometheus::Counter& not_forwarded;  ///< Events of tenants whose switch is off.
  prometheus::Counter& nobodys;        ///< Events of tenants that are not configured, ignored.
  prometheus::Histogram& request_seconds;
  prometheus::Histogram& batch_events;

 private:
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Counter>& throttled_;
  prometheus::Family<prometheus::Counter>& shed_;
  prometheus::Family<prometheus::Counter>& rejected_;
  prometheus::Family<prometheus::Counter>& notes_;
  std::array<prometheus::Counter*, normalize::kEventTypes> by_type_{};
  std::array<prometheus::Counter*, normalize::kNotes> by_note_{};
  std::array<prometheus::Counter*, kRoutes> ok_{};  ///< Answers 200, by RouteIndex.
};

}  // namespace gateway::ingest

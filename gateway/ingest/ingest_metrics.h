// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <optional>

#include "common/clock.h"
#include "gateway/ingest/routes.h"
#include "gateway/normalize/normalizer.h"

namespace gateway::ingest {

/// The ingest's metrics. Thread-safe.
class IngestMetrics {
 public:
  explicit IngestMetrics(prometheus::Registry& registry);

  /// One answer; no route: the path is nobody's.
  void CountRequest(std::optional<normalize::Route> route, int status);
  /// What became of a request's events, by type and by reason.
  void CountEvents(const normalize::Normalized& normalized);

  prometheus::Counter& acknowledged;   ///< Events answered with 200 once they were durable.
  prometheus::Counter& not_forwarded;  ///< Events of tenants whose switch is off.
  prometheus::Histogram& request_seconds;
  prometheus::Histogram& batch_events;

 private:
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Counter>& rejected_;
  prometheus::Family<prometheus::Counter>& notes_;
  std::array<prometheus::Counter*, normalize::kEventTypes> by_type_{};
  std::array<prometheus::Counter*, normalize::kNotes> by_note_{};
  std::array<prometheus::Counter*, kRoutes> ok_{};  ///< Answers 200, by Route.
};

}  // namespace gateway::ingest

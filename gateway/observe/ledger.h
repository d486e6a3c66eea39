// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "common/clock.h"
#include "gateway/pipeline/event_queue.h"

namespace gateway::observe {

/// The four figures of the conservation law over all logs, as metrics:
/// events_accepted_total, events_delivered_total, events_dead_total and events_pending.
/// They are read from the store's own state at one moment and cover its whole life, so
/// that accepted = delivered + dead + pending holds in every scrape and across crashes.
/// Pure.
/// Beside them events_oldest_pending_age_seconds.
std::vector<prometheus::MetricFamily> LedgerMetrics(const std::vector<pipeline::LogState>& logs,
                                                    common::WallTime now);

}  // namespace gateway::observe

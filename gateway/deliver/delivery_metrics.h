// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace gateway::deliver {

/// The delivery's metrics, all present from the start so that rate() and absence alerts
/// work. They count what this process did; observe/ledger.h counts what the store holds.
struct DeliveryMetrics {
  explicit DeliveryMetrics(prometheus::Registry& registry);

  prometheus::Counter& delivered;
  prometheus::Counter& dead;
  prometheus::Counter& expired;
  prometheus::Counter& attempts_2xx;
  prometheus::Counter& attempts_3xx;
  prometheus::Counter& attempts_4xx;
  prometheus::Counter& attempts_5xx;
  prometheus::Counter& attempts_no_answer;
  prometheus::Counter& retries_transport;
  prometheus::Counter& retries_throttled;
  prometheus::Counter& retries_server_error;
  prometheus::Counter& splits;
  prometheus::Gauge& in_flight;
  prometheus::Gauge& held_write_key;
  prometheus::Gauge& held_endpoint;
  prometheus::Gauge& held_events;
  prometheus::Gauge& endpoints_down;
  prometheus::Gauge& unconfigured_tenants;
  prometheus::Gauge& switched_off_tenants;
  prometheus::Histogram& request_seconds;
  prometheus::Histogram& end_to_end_seconds;
  prometheus::Histogram& batch_events;
};

}  // namespace gateway::deliver

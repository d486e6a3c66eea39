// SPDX-License-Identifier: Apache-2.0
#include "gateway/deliver/delivery_metrics.h"

#include <string>
#include <vector>

#include "common/metrics/metrics.h"

namespace gateway::deliver {
namespace {

using common::metrics::Counter;
using common::metrics::Gauge;
using common::metrics::Histogram;

prometheus::Counter& Events(prometheus::Registry& registry, const std::string& result) {
  return Counter(registry, "delivery_events_total",
                 "Events that left the queue since the process started: Segment took them, or "
                 "they are dead letters or in quarantine.",
                 {{"result", result}});
}

prometheus::Counter& Attempts(prometheus::Registry& registry, const std::string& answer) {
  return Counter(registry, "delivery_attempts_total",
                 "Batches sent to Segment, by the class of the answer.", {{"answer", answer}});
}

prometheus::Counter& Retries(prometheus::Registry& registry, const std::string& cause) {
  return Counter(registry, "delivery_retries_total", "Batches that have to be sent again.",
                 {{"cause", cause}});
}

prometheus::Gauge& Held(prometheus::Registry& registry, const std::string& reason) {
  return Gauge(registry, "tenants_held",
               "Tenants whose events are kept back until somebody mends something.",
               {{"reason", reason}});
}

/// Up to a day: events wait as long as an outage lasts.
const std::vector<double>& EndToEndBuckets() {
  static const std::vector<double> kBuckets{0.005, 0.01, 0.025, 0.05, 0.1,   0.25,
                                            0.5,   1,    2.5,   5,    10,    30,
                                            60,    300,  900,   3600, 14400, 86400};
  return kBuckets;
}

}  // namespace

DeliveryMetrics::DeliveryMetrics(prometheus::Registry& registry)
    : delivered(Events(registry, "delivered")),
      dead(Events(registry, "dead")),
      expired(Events(registry, "expired")),
      attempts_2xx(Attempts(registry, "2xx")),
      attempts_3xx(Attempts(registry, "3xx")),
      attempts_4xx(Attempts(registry, "4xx")),
      attempts_5xx(Attempts(registry, "5xx")),
      attempts_no_answer(Attempts(registry, "none")),
      retries_transport(Retries(registry, "transport")),
      retries_throttled(Retries(registry, "throttled")),
      retries_server_error(Retries(registry, "server_error")),
      splits(Counter(registry, "delivery_splits_total",
                     "Batches that Segment refused and that were halved to find the bad event.")),
      in_flight(Gauge(registry, "delivery_in_flight", "Batches on their way to Segment.")),
      held_write_key(Held(registry, "write_key_refused")),
      held_endpoint(Held(registry, "endpoint_wrong")),
      held_events(Held(registry, "events_refused")),
      endpoints_down(Gauge(registry, "endpoints_down",
                           "Endpoints of Segment that answer no tenant and are probed.")),
      unconfigured_tenants(Gauge(registry, "tenants_unconfigured",
                                 "Tenants with stored events that the configuration lacks.")),
      switched_off_tenants(Gauge(registry, "tenants_switched_off",
                                 "Tenants with stored events whose switch was turned off since.")),
      request_seconds(Histogram(registry, "delivery_request_seconds",
                                "From sending a batch to its answer.",
                                common::metrics::LatencyBuckets())),
      end_to_end_seconds(Histogram(registry, "delivery_e2e_seconds",
                                   "From receiving events to Segment's 2xx, once per stored chunk.",
                                   EndToEndBuckets())),
      batch_events(Histogram(registry, "delivery_batch_events", "Events in a batch sent.",
                             common::metrics::CountBuckets(4))) {}

}  // namespace gateway::deliver

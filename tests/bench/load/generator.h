// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>

#include "tests/bench/load/latency_histogram.h"

namespace bench {

struct LoadOptions {
  std::uint16_t port = 0;
  int connections = 0;
  int batch = 0;  ///< Events a request; 0 is a single call.
  std::uint32_t tenants = 1;
  std::uint32_t first_tenant = 0;  ///< Number of the first of them.
  double events_per_second = 0;    ///< Open loop; 0 is the closed loop.
  double seconds = 0;
  std::uint64_t max_events = 0;  ///< Ends after so many, full requests; 0 is no limit.
  std::uint64_t first_id = 0;
};

struct LoadResult {
  std::uint64_t events_sent = 0;  ///< Their numbers are first_id, first_id + 1, ...
  std::uint64_t events_accepted = 0;
  double event_bytes = 0;  ///< Body bytes an event.
  std::uint64_t requests_ok = 0;
  std::map<int, std::uint64_t> requests_refused;  ///< By status.
  std::int64_t started_ns = 0;                    ///< CLOCK_MONOTONIC.
  std::int64_t last_answer_ns = 0;
  double cpu_micros = 0;  ///< Of this process, while the load ran.
  LatencyHistogram latency;
  LatencyHistogram lateness;  ///< Open loop: a request's way from due to sent.
};

/// Sends keep-alive requests over many connections from one thread and waits for the last
/// answer. Closed loop: each connection sends its next request on the answer to the one
/// before. Open loop: requests fall due at a fixed rate whatever the server does, wait for a
/// free connection when there is none, and their latency counts from the moment they were
/// due, so that a stall shows in every request it held up and not in one a connection.
/// Ends the process with a message when a connection breaks or an answer takes 30 s.
LoadResult RunLoad(const LoadOptions& options);

}  // namespace bench

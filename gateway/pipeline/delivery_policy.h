// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/clock.h"

namespace gateway::pipeline {

/// Growing waits between attempts.
struct BackoffPolicy {
  common::Duration initial{};  ///< After the first failure.
  double multiplier = 1;       ///< At least 1.
  common::Duration max{};      ///< Before jitter.
  double jitter = 0;           ///< 0.2 spreads by ±20 %.
};

/// How a tenant's events are sent, and what follows from the answers. Values are inside the ranges
/// of the configuration, where each is described.
struct DeliveryPolicy {
  std::uint32_t weight = 1;  ///< Its share where tenants wait for each other; at least 1.
  common::Duration flush_interval{};
  std::uint32_t max_batch_events = 0;
  std::uint64_t max_batch_bytes = 0;
  std::uint32_t events_per_second = 0;  ///< 0: no limit.
  std::uint32_t burst_events = 0;
  common::Duration request_timeout{};
  BackoffPolicy backoff;
  common::Duration max_retry_after{};  ///< A longer Retry-After is cut to this.
  common::Duration hold_probe_interval{};
  /// Events in a row that may be refused one by one before the tenant is held; 0: any number.
  std::uint32_t max_refused_in_a_row = 0;
};

}  // namespace gateway::pipeline

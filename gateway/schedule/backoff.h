// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/clock.h"
#include "common/random.h"

namespace gateway::schedule {

/// Growing waits between attempts.
struct BackoffPolicy {
  common::Duration initial{};  ///< After the first failure.
  double multiplier = 1;       ///< At least 1.
  common::Duration max{};      ///< Before jitter.
  double jitter = 0;           ///< 0.2 spreads by ±20 %.
};

/// How long to wait after failure number `attempt` (1 for the first).
common::Duration BackoffDelay(const BackoffPolicy& policy, std::uint32_t attempt,
                              common::Random& random);

}  // namespace gateway::schedule

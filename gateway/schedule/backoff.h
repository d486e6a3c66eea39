// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/clock.h"
#include "common/random.h"
#include "gateway/pipeline/delivery_policy.h"

namespace gateway::schedule {

/// How long to wait after failure number `attempt` (1 for the first).
common::Duration BackoffDelay(const pipeline::BackoffPolicy& policy, std::uint32_t attempt,
                              common::Random& random);

}  // namespace gateway::schedule

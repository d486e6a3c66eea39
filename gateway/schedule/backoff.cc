// SPDX-License-Identifier: Apache-2.0
#include "gateway/schedule/backoff.h"

#include <algorithm>
#include <cmath>

namespace gateway::schedule {

common::Duration BackoffDelay(const pipeline::BackoffPolicy& policy, std::uint32_t attempt,
                              common::Random& random) {
  const double cap = static_cast<double>(policy.max.count());
  const double grown = static_cast<double>(policy.initial.count()) *
                       std::pow(policy.multiplier, std::max(attempt, 1U) - 1);
  const double base = std::isfinite(grown) ? std::min(grown, cap) : cap;
  const double spread = 1 + policy.jitter * (2 * random.Fraction() - 1);
  return common::Duration(static_cast<common::Duration::rep>(base * spread));
}

}  // namespace gateway::schedule

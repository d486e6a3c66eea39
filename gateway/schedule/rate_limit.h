// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/clock.h"

namespace gateway::schedule {

/// Events per second with a burst. A pure function of the times it is given; not
/// thread-safe.
class TokenBucket {
 public:
  /// `per_second` 0 means no limit. `burst` is the most that may go at once, at least 1.
  TokenBucket(std::uint32_t per_second, std::uint32_t burst, common::SteadyTime now);

  bool unlimited() const { return per_second_ == 0; }
  /// Whole tokens there at `now`; the maximum of the type when unlimited.
  std::uint32_t Available(common::SteadyTime now);
  /// Takes `n`, which Available has just offered.
  void Take(std::uint32_t n);
  /// Returns what a Take turned out not to need.
  void GiveBack(std::uint32_t n);
  /// When `n` (at most the burst) will be there.
  common::SteadyTime WhenAvailable(std::uint32_t n, common::SteadyTime now);
  std::uint32_t burst() const { return burst_; }

 private:
  void Refill(common::SteadyTime now);

  std::uint32_t per_second_;
  std::uint32_t burst_;
  double tokens_;
  common::SteadyTime refilled_;
};

}  // namespace gateway::schedule

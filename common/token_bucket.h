// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/clock.h"

namespace common {

/// Events per second with a burst. A pure function of the times it is given; not
/// thread-safe.
class TokenBucket {
 public:
  /// `per_second` 0 means no limit. `burst` is the most that may go at once, at least 1.
  TokenBucket(std::uint32_t per_second, std::uint32_t burst, SteadyTime now);

  bool unlimited() const { return per_second_ == 0; }
  /// Goes on with other numbers; what it has saved up stays, up to the new burst.
  void SetRate(std::uint32_t per_second, std::uint32_t burst, SteadyTime now);
  /// Whole tokens there at `now`; the maximum of the type when unlimited.
  std::uint32_t Available(SteadyTime now);
  /// Takes `n`. More than Available offers makes a debt: nothing is there until it is paid.
  void Take(std::uint32_t n);
  /// Returns what a Take turned out not to need.
  void GiveBack(std::uint32_t n);
  /// When `n` (at most the burst) will be there.
  SteadyTime WhenAvailable(std::uint32_t n, SteadyTime now);
  std::uint32_t burst() const { return burst_; }

 private:
  void Refill(SteadyTime now);

  std::uint32_t per_second_;
  std::uint32_t burst_;
  double tokens_;
  SteadyTime refilled_;
};

}  // namespace common

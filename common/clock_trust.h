// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>

#include "common/clock.h"

namespace common {

/// Whether the calendar can be believed by what destroys things by their age: a machine that
/// starts with a wrong clock, or whose clock is set wrong, is months off until somebody mends it.
/// Compares how far the two clocks went. Pure; not thread-safe.
class ClockTrust {
 public:
  /// How long the clocks have to agree before something is destroyed by its age.
  static constexpr std::chrono::hours kEnough{1};

  ClockTrust(SteadyTime steady, WallTime wall) : offset_(Offset(steady, wall)), since_(steady) {}

  /// Tells what the clocks say now. Returns for how long they have agreed within a minute: since
  /// the start, or since the last jump that was seen.
  Duration Observe(SteadyTime steady, WallTime wall) {
    const Duration offset = Offset(steady, wall);
    if (std::max(offset, offset_) - std::min(offset, offset_) > kTolerance) {
      offset_ = offset;
      since_ = steady;
    }
    return steady - since_;
  }

 private:
  static constexpr std::chrono::minutes kTolerance{1};

  static Duration Offset(SteadyTime steady, WallTime wall) {
    return wall.time_since_epoch() - steady.time_since_epoch();
  }

  Duration offset_;
  SteadyTime since_;
};

}  // namespace common

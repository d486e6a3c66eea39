// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace common {

using Duration = std::chrono::nanoseconds;
/// Monotonic; for delays and deadlines inside one process.
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;
/// Calendar time in whole milliseconds; for timestamps and for due times that are stored.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

/// The seam of time: production reads the machine's clocks, tests advance a fake.
/// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime Steady() const = 0;
  virtual WallTime Wall() const = 0;
};

class SystemClock final : public Clock {
 public:
  SteadyTime Steady() const override { return std::chrono::steady_clock::now(); }
  WallTime Wall() const override {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now());
  }
};

}  // namespace common

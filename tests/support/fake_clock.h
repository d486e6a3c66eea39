// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <mutex>

#include "common/clock.h"

namespace tests {

/// A clock that stands still until it is told to move. Thread-safe.
class FakeClock final : public common::Clock {
 public:
  /// 2026-01-02T03:04:05.678Z, so that a formatted time is easy to recognise.
  static constexpr common::WallTime kStart{std::chrono::milliseconds{1767323045678}};

  common::SteadyTime Steady() const override {
    const std::scoped_lock lock(mutex_);
    return steady_;
  }
  common::WallTime Wall() const override {
    const std::scoped_lock lock(mutex_);
    return std::chrono::time_point_cast<std::chrono::milliseconds>(wall_);
  }

  /// Moves both clocks forward. Parts of a millisecond add up.
  void Advance(common::Duration by) {
    const std::scoped_lock lock(mutex_);
    steady_ += by;
    wall_ += by;
  }
  /// A step of the calendar alone, in either direction, as NTP or an operator makes it.
  void JumpWall(std::chrono::milliseconds by) {
    const std::scoped_lock lock(mutex_);
    wall_ += by;
  }

 private:
  using FineWall = std::chrono::time_point<std::chrono::system_clock, common::Duration>;
  mutable std::mutex mutex_;
  common::SteadyTime steady_{std::chrono::hours{1}};
  FineWall wall_{kStart};
};

}  // namespace tests

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/random.h"

namespace tests {

/// Chance from a seed, in the forms that a simulation asks for.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  std::uint64_t Next() { return random_.Next(); }
  /// Uniform in [0, limit).
  std::uint64_t Below(std::uint64_t limit) { return random_.Next() % limit; }
  std::uint64_t Between(std::uint64_t low, std::uint64_t high) {
    return low + Below(high - low + 1);
  }
  bool Percent(std::uint64_t chance) { return Below(100) < chance; }
  /// Small mostly, sometimes as large as `limit`.
  std::uint64_t Skewed(std::uint64_t limit) { return Below(Below(limit) + 1); }

 private:
  common::FastRandom random_;
};

}  // namespace tests

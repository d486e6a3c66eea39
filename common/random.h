// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace common {

/// The seam of chance (jitter, generated ids). Production seeds from the kernel, tests
/// from a number they print. Not thread-safe: one per thread.
class Random {
 public:
  virtual ~Random() = default;
  /// Uniform over all 64-bit values.
  virtual std::uint64_t Next() = 0;
  /// Uniform in [0, 1).
  double Fraction() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
};

/// xoshiro256++; fast and good enough for jitter and for ids that must not collide
/// (256 bits of state from the kernel). Not for secrets.
class FastRandom final : public Random {
 public:
  /// Seeds from std::random_device.
  FastRandom();
  explicit FastRandom(std::uint64_t seed);
  std::uint64_t Next() override;

 private:
  std::uint64_t state_[4];
};

}  // namespace common

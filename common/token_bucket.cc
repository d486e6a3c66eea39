// SPDX-License-Identifier: Apache-2.0
#include "common/token_bucket.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

namespace common {

TokenBucket::TokenBucket(std::uint32_t per_second, std::uint32_t burst, SteadyTime now)
    : per_second_(per_second), burst_(std::max(burst, 1U)), tokens_(burst_), refilled_(now) {}

void TokenBucket::SetRate(std::uint32_t per_second, std::uint32_t burst, SteadyTime now) {
  Refill(now);
  per_second_ = per_second;
  burst_ = std::max(burst, 1U);
  tokens_ = std::min<double>(tokens_, burst_);
}

std::uint32_t TokenBucket::Available(SteadyTime now) {
  if (unlimited()) return std::numeric_limits<std::uint32_t>::max();
  Refill(now);
  return static_cast<std::uint32_t>(std::max(tokens_, 0.0));
}

void TokenBucket::Take(std::uint32_t n) {
  if (!unlimited()) tokens_ -= n;
}

void TokenBucket::GiveBack(std::uint32_t n) {
  if (!unlimited()) tokens_ = std::min<double>(tokens_ + n, burst_);
}

SteadyTime TokenBucket::WhenAvailable(std::uint32_t n, SteadyTime now) {
  if (Available(now) >= n) return now;
  const double missing = std::min(n, burst_) - tokens_;
  // One nanosecond more than the division says: a caller that comes back then finds them.
  const auto wait = std::chrono::nanoseconds(
      static_cast<std::int64_t>(std::ceil(missing * 1e9 / per_second_)) + 1);
  return now + std::max<Duration>(wait, Duration{1});
}

void TokenBucket::Refill(SteadyTime now) {
  if (now <= refilled_) return;
  const double seconds = std::chrono::duration<double>(now - refilled_).count();
  tokens_ = std::min<double>(tokens_ + seconds * per_second_, burst_);
  refilled_ = now;
}

}  // namespace common

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace bench {

/// Durations in nanoseconds, each kept to within 1/64 of its value in a fixed 30 KB, so that
/// recording one costs a few nanoseconds and never allocates. Not thread-safe.
class LatencyHistogram {
 public:
  void Record(std::int64_t nanoseconds) {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(nanoseconds, 0));
    ++buckets_[Bucket(value)];
    ++count_;
    sum_ += static_cast<double>(value);
    max_ = std::max(max_, value);
  }

  std::uint64_t count() const { return count_; }
  double MeanMicros() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_) / 1000; }
  double MaxMicros() const { return static_cast<double>(max_) / 1000; }

  /// The duration, in microseconds, that the share `quantile` (0 to 1) does not exceed.
  double QuantileMicros(double quantile) const {
    const auto wanted = static_cast<std::uint64_t>(quantile * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen > wanted) return std::min(UpperMicros(i), MaxMicros());
    }
    return MaxMicros();
  }

 private:
  static constexpr unsigned kSubBits = 6;
  static constexpr std::uint64_t kSubBuckets = 1U << kSubBits;

  /// Below 64 ns exact, above that 64 buckets for each power of two.
  static std::size_t Bucket(std::uint64_t value) {
    if (value < kSubBuckets) return value;
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - kSubBits - 1;
    return (shift + 1) * kSubBuckets + ((value >> shift) - kSubBuckets);
  }

  static double UpperMicros(std::size_t bucket) {
    if (bucket < kSubBuckets) return static_cast<double>(bucket) / 1000;
    const std::size_t shift = bucket / kSubBuckets - 1;
    const std::uint64_t upper = (bucket % kSubBuckets + kSubBuckets + 1) << shift;
    return static_cast<double>(upper) / 1000;
  }

  std::array<std::uint64_t, (64 - kSubBits + 1) * kSubBuckets> buckets_{};
  std::uint64_t count_ = 0;
  double sum_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace bench

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/clock.h"

namespace gateway::queue {

/// When a commit should wait for company, and for how much of it.
///
/// Clients that send their next event when they have the answer to the one before come back right
/// after a commit. A commit that begins before they do leaves them for the next one, whose own
/// clients then miss the one after: they fall into two halves that take turns, and each waits for
/// two syncs. A short wait, and only as long as those who were answered do come, keeps them
/// together. Where they do not, it is tried more and more seldom.
///
/// Without a clock and not thread-safe.
class Gathering {
 public:
  struct Wait {
    std::size_t appends = 0;     ///< Enough once so many are pending.
    common::Duration at_most{};  ///< From the answers to the last commit.
  };

  /// Waits `percent` of the time that the last commit took, at most, and no more than 5 ms; 0 turns
  /// it off.
  explicit Gathering(std::uint32_t percent) : percent_(percent) {}

  /// `answered` appends are about to be answered after a commit that took `took`, and `pending`
  /// have come in meanwhile.
  void Answering(std::size_t answered, std::size_t pending, common::Duration took) {
    under_way_ = answered + pending;
    at_most_ = std::min(took * percent_ / 100, kLongest);
  }

  /// What a commit that would take `pending` appends should wait for, if anything. When it has
  /// waited, Ended says how it went.
  std::optional<Wait> Begin(std::size_t pending) {
    if (percent_ == 0 || pending >= under_way_ || under_way_ < kFew) return std::nullopt;
    if (skips_ > 0) {
      --skips_;
      return std::nullopt;
    }
    missing_ = under_way_ - pending;
    return Wait{.appends = under_way_, .at_most = at_most_};
  }

  /// After the wait `pending` were there.
  void Ended(std::size_t pending) {
    const std::size_t still_missing = under_way_ - std::min(pending, under_way_);
    const bool paid = 2 * still_missing <= missing_;
    skip_after_miss_ = paid ? 0 : std::min(2 * skip_after_miss_ + 1, kMaxSkips);
    skips_ = skip_after_miss_;
  }

 private:
  /// After a disk that hung nobody comes as late as that.
  static constexpr common::Duration kLongest = std::chrono::milliseconds(5);
  /// Fewer are answered sooner apart, and their commits cost the disk little.
  static constexpr std::size_t kFew = 8;
  /// What is lost where it never pays: one wait in so many commits.
  static constexpr std::uint32_t kMaxSkips = 127;

  const std::uint32_t percent_;
  std::size_t under_way_ = 0;
  common::Duration at_most_{};
  std::size_t missing_ = 0;
  std::uint32_t skips_ = 0;
  std::uint32_t skip_after_miss_ = 0;
};

}  // namespace gateway::queue

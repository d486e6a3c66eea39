// SPDX-License-Identifier: Apache-2.0
#include "gateway/schedule/expiry_watch.h"

#include <algorithm>

namespace gateway::schedule {

using common::SteadyTime;
using pipeline::LogId;

void ExpiryWatch::Plan(LogId log, SteadyTime at) {
  const auto [planned, is_new] = planned_.try_emplace(log, at);
  if (!is_new) {
    if (planned->second <= at) return;
    by_time_.erase({planned->second, log});
    planned->second = at;
  }
  by_time_.emplace(at, log);
}

bool ExpiryWatch::IsDue(SteadyTime now) const {
  const auto wake = NextWake();
  return wake && *wake <= now;
}

std::optional<LogId> ExpiryWatch::Next(SteadyTime now) {
  if (!IsDue(now)) return std::nullopt;
  const LogId log = by_time_.begin()->second;
  by_time_.erase(by_time_.begin());
  planned_.erase(log);
  ++looks_;
  return log;
}

std::optional<SteadyTime> ExpiryWatch::NextWake() const {
  if (by_time_.empty() || looks_ >= max_looks_) return std::nullopt;
  return std::max(by_time_.begin()->first, held_until_);
}

}  // namespace gateway::schedule

// SPDX-License-Identifier: Apache-2.0
#include "gateway/schedule/expiry_watch.h"

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

std::optional<LogId> ExpiryWatch::Next(SteadyTime now) {
  if (by_time_.empty() || by_time_.begin()->first > now) return std::nullopt;
  const LogId log = by_time_.begin()->second;
  by_time_.erase(by_time_.begin());
  planned_.erase(log);
  return log;
}

std::optional<SteadyTime> ExpiryWatch::NextWake() const {
  if (by_time_.empty()) return std::nullopt;
  return by_time_.begin()->first;
}

}  // namespace gateway::schedule

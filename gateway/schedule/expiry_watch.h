// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "common/clock.h"
#include "gateway/pipeline/event.h"

namespace gateway::schedule {

/// Which log's oldest event has to be looked at for its age, and when: one look a log is planned
/// at most, and a few are under way at a time. Costs nothing for logs without one. Pure; not
/// thread-safe.
class ExpiryWatch {
 public:
  /// At most `max_looks` are under way.
  explicit ExpiryWatch(std::uint32_t max_looks) : max_looks_(max_looks) {}

  /// Plans a look, unless an earlier one is planned.
  void Plan(pipeline::LogId log, common::SteadyTime at);
  bool planned(pipeline::LogId log) const { return planned_.contains(log); }
  /// No look is due before.
  void HoldUntil(common::SteadyTime time) { held_until_ = time; }
  bool IsDue(common::SteadyTime now) const;
  /// A log whose look is due; it is planned no more, and under way until Done.
  std::optional<pipeline::LogId> Next(common::SteadyTime now);
  /// A look that Next gave out is over.
  void Done() { --looks_; }
  /// When Next can have something without a Done; nullopt when never.
  std::optional<common::SteadyTime> NextWake() const;

 private:
  const std::uint32_t max_looks_;
  std::uint32_t looks_ = 0;
  common::SteadyTime held_until_;
  std::set<std::pair<common::SteadyTime, pipeline::LogId>> by_time_;
  std::unordered_map<pipeline::LogId, common::SteadyTime> planned_;
};

}  // namespace gateway::schedule

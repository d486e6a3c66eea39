// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "common/clock.h"
#include "gateway/pipeline/event.h"

namespace gateway::schedule {

/// Which log's oldest event has to be looked at for its age, and when: one look a log is planned
/// at most. Costs nothing for logs without one. Pure; not thread-safe.
class ExpiryWatch {
 public:
  /// Plans a look, unless an earlier one is planned.
  void Plan(pipeline::LogId log, common::SteadyTime at);
  bool planned(pipeline::LogId log) const { return planned_.contains(log); }
  /// A log whose look is due; it is planned no more.
  std::optional<pipeline::LogId> Next(common::SteadyTime now);
  std::optional<common::SteadyTime> NextWake() const;

 private:
  std::set<std::pair<common::SteadyTime, pipeline::LogId>> by_time_;
  std::unordered_map<pipeline::LogId, common::SteadyTime> planned_;
};

}  // namespace gateway::schedule

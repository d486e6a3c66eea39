// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "gateway/pipeline/event_queue.h"

namespace tests {

/// What a queue must hold, said as simply as it can be said. A value: a harness keeps one for
/// each state that the store may be in after a crash.
struct QueueModel {
  using LogId = gateway::pipeline::LogId;
  using Seq = gateway::pipeline::Seq;

  struct Event {
    std::string text;
    std::uint64_t id = 0;  ///< 0: none that is remembered.
  };
  struct Append {
    LogId log = 0;
    bool dedupe = false;
    std::vector<Event> events;
    std::vector<std::string> rejected;
  };
  struct Settle {
    LogId log = 0;
    Seq next = 0;  ///< Where the cursor goes.
    std::vector<std::string> dead;
    std::uint32_t attempts = 0;  ///< Stands for the retry state.
  };
  using Change = std::variant<Append, Settle>;

  struct Log {
    std::string tenant;
    Seq next = 0;                      ///< The cursor.
    std::deque<std::string> pending;   ///< From there on.
    std::vector<std::string> dead;     ///< Dead letters, oldest first.
    std::vector<std::string> refused;  ///< Refused events, oldest first; the store may keep fewer.
    std::set<std::uint64_t> ids;
    std::uint32_t attempts = 0;

    Seq tail() const { return next + pending.size(); }
  };

  /// What a store answers when it is asked for all it has.
  struct Observed {
    std::map<LogId, Log> logs;  ///< Without ids.
  };

  std::map<LogId, Log> logs;

  /// Events and refused events that were ever put in.
  std::uint64_t stored() const;

  /// One commit: the appends in their order, then the settlements.
  void Apply(const std::vector<Change>& commit);

  /// Empty when the store shows this model, else the first difference. With `refused_may_go`
  /// the oldest refused events may be missing.
  std::string Difference(const Observed& observed, bool refused_may_go) const;
};

}  // namespace tests

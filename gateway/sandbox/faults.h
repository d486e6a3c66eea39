// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/random.h"
#include "common/result.h"

namespace gateway::sandbox {

/// What a rule does to a request it applies to.
enum class FaultAction {
  kAnswer,           ///< Answer `status` (or the usual answer when it is 0), perhaps late.
  kHang,             ///< Say nothing for `latency` (60 s when it is 0), then reset.
  kResetBeforeBody,  ///< Reset after the header.
  kResetAfterBody,   ///< Reset after the body; its events are not taken.
  kDropResponse,     ///< Take the events, then reset instead of answering.
};

/// One fault rule as the control interface takes and shows it.
struct FaultRule {
  std::string id;
  std::string write_key = "*";  ///< "*": every key.
  std::string message_id;       ///< Only requests that carry it; empty: every request.
  FaultAction action = FaultAction::kAnswer;
  int status = 0;
  std::string retry_after;
  std::string body;  ///< Empty: the sandbox's own.
  double probability = 1;
  std::optional<std::uint64_t> count;  ///< Applications left; nullopt: no end.
  std::chrono::milliseconds latency{0};
  std::chrono::milliseconds latency_jitter{0};
  std::uint64_t applied = 0;
};

/// The rule that applies to a request, with its dice rolled.
struct Fault {
  std::string id;
  FaultAction action = FaultAction::kAnswer;
  int status = 0;
  std::string retry_after;
  std::string body;
  std::chrono::milliseconds delay{0};

  /// Whether the events of the request are taken although the rule applies.
  bool takes_events() const {
    if (action == FaultAction::kDropResponse) return true;
    return action == FaultAction::kAnswer && (status == 0 || (status >= 200 && status < 300));
  }
};

/// What a PUT of rules says: one object adds or replaces by id, an array replaces all.
struct FaultUpdate {
  bool replace_all = false;
  std::vector<FaultRule> rules;
};

/// kInvalidArgument with the member that is wrong and what it may be.
common::Result<FaultUpdate> ParseFaultUpdate(std::string_view text);

/// An ordered list of rules; the first that matches a request applies. A rule whose
/// probability or count says no does not match. Not thread-safe; deterministic by `random`.
class FaultEngine {
 public:
  /// Rules without an id get "fault-1", "fault-2", ….
  void Apply(FaultUpdate update);
  /// False when there is no rule of that id.
  bool Remove(std::string_view id);
  void Clear() { rules_.clear(); }
  bool empty() const { return rules_.empty(); }

  /// For a request whose header is in: only kResetBeforeBody rules. `write_key` is that of
  /// the Authorization header; empty when the key may still come in the body.
  std::optional<Fault> DecideAtHead(std::string_view write_key, common::Random& random);
  /// For a request whose body is in: all other rules.
  std::optional<Fault> Decide(std::string_view write_key,
                              const std::vector<std::string>& message_ids, common::Random& random);
  /// {"result":[…]}: the rules in order, with how often each was applied.
  std::string Render() const;

 private:
  std::vector<FaultRule> rules_;
  std::uint64_t next_id_ = 1;
};

}  // namespace gateway::sandbox

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_set>

#include "common/clock.h"
#include "common/random.h"
#include "common/token_bucket.h"
#include "gateway/pipeline/delivery_policy.h"
#include "gateway/pipeline/event.h"

namespace gateway::schedule {

struct EndpointPolicy {
  std::uint32_t requests_per_second = 0;  ///< Of all tenants together; 0: no limit.
  std::uint32_t failing_tenants = 1;      ///< Fewer are their own affair; at least 1.
  common::Duration silence{};             ///< Without a good answer, for it to count as down.
  pipeline::BackoffPolicy probe;          ///< Between the probes of one that is down.
  /// What it may get right after it has come back, at least 1; each second of good answers adds as
  /// much again.
  std::uint32_t recovery_requests_per_second = 1;
};

/// What the end of a request says about its endpoint.
enum class EndpointSign {
  kGood,  ///< It answered as Segment does, if only to refuse.
  kBad,   ///< No answer, or one that says that it cannot work.
  kNone,  ///< It was called back, or never sent.
};

/// Whether an endpoint takes requests now, apart from how its tenants are doing.
///
/// It counts as down when several tenants in a row got no good answer, and nobody has had one for a
/// while: one sick tenant closes it to nobody. While it is down one request at a time probes it;
/// and a sound tenant, whose last request did not fail, may ask beside it, and waits no longer than
/// for the first probe. When it is back, requests are let through a few at first: one more at a
/// time for each good answer, and more a second by the same step each second; bad ones of several
/// tenants in a row halve both. The others have half as many places of their own, so that those
/// that hang keep no sound tenant out.
///
/// A pure state machine. Not thread-safe.
class EndpointGate {
 public:
  enum class State { kUp, kDown, kRecovering };

  /// `random` outlives the gate.
  EndpointGate(const EndpointPolicy& policy, common::Random& random, common::SteadyTime now);

  State state() const { return state_; }
  /// Whether a request may start now.
  bool IsOpen(bool sound, common::SteadyTime now);
  /// When IsOpen can next say yes without any request ending; nullopt when only that can help, or
  /// when it says so now.
  std::optional<common::SteadyTime> NextOpening(bool sound, common::SteadyTime now);

  /// Names the time in which a request was started: what was under way when the endpoint went down
  /// says nothing of what came after.
  struct Ticket {
    std::uint32_t epoch = 0;
    bool sound = true;
  };
  Ticket OnStart(bool sound, common::SteadyTime now);
  void OnEnd(pipeline::LogId log, Ticket ticket, EndpointSign sign, common::SteadyTime now);

 private:
  void OnGood(common::SteadyTime now);
  void OnBad(pipeline::LogId log, common::SteadyTime now);
  void GoDown(common::SteadyTime now);
  void SlowDown(common::SteadyTime now);
  void SpeedUp(common::SteadyTime now);
  void SetRate(std::uint32_t per_second, common::SteadyTime now);
  common::SteadyTime NextProbe(bool sound) const;
  /// Whether not too many are under way, whatever the rate.
  bool HasPlace(bool sound) const;

  const EndpointPolicy policy_;
  common::Random& random_;
  State state_ = State::kUp;
  std::uint32_t epoch_ = 0;
  std::uint32_t sound_in_flight_ = 0;  ///< Started in this epoch.
  std::uint32_t suspects_in_flight_ = 0;
  common::TokenBucket rate_;
  common::SteadyTime last_good_;
  /// Tenants whose requests failed since, up to as many as it takes.
  std::unordered_set<pipeline::LogId> failing_;

  // While it is down.
  std::uint32_t probes_ = 0;  ///< Failed in a row, the failures that brought it down as the first.
  common::SteadyTime next_probe_;
  common::SteadyTime last_probe_;  ///< When the last one began, or failed.

  // While it recovers.
  std::uint32_t window_ = 1;  ///< Requests at one time.
  std::uint32_t recovery_rate_ = 0;
  common::SteadyTime next_step_;
  common::SteadyTime slowed_at_;
};

}  // namespace gateway::schedule

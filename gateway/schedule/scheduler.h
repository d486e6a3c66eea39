// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "common/clock.h"
#include "common/random.h"
#include "common/token_bucket.h"
#include "gateway/pipeline/delivery_policy.h"
#include "gateway/pipeline/event.h"
#include "gateway/schedule/endpoint_gate.h"

namespace gateway::schedule {

/// An endpoint's place in the scheduler.
using EndpointId = std::size_t;

struct SchedulerOptions {
  std::uint32_t max_in_flight = 0;  ///< Batches, over all tenants.
  /// A lane whose last batch took longer is a suspect; 0: none is for that.
  common::Duration slow{};
  EndpointPolicy endpoint;  ///< Of each endpoint.
};

/// "Send the next batch of this tenant, at most so big."
struct Dispatch {
  pipeline::LogId log = 0;
  std::uint32_t max_events = 0;
  std::uint64_t max_bytes = 0;
};

/// How a batch ended.
struct BatchEnd {
  std::uint64_t events = 0;  ///< Left the log; 0 after a failure.
  std::uint64_t bytes = 0;
  common::SteadyTime not_before;            ///< Nothing of the lane goes earlier.
  EndpointSign sign = EndpointSign::kNone;  ///< A bad one makes the lane a suspect, too.
};

/// Which tenant's batch goes next, and when. One lane a tenant, one batch in flight a lane (that
/// keeps its order).
///
/// Lanes that are due take turns by deficit round robin: a turn is worth as many bytes as the lane
/// has weight, a large batch takes several. Endpoints take turns too, and each opens and closes for
/// all of its lanes (EndpointGate).
///
/// Lanes whose last batch failed or was slow are suspects. Whatever their number they never hold
/// more than three quarters of the places in flight, so that tenants that hang leave room for
/// those that do not.
///
/// Its cost per call grows with the number of due lanes (the logarithm of the waiting ones) and of
/// endpoints, never with the number of tenants. A pure state machine: it is told what happened and
/// what time it is, and does no I/O. Not thread-safe.
class Scheduler {
 public:
  /// `random` outlives the scheduler.
  Scheduler(const SchedulerOptions& options, common::Random& random);

  EndpointId AddEndpoint(common::SteadyTime now);
  EndpointGate::State StateOf(EndpointId endpoint) const {
    return endpoints_[endpoint].gate.state();
  }

  /// A tenant's lane as it stands at start: its backlog is due at once, or at `not_before` when a
  /// retry is under way.
  struct Backlog {
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;
    common::SteadyTime not_before;
    bool failed = false;  ///< Its last batch did.
    bool paused = false;
  };
  void AddLane(pipeline::LogId log, EndpointId endpoint, const pipeline::DeliveryPolicy& policy,
               const Backlog& backlog, common::SteadyTime now);

  /// New events became durable.
  void OnCommitted(pipeline::LogId log, std::uint64_t events, std::uint64_t bytes,
                   common::SteadyTime now);
  /// A paused lane keeps what it has; a batch in flight is not called back.
  void SetPaused(pipeline::LogId log, bool paused, common::SteadyTime now);
  /// The lane's batches are at most so large until told otherwise; 0 lifts the cap. For
  /// halving a batch that Segment refuses.
  void SetEventCap(pipeline::LogId log, std::uint32_t max_events);

  /// The next batch to send now; nullopt when nothing may go. The lane is in flight until
  /// OnBatchDone.
  std::optional<Dispatch> Next(common::SteadyTime now);
  /// The lane's batch turned out to be so large (at most what Dispatch allowed), so that rate and
  /// turn count what is really sent.
  void OnBatchRead(pipeline::LogId log, std::uint32_t events, std::uint64_t bytes);
  void OnBatchDone(pipeline::LogId log, const BatchEnd& end, common::SteadyTime now);

  /// Takes a lane out of turn, paused or not, to do something else with its log until Release.
  /// It takes no place in flight. False when it is in flight or claimed already.
  bool Claim(pipeline::LogId log);
  /// Gives it back: `events`/`bytes` left the log. When it may go next is as before.
  void Release(pipeline::LogId log, std::uint64_t events, std::uint64_t bytes,
               common::SteadyTime now);

  /// When Next can next have something without any other call; nullopt when never.
  std::optional<common::SteadyTime> NextWake(common::SteadyTime now);

  std::uint32_t in_flight() const { return in_flight_; }
  std::uint32_t claimed() const { return claimed_; }
  std::uint64_t pending_events() const { return pending_events_; }
  std::uint64_t pending_events(pipeline::LogId log) const;
  std::size_t paused_lanes() const { return paused_lanes_; }

 private:
  enum class Place { kIdle, kWaiting, kReady, kInFlight, kClaimed };
  struct Lane;
  using LaneList = std::list<Lane*>;

  struct Lane {
    Lane(pipeline::LogId log_in, EndpointId endpoint_in, const pipeline::DeliveryPolicy& policy_in,
         common::SteadyTime now)
        : log(log_in),
          endpoint(endpoint_in),
          policy(policy_in),
          rate(policy_in.events_per_second, policy_in.burst_events, now),
          node(1, this),
          self(node.begin()) {}
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;

    const pipeline::LogId log;
    const EndpointId endpoint;
    const pipeline::DeliveryPolicy policy;
    common::TokenBucket rate;
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;
    common::SteadyTime oldest;  ///< Arrival of the first event that waits.
    common::SteadyTime not_before;
    common::SteadyTime due;                               ///< Its key in waiting_ while kWaiting.
    std::optional<common::SteadyTime> arrived_in_flight;  ///< First arrival since dispatch.
    std::uint64_t offered = 0;    ///< Events there when the batch in flight was dispatched.
    std::uint32_t event_cap = 0;  ///< 0: none.
    bool paused = false;
    bool suspect = false;
    Place place = Place::kIdle;

    std::uint64_t credit = 0;       ///< Bytes that are left of its turns.
    LaneList node;                  ///< Itself, while it is in no list of ready lanes.
    const LaneList::iterator self;  ///< Its place in `node` or in one of those.

    // Of the batch in flight.
    std::uint32_t taken = 0;    ///< Rate tokens.
    std::uint64_t charged = 0;  ///< Of the credit.
    common::SteadyTime started;
    EndpointGate::Ticket ticket;  ///< Also says whether it was started as a suspect.

    bool away() const { return place == Place::kInFlight || place == Place::kClaimed; }
    std::uint32_t BatchLimit() const;
    std::uint64_t NextCost() const;
  };

  struct Endpoint {
    explicit Endpoint(EndpointGate gate_in) : gate(std::move(gate_in)) {}

    EndpointGate gate;
    LaneList sound;     ///< Ready lanes, in the order of their turns.
    LaneList suspects;  ///< The same of those whose last batch failed or was slow.
    std::uint32_t sound_in_a_row = 0;

    LaneList& ListOf(const Lane& lane) { return lane.suspect ? suspects : sound; }
  };

  bool MayStartSuspects() const;
  std::optional<Dispatch> NextOf(Endpoint& endpoint, common::SteadyTime now);
  static Lane& PickFrom(LaneList& ready);
  Dispatch Start(Endpoint& endpoint, Lane& lane, common::SteadyTime now);
  void TakeOff(Lane& lane, Place place);
  /// The end of it: `events`/`bytes` left the log.
  void Land(Lane& lane, std::uint64_t events, std::uint64_t bytes, common::SteadyTime now);
  void Replace(Lane& lane, common::SteadyTime now);
  void Unplace(Lane& lane);
  static common::SteadyTime DueTime(Lane& lane, common::SteadyTime now);
  void PromoteDue(common::SteadyTime now);

  const SchedulerOptions options_;
  common::Random& random_;
  std::deque<Endpoint> endpoints_;  ///< Their lists are never moved: lanes know their places.
  EndpointId turn_ = 0;             ///< The endpoint that is asked first.
  std::unordered_map<pipeline::LogId, Lane> lanes_;
  std::set<std::pair<common::SteadyTime, pipeline::LogId>> waiting_;
  std::uint32_t in_flight_ = 0;
  std::uint32_t suspects_in_flight_ = 0;
  std::uint32_t claimed_ = 0;
  std::uint64_t pending_events_ = 0;
  std::size_t paused_lanes_ = 0;
};

}  // namespace gateway::schedule

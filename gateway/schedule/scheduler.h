// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "common/clock.h"
#include "common/token_bucket.h"
#include "gateway/pipeline/event.h"

namespace gateway::schedule {

struct SchedulerOptions {
  common::Duration flush_interval{};  ///< Longest wait of an event for company.
  std::uint32_t max_batch_events = 0;
  std::uint64_t max_batch_bytes = 0;
  std::uint32_t max_in_flight = 0;      ///< Batches, over all tenants.
  std::uint32_t events_per_second = 0;  ///< Per tenant; 0: no limit.
  std::uint32_t burst_events = 0;
};

/// "Send the next batch of this tenant, at most so big."
struct Dispatch {
  pipeline::LogId log = 0;
  std::uint32_t max_events = 0;
  std::uint64_t max_bytes = 0;
};

/// Which tenant's batch goes next, and when. One lane a tenant, one batch in flight a
/// lane (that keeps its order), ready lanes first come first served, each for one batch.
/// Its cost per call grows with the number of due lanes (and the logarithm of the waiting
/// ones), never with the number of tenants.
///
/// A pure state machine: it is told what happened and what time it is, and does no I/O.
/// Not thread-safe.
class Scheduler {
 public:
  explicit Scheduler(SchedulerOptions options) : options_(options) {}

  /// A tenant's lane as it stands at start: its backlog is due at once, or at
  /// `not_before` when a retry is under way.
  void AddLane(pipeline::LogId log, std::uint64_t events, std::uint64_t bytes,
               common::SteadyTime not_before, bool paused, common::SteadyTime now);

  /// New events became durable.
  void OnCommitted(pipeline::LogId log, std::uint64_t events, std::uint64_t bytes,
                   common::SteadyTime now);
  /// A paused lane keeps what it has; a batch in flight is not called back.
  void SetPaused(pipeline::LogId log, bool paused, common::SteadyTime now);
  /// The lane's batches are at most so large until told otherwise; 0 lifts the cap. For
  /// halving a batch that Segment refuses.
  void SetEventCap(pipeline::LogId log, std::uint32_t max_events);

  /// The next batch to send now; nullopt when nothing is due or the in-flight limit is
  /// reached. The lane is in flight until OnBatchDone.
  std::optional<Dispatch> Next(common::SteadyTime now);
  /// The lane's batch turned out to hold `events` (at most what Dispatch allowed), so that
  /// the rate limit counts what is really sent.
  void OnBatchRead(pipeline::LogId log, std::uint32_t events);
  /// The lane's batch is dealt with: `events`/`bytes` of it left the log (0 after a
  /// failure), and nothing goes before `not_before`.
  void OnBatchDone(pipeline::LogId log, std::uint64_t events, std::uint64_t bytes,
                   common::SteadyTime not_before, common::SteadyTime now);

  /// Takes a lane out of turn, paused or not, to do something else with its log until Release.
  /// It takes no place in flight. False when it is in flight or claimed already.
  bool Claim(pipeline::LogId log);
  /// Gives it back: `events`/`bytes` left the log. When it may go next is as before.
  void Release(pipeline::LogId log, std::uint64_t events, std::uint64_t bytes,
               common::SteadyTime now);

  /// When Next can next have something without any other call; nullopt when never.
  std::optional<common::SteadyTime> NextWake() const;

  std::uint32_t in_flight() const { return in_flight_; }
  std::uint32_t claimed() const { return claimed_; }
  std::uint64_t pending_events() const { return pending_events_; }
  std::uint64_t pending_events(pipeline::LogId log) const;
  std::size_t paused_lanes() const { return paused_lanes_; }

 private:
  enum class Place { kIdle, kWaiting, kReady, kInFlight, kClaimed };

  struct Lane {
    explicit Lane(common::TokenBucket bucket) : rate(bucket) {}
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;
    common::SteadyTime oldest;  ///< Arrival of the first event that waits.
    common::SteadyTime not_before;
    common::SteadyTime due;                               ///< Its key in waiting_ while kWaiting.
    std::optional<common::SteadyTime> arrived_in_flight;  ///< First arrival since dispatch.
    std::uint64_t offered = 0;    ///< Events there when the batch in flight was dispatched.
    std::uint32_t taken = 0;      ///< Rate tokens held by the batch in flight.
    std::uint32_t event_cap = 0;  ///< 0: none.
    bool paused = false;
    Place place = Place::kIdle;
    bool away() const { return place == Place::kInFlight || place == Place::kClaimed; }
    common::TokenBucket rate;
  };

  static void TakeOff(Lane& lane, Place place);
  /// The end of it: `events`/`bytes` left the log.
  void Land(pipeline::LogId log, Lane& lane, std::uint64_t events, std::uint64_t bytes,
            common::SteadyTime now);
  void Replace(pipeline::LogId log, Lane& lane, common::SteadyTime now);
  void Unplace(pipeline::LogId log, Lane& lane);
  common::SteadyTime DueTime(Lane& lane, common::SteadyTime now);
  std::uint32_t BatchLimit(const Lane& lane) const;
  void PromoteDue(common::SteadyTime now);

  const SchedulerOptions options_;
  std::unordered_map<pipeline::LogId, Lane> lanes_;
  std::deque<pipeline::LogId> ready_;
  std::set<std::pair<common::SteadyTime, pipeline::LogId>> waiting_;
  std::uint32_t in_flight_ = 0;
  std::uint32_t claimed_ = 0;
  std::uint64_t pending_events_ = 0;
  std::size_t paused_lanes_ = 0;
};

}  // namespace gateway::schedule

// SPDX-License-Identifier: Apache-2.0
#include "gateway/schedule/scheduler.h"

#include <algorithm>

namespace gateway::schedule {

using common::SteadyTime;
using pipeline::LogId;

namespace {

/// What a request costs besides its bytes: else a tenant of tiny batches would have hundreds of
/// them in a turn.
constexpr std::uint64_t kRequestBytes = 32 * 1024;
/// A turn of weight 1. A small batch is worth one, a large one several: so nobody waits for many
/// large ones in a row.
constexpr std::uint64_t kTurnBytes = 64 * 1024;
/// After so many batches of sound lanes a suspect has its turn.
constexpr std::uint32_t kSoundInARow = 7;

std::uint64_t CostOf(std::uint64_t batch_bytes) { return batch_bytes + kRequestBytes; }

}  // namespace

std::uint32_t Scheduler::Lane::BatchLimit() const {
  return event_cap == 0 ? policy.max_batch_events : std::min(event_cap, policy.max_batch_events);
}

std::uint64_t Scheduler::Lane::NextCost() const {
  return CostOf(std::min(bytes, policy.max_batch_bytes));
}

Scheduler::Scheduler(const SchedulerOptions& options, common::Random& random)
    : options_(options), random_(random) {}

EndpointId Scheduler::AddEndpoint(SteadyTime now) {
  endpoints_.emplace_back(EndpointGate(options_.endpoint, random_, now));
  return endpoints_.size() - 1;
}

void Scheduler::AddLane(LogId log, EndpointId endpoint, const pipeline::DeliveryPolicy& policy,
                        const Backlog& backlog, SteadyTime now) {
  Lane& lane = lanes_.try_emplace(log, log, endpoint, policy, now).first->second;
  lane.events = backlog.events;
  lane.bytes = backlog.bytes;
  // A backlog has waited for its company long enough.
  lane.oldest = now - policy.flush_interval;
  lane.not_before = backlog.not_before;
  lane.suspect = backlog.failed;
  lane.paused = backlog.paused;
  pending_events_ += lane.events;
  paused_lanes_ += lane.paused ? 1 : 0;
  Replace(lane, now);
}

void Scheduler::OnCommitted(LogId log, std::uint64_t events, std::uint64_t bytes, SteadyTime now) {
  const auto it = lanes_.find(log);
  if (it == lanes_.end() || events == 0) return;
  Lane& lane = it->second;
  if (lane.events == 0) lane.oldest = now;
  lane.events += events;
  lane.bytes += bytes;
  pending_events_ += events;
  if (lane.away()) {
    if (!lane.arrived_in_flight) lane.arrived_in_flight = now;
    return;
  }
  // A ready lane is already as early as it can be.
  if (lane.place != Place::kReady) Replace(lane, now);
}

void Scheduler::SetPaused(LogId log, bool paused, SteadyTime now) {
  const auto it = lanes_.find(log);
  if (it == lanes_.end() || it->second.paused == paused) return;
  Lane& lane = it->second;
  lane.paused = paused;
  paused_lanes_ = paused ? paused_lanes_ + 1 : paused_lanes_ - 1;
  if (!lane.away()) Replace(lane, now);
}

void Scheduler::SetEventCap(LogId log, std::uint32_t max_events) {
  const auto it = lanes_.find(log);
  if (it != lanes_.end()) it->second.event_cap = max_events;
}

bool Scheduler::MayStartSuspects() const {
  return suspects_in_flight_ < std::max(options_.max_in_flight * 3 / 4, 1U);
}

std::optional<Dispatch> Scheduler::Next(SteadyTime now) {
  PromoteDue(now);
  if (in_flight_ >= options_.max_in_flight) return std::nullopt;
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    const EndpointId id = (turn_ + i) % endpoints_.size();
    if (auto dispatch = NextOf(endpoints_[id], now)) {
      turn_ = id + 1;
      return dispatch;
    }
  }
  return std::nullopt;
}

std::optional<Dispatch> Scheduler::NextOf(Endpoint& endpoint, SteadyTime now) {
  const bool suspects = !endpoint.suspects.empty() && MayStartSuspects();
  const bool their_turn = suspects && endpoint.sound_in_a_row >= kSoundInARow;
  if (!endpoint.sound.empty() && !their_turn && endpoint.gate.IsOpen(true, now)) {
    ++endpoint.sound_in_a_row;
    return Start(endpoint, PickFrom(endpoint.sound), now);
  }
  if (suspects && endpoint.gate.IsOpen(false, now)) {
    endpoint.sound_in_a_row = 0;
    return Start(endpoint, PickFrom(endpoint.suspects), now);
  }
  if (their_turn && !endpoint.sound.empty() && endpoint.gate.IsOpen(true, now)) {
    return Start(endpoint, PickFrom(endpoint.sound), now);
  }
  return std::nullopt;
}

Scheduler::Lane& Scheduler::PickFrom(LaneList& ready) {
  while (true) {
    Lane& lane = *ready.front();
    if (lane.credit < lane.NextCost()) lane.credit += kTurnBytes * lane.policy.weight;
    if (lane.credit >= lane.NextCost()) return lane;
    ready.splice(ready.end(), ready, ready.begin());
  }
}

Dispatch Scheduler::Start(Endpoint& endpoint, Lane& lane, SteadyTime now) {
  Unplace(lane);
  const std::uint32_t limit = std::min(lane.BatchLimit(), lane.rate.Available(now));
  lane.taken = limit;
  lane.rate.Take(limit);
  lane.charged = lane.NextCost();
  lane.credit -= lane.charged;
  lane.started = now;
  lane.ticket = endpoint.gate.OnStart(!lane.suspect, now);
  suspects_in_flight_ += lane.suspect ? 1 : 0;
  TakeOff(lane, Place::kInFlight);
  ++in_flight_;
  return Dispatch{lane.log, limit, lane.policy.max_batch_bytes};
}

void Scheduler::TakeOff(Lane& lane, Place place) {
  lane.place = place;
  lane.arrived_in_flight.reset();
  lane.offered = lane.events;
}

bool Scheduler::Claim(LogId log) {
  Lane& lane = lanes_.at(log);
  if (lane.away()) return false;
  Unplace(lane);
  TakeOff(lane, Place::kClaimed);
  ++claimed_;
  return true;
}

void Scheduler::Release(LogId log, std::uint64_t events, std::uint64_t bytes, SteadyTime now) {
  --claimed_;
  Land(lanes_.at(log), events, bytes, now);
}

void Scheduler::OnBatchRead(LogId log, std::uint32_t events, std::uint64_t bytes) {
  Lane& lane = lanes_.at(log);
  if (events < lane.taken) lane.rate.GiveBack(lane.taken - events);
  lane.taken = std::min(lane.taken, events);
  lane.credit += lane.charged;
  lane.charged = std::min(events == 0 ? 0 : CostOf(bytes), lane.credit);
  lane.credit -= lane.charged;
}

void Scheduler::OnBatchDone(LogId log, const BatchEnd& end, SteadyTime now) {
  Lane& lane = lanes_.at(log);
  --in_flight_;
  suspects_in_flight_ -= lane.ticket.sound ? 0 : 1;
  endpoints_[lane.endpoint].gate.OnEnd(log, lane.ticket, end.sign, now);
  if (end.sign != EndpointSign::kNone) {
    const bool slow =
        options_.slow > common::Duration::zero() && now - lane.started > options_.slow;
    lane.suspect = end.sign == EndpointSign::kBad || slow;
  }
  lane.not_before = end.not_before;
  Land(lane, end.events, end.bytes, now);
}

void Scheduler::Land(Lane& lane, std::uint64_t events, std::uint64_t bytes, SteadyTime now) {
  events = std::min(events, lane.events);
  lane.events -= events;
  lane.bytes -= std::min(bytes, lane.bytes);
  // The bytes of a backlog found at start are an estimate; what is left of it must not
  // make every later batch look full.
  if (lane.events == 0) lane.bytes = 0;
  pending_events_ -= events;
  // Everything that was there at dispatch is gone: the rest came later and may wait its
  // own time for company.
  if (events >= lane.offered) lane.oldest = lane.arrived_in_flight.value_or(now);
  lane.place = Place::kIdle;
  Replace(lane, now);
}

std::optional<SteadyTime> Scheduler::NextWake(SteadyTime now) {
  // A ready lane waits for a free place in flight, which OnBatchDone tells of.
  if (in_flight_ >= options_.max_in_flight) return std::nullopt;
  std::optional<SteadyTime> wake;
  const auto consider = [&](std::optional<SteadyTime> time) {
    if (time) wake = std::min(wake.value_or(*time), *time);
  };
  if (!waiting_.empty()) consider(waiting_.begin()->first);
  for (Endpoint& endpoint : endpoints_) {
    if (!endpoint.sound.empty()) consider(endpoint.gate.NextOpening(true, now));
    if (!endpoint.suspects.empty() && MayStartSuspects()) {
      consider(endpoint.gate.NextOpening(false, now));
    }
  }
  return wake;
}

std::uint64_t Scheduler::pending_events(LogId log) const {
  const auto it = lanes_.find(log);
  return it == lanes_.end() ? 0 : it->second.events;
}

void Scheduler::Replace(Lane& lane, SteadyTime now) {
  Unplace(lane);
  // Who has nothing to send saves nothing up.
  if (lane.events == 0) lane.credit = 0;
  if (lane.events == 0 || lane.paused) return;
  lane.due = DueTime(lane, now);
  if (lane.due > now) {
    lane.place = Place::kWaiting;
    waiting_.emplace(lane.due, lane.log);
    return;
  }
  lane.place = Place::kReady;
  LaneList& ready = endpoints_[lane.endpoint].ListOf(lane);
  // Its turn goes on while something is left of it.
  ready.splice(lane.credit >= lane.NextCost() ? ready.begin() : ready.end(), lane.node);
}

void Scheduler::Unplace(Lane& lane) {
  if (lane.place == Place::kWaiting) waiting_.erase({lane.due, lane.log});
  if (lane.place == Place::kReady) {
    LaneList& ready = endpoints_[lane.endpoint].ListOf(lane);
    lane.node.splice(lane.node.begin(), ready, lane.self);
  }
  lane.place = Place::kIdle;
}

SteadyTime Scheduler::DueTime(Lane& lane, SteadyTime now) {
  const std::uint32_t limit = lane.BatchLimit();
  const bool full = lane.events >= limit || lane.bytes >= lane.policy.max_batch_bytes;
  SteadyTime due = full ? now : lane.oldest + lane.policy.flush_interval;
  due = std::max(due, lane.not_before);
  if (!lane.rate.unlimited()) {
    // Wait for a whole batch's worth of tokens: many small batches cost Segment and us more.
    const auto wanted = static_cast<std::uint32_t>(
        std::min<std::uint64_t>({lane.events, limit, lane.rate.burst()}));
    due = std::max(due, lane.rate.WhenAvailable(wanted, now));
  }
  return due;
}

void Scheduler::PromoteDue(SteadyTime now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    Lane& lane = lanes_.at(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    lane.place = Place::kIdle;
    Replace(lane, now);
  }
}

}  // namespace gateway::schedule

// SPDX-License-Identifier: Apache-2.0
#include "gateway/schedule/scheduler.h"

#include <algorithm>

namespace gateway::schedule {

using common::SteadyTime;
using pipeline::LogId;

void Scheduler::AddLane(LogId log, std::uint64_t events, std::uint64_t bytes, SteadyTime not_before,
                        bool paused, SteadyTime now) {
  const common::TokenBucket rate(options_.events_per_second, options_.burst_events, now);
  Lane& lane = lanes_.try_emplace(log, rate).first->second;
  lane.events = events;
  lane.bytes = bytes;
  // A backlog has waited for its company long enough.
  lane.oldest = now - options_.flush_interval;
  lane.not_before = not_before;
  lane.paused = paused;
  pending_events_ += events;
  paused_lanes_ += paused ? 1 : 0;
  Replace(log, lane, now);
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
  if (lane.place != Place::kReady) Replace(log, lane, now);
}

void Scheduler::SetPaused(LogId log, bool paused, SteadyTime now) {
  const auto it = lanes_.find(log);
  if (it == lanes_.end() || it->second.paused == paused) return;
  it->second.paused = paused;
  paused_lanes_ = paused ? paused_lanes_ + 1 : paused_lanes_ - 1;
  if (!it->second.away()) Replace(log, it->second, now);
}

void Scheduler::SetEventCap(LogId log, std::uint32_t max_events) {
  const auto it = lanes_.find(log);
  if (it != lanes_.end()) it->second.event_cap = max_events;
}

std::optional<Dispatch> Scheduler::Next(SteadyTime now) {
  PromoteDue(now);
  if (ready_.empty() || in_flight_ >= options_.max_in_flight) return std::nullopt;
  const LogId log = ready_.front();
  ready_.pop_front();
  Lane& lane = lanes_.at(log);
  const std::uint32_t limit = std::min(BatchLimit(lane), lane.rate.Available(now));
  lane.taken = limit;
  lane.rate.Take(limit);
  TakeOff(lane, Place::kInFlight);
  ++in_flight_;
  return Dispatch{log, limit, options_.max_batch_bytes};
}

void Scheduler::TakeOff(Lane& lane, Place place) {
  lane.place = place;
  lane.arrived_in_flight.reset();
  lane.offered = lane.events;
}

bool Scheduler::Claim(LogId log) {
  Lane& lane = lanes_.at(log);
  if (lane.away()) return false;
  Unplace(log, lane);
  TakeOff(lane, Place::kClaimed);
  ++claimed_;
  return true;
}

void Scheduler::Release(LogId log, std::uint64_t events, std::uint64_t bytes, SteadyTime now) {
  --claimed_;
  Land(log, lanes_.at(log), events, bytes, now);
}

void Scheduler::OnBatchRead(LogId log, std::uint32_t events) {
  Lane& lane = lanes_.at(log);
  if (events < lane.taken) lane.rate.GiveBack(lane.taken - events);
  lane.taken = std::min(lane.taken, events);
}

void Scheduler::OnBatchDone(LogId log, std::uint64_t events, std::uint64_t bytes,
                            SteadyTime not_before, SteadyTime now) {
  Lane& lane = lanes_.at(log);
  --in_flight_;
  lane.not_before = not_before;
  Land(log, lane, events, bytes, now);
}

void Scheduler::Land(LogId log, Lane& lane, std::uint64_t events, std::uint64_t bytes,
                     SteadyTime now) {
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
  Replace(log, lane, now);
}

std::optional<SteadyTime> Scheduler::NextWake() const {
  // A ready lane waits for a free place in flight, which OnBatchDone tells of.
  if (waiting_.empty() || in_flight_ >= options_.max_in_flight) return std::nullopt;
  return waiting_.begin()->first;
}

std::uint64_t Scheduler::pending_events(LogId log) const {
  const auto it = lanes_.find(log);
  return it == lanes_.end() ? 0 : it->second.events;
}

void Scheduler::Replace(LogId log, Lane& lane, SteadyTime now) {
  Unplace(log, lane);
  if (lane.events == 0 || lane.paused) return;
  lane.due = DueTime(lane, now);
  if (lane.due <= now) {
    lane.place = Place::kReady;
    ready_.push_back(log);
  } else {
    lane.place = Place::kWaiting;
    waiting_.emplace(lane.due, log);
  }
}

void Scheduler::Unplace(LogId log, Lane& lane) {
  if (lane.place == Place::kWaiting) waiting_.erase({lane.due, log});
  if (lane.place == Place::kReady) std::erase(ready_, log);
  lane.place = Place::kIdle;
}

SteadyTime Scheduler::DueTime(Lane& lane, SteadyTime now) {
  const std::uint32_t limit = BatchLimit(lane);
  const bool full = lane.events >= limit || lane.bytes >= options_.max_batch_bytes;
  SteadyTime due = full ? now : lane.oldest + options_.flush_interval;
  due = std::max(due, lane.not_before);
  if (!lane.rate.unlimited()) {
    // Wait for a whole batch's worth of tokens: many small batches cost Segment and us more.
    const auto wanted = static_cast<std::uint32_t>(
        std::min<std::uint64_t>({lane.events, limit, lane.rate.burst()}));
    due = std::max(due, lane.rate.WhenAvailable(wanted, now));
  }
  return due;
}

std::uint32_t Scheduler::BatchLimit(const Lane& lane) const {
  return lane.event_cap == 0 ? options_.max_batch_events
                             : std::min(lane.event_cap, options_.max_batch_events);
}

void Scheduler::PromoteDue(SteadyTime now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    const LogId log = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    Lane& lane = lanes_.at(log);
    lane.place = Place::kIdle;
    Replace(log, lane, now);
  }
}

}  // namespace gateway::schedule

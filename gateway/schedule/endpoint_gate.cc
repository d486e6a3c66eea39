// SPDX-License-Identifier: Apache-2.0
#include "gateway/schedule/endpoint_gate.h"

#include <algorithm>
#include <chrono>

#include "gateway/schedule/backoff.h"

namespace gateway::schedule {
namespace {

using common::SteadyTime;

constexpr std::chrono::seconds kStep{1};
/// After so many steps without a failure it is as well as before.
constexpr std::uint32_t kSteps = 20;
/// A tenth of a second of the rate may go at once: a rate that is a promise to Segment holds in
/// every second.
constexpr std::uint32_t kBurstShare = 10;

std::uint32_t Burst(std::uint32_t per_second) { return std::max(per_second / kBurstShare, 1U); }

}  // namespace

EndpointGate::EndpointGate(const EndpointPolicy& policy, common::Random& random, SteadyTime now)
    : policy_(policy),
      random_(random),
      rate_(policy.requests_per_second, Burst(policy.requests_per_second), now),
      last_good_(now) {}

SteadyTime EndpointGate::NextProbe(bool sound) const {
  return sound ? std::min(next_probe_, last_probe_ + policy_.probe.initial) : next_probe_;
}

bool EndpointGate::HasPlace(bool sound) const {
  switch (state_) {
    case State::kUp:
      return true;
    case State::kDown:
      return sound ? sound_in_flight_ == 0 : sound_in_flight_ + suspects_in_flight_ == 0;
    case State::kRecovering:
      return sound ? sound_in_flight_ < window_ : suspects_in_flight_ < std::max(window_ / 2, 1U);
  }
  return true;
}

bool EndpointGate::IsOpen(bool sound, SteadyTime now) {
  if (!HasPlace(sound) || (state_ == State::kDown && now < NextProbe(sound))) return false;
  return rate_.Available(now) >= 1;
}

std::optional<SteadyTime> EndpointGate::NextOpening(bool sound, SteadyTime now) {
  if (!HasPlace(sound)) return std::nullopt;
  SteadyTime next = rate_.WhenAvailable(1, now);
  if (state_ == State::kDown) next = std::max(next, NextProbe(sound));
  if (next <= now) return std::nullopt;
  return next;
}

EndpointGate::Ticket EndpointGate::OnStart(bool sound, SteadyTime now) {
  ++(sound ? sound_in_flight_ : suspects_in_flight_);
  rate_.Available(now);
  rate_.Take(1);
  if (state_ == State::kDown) {
    last_probe_ = now;
    next_probe_ = now + policy_.probe.initial;
  }
  return {.epoch = epoch_, .sound = sound};
}

void EndpointGate::OnEnd(pipeline::LogId log, Ticket ticket, EndpointSign sign, SteadyTime now) {
  const bool current = ticket.epoch == epoch_;
  if (current) --(ticket.sound ? sound_in_flight_ : suspects_in_flight_);
  if (sign == EndpointSign::kGood) OnGood(now);
  if (sign == EndpointSign::kBad && current) OnBad(log, now);
}

void EndpointGate::OnGood(SteadyTime now) {
  last_good_ = now;
  failing_.clear();
  if (state_ == State::kUp) return;
  if (state_ == State::kDown) {
    state_ = State::kRecovering;
    probes_ = 0;
    window_ = 1;
    next_step_ = now + kStep;
    SetRate(policy_.recovery_requests_per_second, now);
  }
  ++window_;
  if (now >= next_step_) SpeedUp(now);
}

void EndpointGate::SpeedUp(SteadyTime now) {
  next_step_ = now + kStep;
  const std::uint32_t step = policy_.recovery_requests_per_second;
  if (recovery_rate_ < step * kSteps) return SetRate(recovery_rate_ + step, now);
  state_ = State::kUp;
  rate_.SetRate(policy_.requests_per_second, Burst(policy_.requests_per_second), now);
}

void EndpointGate::SlowDown(SteadyTime now) {
  window_ = std::max(window_ / 2, 1U);
  // Once for all that were under way when it went wrong.
  if (now < slowed_at_ + kStep) return;
  slowed_at_ = now;
  next_step_ = now + kStep;
  SetRate(std::max(recovery_rate_ / 2, policy_.recovery_requests_per_second), now);
}

void EndpointGate::SetRate(std::uint32_t per_second, SteadyTime now) {
  recovery_rate_ = per_second;
  const std::uint32_t limit = policy_.requests_per_second;
  const std::uint32_t rate = limit == 0 ? per_second : std::min(per_second, limit);
  rate_.SetRate(rate, Burst(rate), now);
}

void EndpointGate::OnBad(pipeline::LogId log, SteadyTime now) {
  failing_.insert(log);
  // One tenant that is sick is no sign of the endpoint.
  const bool several = failing_.size() > 1;
  const bool down =
      failing_.size() >= policy_.failing_tenants && now - last_good_ >= policy_.silence;
  if (failing_.size() > policy_.failing_tenants) failing_.erase(log);
  if (state_ == State::kDown || down) return GoDown(now);
  if (state_ == State::kRecovering && several) SlowDown(now);
}

void EndpointGate::GoDown(SteadyTime now) {
  state_ = State::kDown;
  ++epoch_;
  sound_in_flight_ = 0;
  suspects_in_flight_ = 0;
  ++probes_;
  last_probe_ = now;
  next_probe_ = now + BackoffDelay(policy_.probe, probes_, random_);
}

}  // namespace gateway::schedule

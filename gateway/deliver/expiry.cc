// SPDX-License-Identifier: Apache-2.0
#include "gateway/deliver/expiry.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

namespace gateway::deliver {

using common::ClockTrust;
using common::Duration;
using common::SteadyTime;
using common::WallTime;
using pipeline::LogId;

namespace {

constexpr std::uint32_t kMaxLooks = 4;
constexpr std::chrono::milliseconds kShortestWait{10};
// The first looks at backlogs are spread over so many moments.
constexpr std::uint64_t kMoments = 3600;

/// For how long the clocks have to agree: an event that may wait for less was accepted by the
/// clock that says now that it is too old, or soon is gone.
Duration TrustNeeded(Duration max_age) { return std::min<Duration>(ClockTrust::kEnough, max_age); }

}  // namespace

Expiry::Expiry(ExpiryOptions options, const common::Clock& clock,
               const pipeline::TenantView& tenants)
    : options_(std::move(options)),
      clock_(clock),
      tenants_(tenants),
      trust_(clock.Steady(), clock.Wall()),
      watch_(kMaxLooks) {}

Duration Expiry::MaxAge(LogId log) const {
  const auto snapshot = tenants_.Current();
  const pipeline::Tenant* tenant = snapshot->FindByLog(log);
  return tenant == nullptr ? options_.default_max_age : tenant->max_age;
}

void Expiry::PlanBacklog(LogId log) {
  const Duration max_age = MaxAge(log);
  if (max_age == Duration{}) return;
  // Most of a backlog is soon gone, and sooner the clock is not believed.
  const Duration first = TrustNeeded(max_age);
  watch_.Plan(log, clock_.Steady() + first + first / kMoments * (log % kMoments));
}

void Expiry::OnCommitted(LogId log) {
  if (!watch_.planned(log)) Plan(log, MaxAge(log));
}

void Expiry::Plan(LogId log, Duration wait) {
  const Duration max_age = MaxAge(log);
  if (max_age == Duration{}) return;
  watch_.Plan(log, clock_.Steady() + std::clamp<Duration>(wait, kShortestWait, max_age));
}

std::optional<LogId> Expiry::Next() {
  const SteadyTime now = clock_.Steady();
  while (watch_.IsDue(now)) {
    if (options_.may_expire && !options_.may_expire()) {
      watch_.HoldUntil(now + options_.retry_interval);
      return std::nullopt;
    }
    const auto log = watch_.Next(now);
    const Duration max_age = MaxAge(*log);
    const Duration wait = UntilTrusted(max_age);
    if (max_age != Duration{} && wait <= Duration{}) return log;
    watch_.Done();
    if (max_age != Duration{}) watch_.Plan(*log, now + wait);
  }
  return std::nullopt;
}

std::optional<WallTime> Expiry::Oldest(LogId log) {
  const Duration max_age = MaxAge(log);
  if (max_age == Duration{} || UntilTrusted(max_age) > Duration{}) return std::nullopt;
  return clock_.Wall() - std::chrono::duration_cast<std::chrono::milliseconds>(max_age);
}

Duration Expiry::UntilTrusted(Duration max_age) {
  return TrustNeeded(max_age) - trust_.Observe(clock_.Steady(), clock_.Wall());
}

}  // namespace gateway::deliver

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>

#include "common/clock.h"
#include "common/clock_trust.h"
#include "gateway/pipeline/event.h"
#include "gateway/pipeline/tenant_view.h"
#include "gateway/schedule/expiry_watch.h"

namespace gateway::deliver {

struct ExpiryOptions {
  /// pipeline::Tenant::max_age for logs whose tenant is not configured.
  common::Duration default_max_age{};
  /// Wait before it is tried again where something stands in the way.
  common::Duration retry_interval{};
  /// Whether there is room to write events again as dead letters; none: always.
  std::function<bool()> may_expire{};
};

/// Which log is looked at for events that waited too long, when, and what too long is. None is
/// while the calendar cannot be believed or the disk has no room; a few looks are under way at a
/// time, so that a backlog of many tenants neither fills the memory nor keeps deliveries waiting.
///
/// Not thread-safe: for the pump's thread.
class Expiry {
 public:
  /// Everything passed by reference outlives it.
  Expiry(ExpiryOptions options, const common::Clock& clock, const pipeline::TenantView& tenants);

  /// Plans the first look at a backlog found at the start: each log's at another time.
  void PlanBacklog(pipeline::LogId log);
  /// Events came: they have to be looked at when they can be too old.
  void OnCommitted(pipeline::LogId log);
  /// Plans a look after `wait`, but not later than an event that comes now can be too old. Not
  /// for a log whose events may have any age.
  void Plan(pipeline::LogId log, common::Duration wait);
  /// Plans a look where something stands in the way of one.
  void PlanRetry(pipeline::LogId log) { Plan(log, options_.retry_interval); }

  /// A log to be looked at now, until Done.
  std::optional<pipeline::LogId> Next();
  void Done() { watch_.Done(); }
  /// The log's events that were accepted before are too old; nothing when none is.
  std::optional<common::WallTime> Oldest(pipeline::LogId log);
  /// When Next can have something without any other call; nullopt when never.
  std::optional<common::SteadyTime> NextWake() const { return watch_.NextWake(); }

  /// How old the log's events may become; 0: any age.
  common::Duration MaxAge(pipeline::LogId log) const;

 private:
  /// How much longer the clocks have to agree before events of that age are too old.
  common::Duration UntilTrusted(common::Duration max_age);

  const ExpiryOptions options_;
  const common::Clock& clock_;
  const pipeline::TenantView& tenants_;
  common::ClockTrust trust_;
  schedule::ExpiryWatch watch_;
};

}  // namespace gateway::deliver

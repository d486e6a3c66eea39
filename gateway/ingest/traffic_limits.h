// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "gateway/ingest/authenticate.h"
#include "gateway/ingest/quota.h"
#include "gateway/ingest/recipients.h"
#include "gateway/normalize/normalized.h"
#include "gateway/pipeline/event_queue.h"

namespace gateway::ingest {

/// What a key and a tenant may send: events per second, and bytes that wait for delivery.
/// Thread-safe.
class TrafficLimits {
 public:
  struct Excess {
    std::string_view limit;  ///< "key_rate", "tenant_rate" or "tenant_backlog".
    std::string message;     ///< For a person.
    common::Duration wait{};
  };

  /// `queue` outlives this.
  explicit TrafficLimits(const pipeline::EventQueue& queue) : queue_(queue) {}

  /// What can be known before the body: whether the key and its tenant may send at all.
  std::optional<Excess> Check(const Identity& caller, common::SteadyTime now);

  /// Takes what the request holds; nothing when it is refused. The tenants that a service
  /// key's events name are known only now: when one of them is over a limit the whole
  /// request is refused, since a part of it would be lost on clients that look at the
  /// status alone.
  std::optional<Excess> Charge(const Identity& caller, const Recipients& recipients,
                               const normalize::Normalized& events, common::SteadyTime now);

 private:
  std::optional<Excess> CheckTenant(const pipeline::Tenant& tenant, common::SteadyTime now);
  void TakeFrom(const pipeline::Tenant* tenant, std::size_t events, common::SteadyTime now);

  const pipeline::EventQueue& queue_;
  Quotas quotas_;
};

}  // namespace gateway::ingest

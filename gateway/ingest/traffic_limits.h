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

  /// Takes what the request holds. When it is all of one tenant that the events name, and that
  /// one is over a limit, the request is refused and nothing taken. Where several tenants
  /// share it, those named pay what they have left and make no debt: one that is over its
  /// rate must not stop the others of the batch, and the service's own rate bounds them all.
  std::optional<Excess> Charge(const Identity& caller, const Recipients& recipients,
                               const Shares& shares, common::SteadyTime now);

  bool BacklogIsFull(const pipeline::Tenant& tenant) const {
    return tenant.max_backlog_bytes != 0 &&
           queue_.PendingBytes(tenant.log) >= tenant.max_backlog_bytes;
  }

 private:
  std::optional<Excess> CheckTenant(const pipeline::Tenant& tenant, common::SteadyTime now);

  const pipeline::EventQueue& queue_;
  Quotas quotas_;
};

}  // namespace gateway::ingest

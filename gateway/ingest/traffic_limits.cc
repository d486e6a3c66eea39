// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/traffic_limits.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

namespace gateway::ingest {
namespace {

// Until a tenant's backlog is shorter; nobody knows, so a little more than a moment.
constexpr std::chrono::seconds kBacklogWait{30};

/// The account and the rate of the key itself, beside those of its tenant.
std::pair<Quotas::Account, pipeline::IngestRate> KeyLimit(const Identity& caller) {
  if (caller.service != nullptr) {
    return {Quotas::OfLog(caller.service->log), caller.service->rate};
  }
  const pipeline::Tenant& tenant = *caller.tenant;
  const auto index = static_cast<std::size_t>(caller.key - tenant.ingest_keys.data());
  return {Quotas::OfKey(tenant.log, index), caller.key->rate};
}

}  // namespace

std::optional<TrafficLimits::Excess> TrafficLimits::Check(const Identity& caller,
                                                          common::SteadyTime now) {
  const auto [account, rate] = KeyLimit(caller);
  if (const auto wait = quotas_.Wait(account, rate, now)) {
    return Excess{"key_rate",
                  fmt::format("this key may send {} events per second", rate.events_per_second),
                  *wait};
  }
  if (caller.tenant == nullptr) return std::nullopt;
  return CheckTenant(*caller.tenant, now);
}

std::optional<TrafficLimits::Excess> TrafficLimits::CheckTenant(const pipeline::Tenant& tenant,
                                                                common::SteadyTime now) {
  if (const auto wait = quotas_.Wait(Quotas::OfLog(tenant.log), tenant.rate, now)) {
    return Excess{"tenant_rate",
                  fmt::format("tenant '{}' may send {} events per second", tenant.id,
                              tenant.rate.events_per_second),
                  *wait};
  }
  if (BacklogIsFull(tenant)) {
    return Excess{
        "tenant_backlog",
        fmt::format("{} bytes of events of tenant '{}' wait for delivery, and no more may",
                    tenant.max_backlog_bytes, tenant.id),
        kBacklogWait};
  }
  return std::nullopt;
}

std::optional<TrafficLimits::Excess> TrafficLimits::Charge(const Identity& caller,
                                                           const Recipients& recipients,
                                                           const Shares& shares,
                                                           common::SteadyTime now) {
  const std::optional<std::uint32_t> only = shares.Only();
  if (only && *only != 0) {
    if (auto excess = CheckTenant(*recipients.tenant(*only), now)) return excess;
  }
  std::uint32_t all = shares.nobodys;
  for (std::uint32_t slot = 0; slot < shares.by_slot.size(); ++slot) {
    const pipeline::Tenant* tenant = recipients.tenant(slot);
    const std::uint32_t events = shares.by_slot[slot];
    all += events;
    if (tenant == nullptr || events == 0) continue;
    quotas_.Take(Quotas::OfLog(tenant->log), tenant->rate, events,
                 slot == 0 || only ? Quotas::Debt::kMade : Quotas::Debt::kForgiven, now);
  }
  const auto [account, rate] = KeyLimit(caller);
  quotas_.Take(account, rate, all, Quotas::Debt::kMade, now);
  return std::nullopt;
}

}  // namespace gateway::ingest

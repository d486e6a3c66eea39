// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/recipients.h"

namespace gateway::ingest {

Recipients::Recipients(const Identity& caller, const pipeline::TenantSnapshot& tenants,
                       const IsClosed& is_closed)
    : caller_(caller), tenants_(tenants), is_closed_(is_closed) {
  if (caller.tenant != nullptr) own_ = MakeSlot(*caller.tenant, 0);
  if (caller.service != nullptr) {
    resolver_ = [this](std::string_view tenant_id) { return Find(tenant_id); };
  }
}

const normalize::Destination* Recipients::own() const {
  return own_.tenant != nullptr || caller_.nobodys ? &own_.destination : nullptr;
}

const normalize::TenantResolver* Recipients::resolver() const {
  return caller_.service != nullptr ? &resolver_ : nullptr;
}

const normalize::Destination* Recipients::Find(std::string_view tenant_id) {
  const pipeline::Tenant* tenant = tenants_.FindById(tenant_id);
  if (tenant == nullptr) return nullptr;
  if (tenant == own_.tenant) return &own_.destination;
  const auto [known, is_new] = by_tenant_.try_emplace(tenant, nullptr);
  if (is_new) {
    others_.push_back(std::make_unique<Slot>(MakeSlot(*tenant, slots())));
    known->second = others_.back().get();
    known->second->destination.closed = is_closed_(*tenant);
  }
  return &known->second->destination;
}

Recipients::Slot Recipients::MakeSlot(const pipeline::Tenant& tenant, std::size_t number) const {
  return {.tenant = &tenant,
          .destination = {.slot = static_cast<std::uint32_t>(number),
                          .strict = tenant.strict,
                          .scope = caller_.ScopesIdsFor(tenant) ? std::string_view(tenant.id)
                                                                : std::string_view(),
                          .collect_ids = tenant.dedupe.on()}};
}

std::optional<std::uint32_t> Shares::Only() const {
  std::optional<std::uint32_t> only;
  for (std::uint32_t slot = 0; slot < by_slot.size(); ++slot) {
    if (by_slot[slot] == 0) continue;
    if (only) return std::nullopt;
    only = slot;
  }
  return nobodys == 0 ? only : std::nullopt;
}

Shares CountShares(const normalize::Normalized& events, std::size_t slots) {
  Shares shares{.by_slot = std::vector<std::uint32_t>(slots)};
  shares.by_slot[0] = static_cast<std::uint32_t>(events.events.count());
  for (const normalize::ElsewhereBlock& block : events.elsewhere) {
    shares.by_slot[block.slot] = static_cast<std::uint32_t>(block.events.count());
  }
  for (const normalize::Rejection& rejection : events.rejected) {
    ++(rejection.slot ? shares.by_slot[*rejection.slot] : shares.nobodys);
  }
  return shares;
}

}  // namespace gateway::ingest

// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/recipients.h"

namespace gateway::ingest {

Recipients::Recipients(const Identity& caller, const pipeline::TenantSnapshot& tenants)
    : caller_(caller), tenants_(tenants) {
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

}  // namespace gateway::ingest

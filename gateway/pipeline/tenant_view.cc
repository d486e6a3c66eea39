// SPDX-License-Identifier: Apache-2.0
#include "gateway/pipeline/tenant_view.h"

#include <utility>

namespace gateway::pipeline {
namespace {

template <typename Map>
auto Find(const Map& map, const typename Map::key_type& key) -> typename Map::mapped_type {
  const auto it = map.find(key);
  return it == map.end() ? typename Map::mapped_type{} : it->second;
}

}  // namespace

TenantSnapshot::TenantSnapshot(std::vector<Tenant> tenants, std::vector<ServiceKey> service_keys)
    : tenants_(std::move(tenants)), service_keys_(std::move(service_keys)) {
  for (const Tenant& tenant : tenants_) {
    by_id_.emplace(tenant.id, &tenant);
    by_log_.emplace(tenant.log, &tenant);
    for (const IngestKey& key : tenant.ingest_keys) {
      by_key_.emplace(key.key.Reveal(), KeyOwner{&tenant, &key});
    }
  }
  for (const ServiceKey& service : service_keys_) {
    by_service_key_.emplace(service.key.Reveal(), &service);
  }
}

KeyOwner TenantSnapshot::FindIngestKey(std::string_view key) const { return Find(by_key_, key); }
const Tenant* TenantSnapshot::FindById(std::string_view id) const { return Find(by_id_, id); }
const Tenant* TenantSnapshot::FindByLog(LogId log) const { return Find(by_log_, log); }
const ServiceKey* TenantSnapshot::FindServiceKey(std::string_view key) const {
  return Find(by_service_key_, key);
}

}  // namespace gateway::pipeline

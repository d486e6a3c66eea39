// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/authenticate.h"

#include <algorithm>

#include "common/strings.h"

namespace gateway::ingest {

Credentials ParseAuthorization(std::string_view header) {
  if (header.empty()) return {};
  const std::size_t blank = header.find(' ');
  if (!common::EqualsIgnoreCase(header.substr(0, blank), "Basic")) {
    return {Credentials::Kind::kUnsupported, {}};
  }
  std::string_view token = blank == std::string_view::npos ? "" : header.substr(blank + 1);
  while (token.starts_with(' ')) token.remove_prefix(1);
  auto decoded = common::Base64Decode(token);
  if (!decoded) return {Credentials::Kind::kMalformed, {}};
  decoded->resize(std::min(decoded->find(':'), decoded->size()));
  return {Credentials::Kind::kBasic, std::move(*decoded)};
}

bool Identity::ScopesIdsFor(const pipeline::Tenant& to) const {
  using pipeline::MessageIds;
  MessageIds wanted = MessageIds::kAuto;
  if (key != nullptr) wanted = key->message_ids;
  if (service != nullptr) wanted = service->message_ids;
  if (wanted == MessageIds::kAuto) wanted = to.message_ids;
  if (wanted == MessageIds::kAuto) return service != nullptr;
  return wanted == MessageIds::kScoped;
}

Identity Identify(const pipeline::TenantSnapshot& tenants, std::string_view key,
                  std::string_view tenant_header) {
  Identity identity;
  if (const pipeline::KeyOwner owner = tenants.FindIngestKey(key); owner.tenant != nullptr) {
    identity.tenant = owner.tenant;
    identity.key = owner.key;
    return identity;
  }
  const pipeline::ServiceKey* service = tenants.FindServiceKey(key);
  if (service == nullptr) {
    identity.failure = Identity::Failure::kUnknownKey;
    return identity;
  }
  identity.service = service;
  if (tenant_header.empty()) return identity;
  identity.tenant = tenants.FindById(tenant_header);
  if (identity.tenant != nullptr) return identity;
  if (service->unknown_tenant == pipeline::UnknownTenant::kIgnore) {
    identity.nobodys = true;
  } else {
    identity.failure = Identity::Failure::kTenantUnknown;
  }
  return identity;
}

}  // namespace gateway::ingest

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

Identity Identify(const pipeline::TenantSnapshot& tenants, std::string_view key,
                  std::string_view tenant_header) {
  Identity identity;
  if (const pipeline::Tenant* tenant = tenants.FindIngestKey(key).tenant) {
    identity.tenant = tenant;
    return identity;
  }
  if (tenants.FindServiceKey(key) == nullptr) {
    identity.failure = Identity::Failure::kUnknownKey;
    return identity;
  }
  identity.service_key = true;
  if (tenant_header.empty()) return identity;
  identity.tenant = tenants.FindById(tenant_header);
  if (identity.tenant == nullptr) identity.failure = Identity::Failure::kTenantUnknown;
  return identity;
}

}  // namespace gateway::ingest

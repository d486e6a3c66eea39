// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "gateway/pipeline/tenant_view.h"

namespace gateway::ingest {

/// Who a request says it is.
struct Credentials {
  enum class Kind {
    kNone,         ///< No Authorization header: the key may be in the body.
    kBasic,        ///< `key` is the user name.
    kUnsupported,  ///< Another scheme, such as Bearer.
    kMalformed,    ///< Basic, but not base64.
  };
  Kind kind = Kind::kNone;
  std::string key;
};

/// Reads an Authorization header's value; the colon after the user may be missing, as
/// Segment tolerates it.
Credentials ParseAuthorization(std::string_view header);

/// Whose request it is, or why nobody's. Points into the snapshot.
struct Identity {
  enum class Failure {
    kNone,
    kUnknownKey,     ///< No tenant has this ingest key.
    kTenantUnknown,  ///< A service key that names a tenant nobody configured.
  };
  /// Null after a failure, for a service key without X-Tenant-Id (then each event says whose
  /// it is), and for one that names nobody and may.
  const pipeline::Tenant* tenant = nullptr;
  const pipeline::IngestKey* key = nullptr;       ///< Of a tenant; null for a service key.
  const pipeline::ServiceKey* service = nullptr;  ///< Null for a tenant's key.
  /// X-Tenant-Id names nobody, and the service wants such events passed over.
  bool nobodys = false;
  Failure failure = Failure::kNone;

  bool known() const { return tenant != nullptr || service != nullptr; }
  /// Whether this caller's events for `to` go out with ids of their own for that tenant.
  bool ScopesIdsFor(const pipeline::Tenant& to) const;
};

/// `tenant_header` is the value of X-Tenant-Id, which only a service key may use.
Identity Identify(const pipeline::TenantSnapshot& tenants, std::string_view key,
                  std::string_view tenant_header);

}  // namespace gateway::ingest

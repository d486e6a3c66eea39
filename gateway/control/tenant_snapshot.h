// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/guarded.h"
#include "common/result.h"
#include "common/secret.h"
#include "gateway/pipeline/event.h"
#include "gateway/pipeline/tenant_view.h"

namespace gateway::control {

/// What an operator declares of a tenant, wherever it is kept.
struct TenantSpec {
  std::string id;
  std::vector<pipeline::IngestKey> ingest_keys;
  bool strict = false;
  pipeline::MessageIds message_ids = pipeline::MessageIds::kAuto;
  pipeline::Dedupe dedupe{};
  pipeline::IngestRate rate{};
  common::Duration max_age{};  ///< As in pipeline::Tenant.
  std::uint64_t max_backlog_bytes = 0;
  std::shared_ptr<const pipeline::DeliveryPolicy> delivery{};  ///< As in pipeline::Tenant.
  bool paused = false;
  bool forwarded = true;  ///< The "Send to Segment" switch; false wins over `paused`.
  common::Secret write_key;
  std::string region;
  std::shared_ptr<const pipeline::Endpoint> endpoint;  ///< What `region` stands for.
};

using SnapshotPtr = std::shared_ptr<const pipeline::TenantSnapshot>;

/// The log of that name, opened before; an error stops the building of the snapshot.
using LogLookup = std::function<common::Result<pipeline::LogId>(std::string_view name)>;

/// The name of the log that keeps the dead letters of a service's events for nobody. No
/// tenant can have it: an id holds no colon.
std::string ServiceLogName(std::string_view service);

/// Joins the declarations with their logs (ServiceKey::log is set here). kInvalidArgument when an
/// id, a log or a key would stand for two (whose events would then mix), or when a tenant that is
/// forwarded has no endpoint or no write key; the message names tenants and services, never a key.
common::Result<SnapshotPtr> BuildSnapshot(std::vector<TenantSpec> tenants,
                                          std::vector<pipeline::ServiceKey> service_keys,
                                          const LogLookup& log_of);

/// The snapshot in force. Thread-safe: a reader gets the old or the new one, whole, and
/// what it got stays valid while it holds it.
class CurrentTenants final : public pipeline::TenantView {
 public:
  /// `initial` is not null, here and in Replace.
  explicit CurrentTenants(SnapshotPtr initial) : current_(std::move(initial)) {}

  SnapshotPtr Current() const override;
  void Replace(SnapshotPtr next);

 private:
  common::Guarded<SnapshotPtr> current_;
};

}  // namespace gateway::control

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/secret.h"
#include "gateway/pipeline/event.h"
#include "gateway/pipeline/transport.h"

namespace gateway::pipeline {

/// What happens to a tenant's events.
enum class TenantMode {
  kEnabled,       ///< Stored and delivered.
  kPaused,        ///< Stored and held until resumed.
  kNotForwarded,  ///< "Send to Segment" is off: answered 200, not stored, counted.
};

struct Tenant {
  std::string id;
  LogId log = 0;
  TenantMode mode = TenantMode::kEnabled;
  std::vector<common::Secret> ingest_keys;
  common::Secret write_key;
  std::string region;                        ///< A name of segment.endpoints.
  std::shared_ptr<const Endpoint> endpoint;  ///< What `region` stands for.
};

struct ServiceKey {
  std::string name;
  common::Secret key;
};

/// All tenants and keys at one moment. Immutable; swapped whole.
class TenantSnapshot {
 public:
  TenantSnapshot(std::vector<Tenant> tenants, std::vector<ServiceKey> service_keys);
  TenantSnapshot(const TenantSnapshot&) = delete;
  TenantSnapshot& operator=(const TenantSnapshot&) = delete;

  const std::vector<Tenant>& tenants() const { return tenants_; }
  /// nullptr when there is none; O(1).
  const Tenant* FindByIngestKey(std::string_view key) const;
  const Tenant* FindById(std::string_view id) const;
  const Tenant* FindByLog(LogId log) const;
  const ServiceKey* FindServiceKey(std::string_view key) const;

 private:
  std::vector<Tenant> tenants_;
  std::vector<ServiceKey> service_keys_;
  std::unordered_map<std::string_view, const Tenant*> by_key_;
  std::unordered_map<std::string_view, const Tenant*> by_id_;
  std::unordered_map<LogId, const Tenant*> by_log_;
  std::unordered_map<std::string_view, const ServiceKey*> by_service_key_;
};

/// The seam of the control plane. Thread-safe; the snapshot stays valid while held.
class TenantView {
 public:
  virtual ~TenantView() = default;
  virtual std::shared_ptr<const TenantSnapshot> Current() const = 0;
};

}  // namespace gateway::pipeline

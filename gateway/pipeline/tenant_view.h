// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "common/secret.h"
#include "gateway/pipeline/dedupe.h"
#include "gateway/pipeline/delivery_policy.h"
#include "gateway/pipeline/event.h"
#include "gateway/pipeline/transport.h"

namespace gateway::pipeline {

/// What happens to a tenant's events.
enum class TenantMode {
  kEnabled,       ///< Stored and delivered.
  kPaused,        ///< Stored and held until resumed.
  kNotForwarded,  ///< "Send to Segment" is off: answered 200, not stored, counted.
};

/// What the messageId of an outgoing event is. Segment de-duplicates across all workspaces,
/// so one id that goes to two tenants reaches only the first.
enum class MessageIds {
  kAuto,    ///< As the next wider setting says; in the end kKeep for a tenant's own key and
            ///< kScoped for a service key.
  kKeep,    ///< As the client gave it.
  kScoped,  ///< Made unique to the tenant, the same each time.
};

/// How many events may come in. `events_per_second` 0 is no limit.
struct IngestRate {
  std::uint32_t events_per_second = 0;
  std::uint32_t burst_events = 0;  ///< Above 0 where there is a limit.

  friend bool operator==(const IngestRate&, const IngestRate&) = default;
};

struct IngestKey {
  std::string name{};  ///< For metrics and logs; empty when it has none.
  common::Secret key{};
  MessageIds message_ids = MessageIds::kAuto;
  IngestRate rate{};
};

struct Tenant {
  std::string id;
  LogId log = 0;
  TenantMode mode = TenantMode::kEnabled;
  std::vector<IngestKey> ingest_keys{};
  /// Refuse what Segment would drop in silence, whole requests at a time.
  bool strict = false;
  MessageIds message_ids = MessageIds::kAuto;
  Dedupe dedupe{};
  IngestRate rate{};  ///< Of all its keys together.
  /// Events that wait longer become dead letters; 0: none does.
  common::Duration max_age{};
  std::uint64_t max_backlog_bytes = 0;  ///< Waiting events beyond which new ones get 429; 0: any.
  /// Where it differs from that of everybody else; else none.
  std::shared_ptr<const DeliveryPolicy> delivery{};
  common::Secret write_key{};
  std::string region{};                        ///< A name of segment.endpoints.
  std::shared_ptr<const Endpoint> endpoint{};  ///< What `region` stands for.
};

/// What a service key's events for tenants that do not exist get.
enum class UnknownTenant {
  kReject,  ///< Refused, and kept as dead letters of the service.
  kIgnore,  ///< Answered 200, counted, not stored.
};

struct ServiceKey {
  std::string name{};
  LogId log = 0;  ///< Holds no events: the dead letters of those that have no tenant.
  common::Secret key{};
  UnknownTenant unknown_tenant = UnknownTenant::kReject;
  MessageIds message_ids = MessageIds::kAuto;
  IngestRate rate{};
};

/// Whose an ingest key is. Both null when nobody has it.
struct KeyOwner {
  const Tenant* tenant = nullptr;
  const IngestKey* key = nullptr;
};

/// All tenants and keys at one moment. Immutable; swapped whole.
class TenantSnapshot {
 public:
  TenantSnapshot(std::vector<Tenant> tenants, std::vector<ServiceKey> service_keys);
  TenantSnapshot(const TenantSnapshot&) = delete;
  TenantSnapshot& operator=(const TenantSnapshot&) = delete;

  const std::vector<Tenant>& tenants() const { return tenants_; }
  const std::vector<ServiceKey>& service_keys() const { return service_keys_; }
  KeyOwner FindIngestKey(std::string_view key) const;
  /// nullptr when there is none; O(1).
  const Tenant* FindById(std::string_view id) const;
  const Tenant* FindByLog(LogId log) const;
  const ServiceKey* FindServiceKey(std::string_view key) const;

 private:
  std::vector<Tenant> tenants_;
  std::vector<ServiceKey> service_keys_;
  std::unordered_map<std::string_view, KeyOwner> by_key_;
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

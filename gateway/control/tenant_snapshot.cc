// SPDX-License-Identifier: Apache-2.0
#include "gateway/control/tenant_snapshot.h"

#include <fmt/format.h>

#include <unordered_map>
#include <utility>

namespace gateway::control {
namespace {

using common::ErrorCode;
using common::Fail;
using common::Status;
using pipeline::LogId;
using pipeline::ServiceKey;
using pipeline::Tenant;
using pipeline::TenantMode;
using pipeline::TenantSnapshot;

TenantMode ModeOf(const TenantSpec& spec) {
  if (!spec.forwarded) return TenantMode::kNotForwarded;
  return spec.paused ? TenantMode::kPaused : TenantMode::kEnabled;
}

Status CheckDestination(const TenantSpec& spec) {
  if (!spec.forwarded) return common::Ok();
  if (spec.endpoint == nullptr) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("tenant '{}': region '{}' has no endpoint", spec.id, spec.region));
  }
  if (spec.write_key.empty()) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("tenant '{}' has no write key", spec.id));
  }
  return common::Ok();
}

/// Who owns what: each thing may have one owner.
template <typename Key>
class Owners {
 public:
  explicit Owners(std::string_view what) : what_(what) {}

  Status Claim(const Key& key, const std::string& owner) {
    const auto [first, inserted] = owners_.try_emplace(key, owner);
    if (inserted) return common::Ok();
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} and {} have the same {}", first->second, owner, what_));
  }

 private:
  std::string_view what_;
  std::unordered_map<Key, std::string> owners_;
};

/// An empty key would let in everybody who sends none.
Status ClaimKey(Owners<std::string_view>& keys, const common::Secret& key,
                const std::string& owner) {
  if (key.empty()) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{} has an empty key", owner));
  }
  return keys.Claim(key.Reveal(), owner);
}

Status CheckOwners(const std::vector<Tenant>& tenants,
                   const std::vector<ServiceKey>& service_keys) {
  Owners<std::string_view> ids("id");
  Owners<LogId> logs("log");
  Owners<std::string_view> keys("key");
  for (const Tenant& tenant : tenants) {
    const std::string owner = fmt::format("tenant '{}'", tenant.id);
    if (Status status = ids.Claim(tenant.id, owner); !status) return status;
    if (Status status = logs.Claim(tenant.log, owner); !status) return status;
    for (const pipeline::IngestKey& key : tenant.ingest_keys) {
      if (Status status = ClaimKey(keys, key.key, owner); !status) return status;
    }
  }
  for (const ServiceKey& service : service_keys) {
    const std::string owner = fmt::format("service '{}'", service.name);
    if (Status status = logs.Claim(service.log, owner); !status) return status;
    if (Status status = ClaimKey(keys, service.key, owner); !status) return status;
  }
  return common::Ok();
}

}  // namespace

std::string ServiceLogName(std::string_view service) { return fmt::format("service:{}", service); }

common::Result<SnapshotPtr> BuildSnapshot(std::vector<TenantSpec> specs,
                                          std::vector<ServiceKey> service_keys,
                                          const LogLookup& log_of) {
  std::vector<Tenant> tenants;
  tenants.reserve(specs.size());
  for (TenantSpec& spec : specs) {
    if (Status status = CheckDestination(spec); !status) {
      return tl::unexpected<common::Error>(std::move(status.error()));
    }
    common::Result<LogId> log = log_of(spec.id);
    if (!log) return tl::unexpected<common::Error>(std::move(log.error()));
    const TenantMode mode = ModeOf(spec);
    tenants.push_back({.id = std::move(spec.id),
                       .log = *log,
                       .mode = mode,
                       .ingest_keys = std::move(spec.ingest_keys),
                       .strict = spec.strict,
                       .message_ids = spec.message_ids,
                       .dedupe = spec.dedupe,
                       .rate = spec.rate,
                       .max_age = spec.max_age,
                       .max_backlog_bytes = spec.max_backlog_bytes,
                       .delivery = std::move(spec.delivery),
                       .write_key = std::move(spec.write_key),
                       .region = std::move(spec.region),
                       .endpoint = std::move(spec.endpoint)});
  }
  for (ServiceKey& service : service_keys) {
    common::Result<LogId> log = log_of(ServiceLogName(service.name));
    if (!log) return tl::unexpected<common::Error>(std::move(log.error()));
    service.log = *log;
  }
  if (Status status = CheckOwners(tenants, service_keys); !status) {
    return tl::unexpected<common::Error>(std::move(status.error()));
  }
  return std::make_shared<const TenantSnapshot>(std::move(tenants), std::move(service_keys));
}

SnapshotPtr CurrentTenants::Current() const {
  return current_.With([](const SnapshotPtr& current) { return current; });
}

void CurrentTenants::Replace(SnapshotPtr next) {
  // The old snapshot may be the last of its kind and large: it is freed outside the lock.
  current_.With([&](SnapshotPtr& current) { current.swap(next); });
}

}  // namespace gateway::control

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/ingest/authenticate.h"
#include "gateway/normalize/normalized.h"
#include "gateway/pipeline/tenant_view.h"

namespace gateway::ingest {

/// The tenants that the events of one request go to. Slot 0 is the request's own, if it has
/// one; a service key's events may name others, which get the next slots as they turn up.
/// Lives for one request, on one thread.
class Recipients {
 public:
  /// Whether a tenant that an event names takes nothing now. (For slot 0 the whole request
  /// was refused by its header.)
  using IsClosed = std::function<bool(const pipeline::Tenant&)>;

  /// All outlive this.
  Recipients(const Identity& caller, const pipeline::TenantSnapshot& tenants,
             const IsClosed& is_closed);
  Recipients(const Recipients&) = delete;
  Recipients& operator=(const Recipients&) = delete;

  /// Of events that name no tenant; null when those have none.
  const normalize::Destination* own() const;
  /// Null unless the caller may send for any tenant.
  const normalize::TenantResolver* resolver() const;

  std::size_t slots() const { return 1 + others_.size(); }
  /// Null for slot 0 of a request without a tenant of its own.
  const pipeline::Tenant* tenant(std::uint32_t slot) const {
    return slot == 0 ? own_.tenant : others_[slot - 1]->tenant;
  }

 private:
  struct Slot {
    const pipeline::Tenant* tenant = nullptr;
    normalize::Destination destination{};
  };

  const normalize::Destination* Find(std::string_view tenant_id);
  Slot MakeSlot(const pipeline::Tenant& tenant, std::size_t number) const;

  const Identity& caller_;
  const pipeline::TenantSnapshot& tenants_;
  const IsClosed& is_closed_;
  Slot own_;
  std::vector<std::unique_ptr<Slot>> others_;  // Destinations are pointed to.
  std::unordered_map<const pipeline::Tenant*, Slot*> by_tenant_;
  normalize::TenantResolver resolver_;
};

/// How many items of a request each of its recipients has, refused ones included.
struct Shares {
  std::vector<std::uint32_t> by_slot;
  std::uint32_t nobodys = 0;

  /// The slot that has everything; nullopt when several share, or nobody has something.
  std::optional<std::uint32_t> Only() const;
};
Shares CountShares(const normalize::Normalized& events, std::size_t slots);

}  // namespace gateway::ingest

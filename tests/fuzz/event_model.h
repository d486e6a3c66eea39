// SPDX-License-Identifier: Apache-2.0
// What a plain reading of the contract, on nlohmann-json, makes of an event: the judge of
// normalize_fuzz.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>

#include "gateway/normalize/normalizer.h"

namespace fuzz {

inline const common::WallTime kNow{std::chrono::milliseconds(1767323045678)};
inline constexpr char kClientIp[] = "203.0.113.9";
inline const std::set<std::string> kServerOwned = {"writeKey",          "sentAt",    "receivedAt",
                                                   "originalTimestamp", "projectId", "version"};

/// Ends the process when `condition` does not hold.
void Require(bool condition, const char* what);

/// null when `object` has no such key.
const nlohmann::json& At(const nlohmann::json& object, const char* key);

bool IsEmptyText(const nlohmann::json& value);

/// Neither an object nor absent.
bool NotObject(const nlohmann::json& value);

/// What the caller and the tenants of a request ask for.
struct Options {
  bool service_key = false;
  bool client_side = false;
  bool has_ip = false;
  bool ignore_unknown = false;
  bool has_own = true;
  gateway::normalize::Destination own;  ///< Slot 0.
  gateway::normalize::Destination
      elsewhere;  ///< Of tenantIds that begin with 'a'; those with 'x' are nobody's.

  const gateway::normalize::Destination* Find(std::string_view tenant_id) const {
    if (tenant_id.starts_with('a')) return &elsewhere;
    return tenant_id.starts_with('x') ? nullptr : &own;
  }
};
Options ReadOptions(std::uint8_t control, std::uint8_t bits);

/// What the model expects of an item.
struct Expected {
  std::string code;                                     ///< Why it is refused; "" when it is not.
  const gateway::normalize::Destination* to = nullptr;  ///< With neither: it is passed over.
  gateway::normalize::EventType type = gateway::normalize::EventType::kTrack;
};
Expected Expect(const nlohmann::json& item, const nlohmann::json& sent_at,
                gateway::normalize::Route route, const Options& options);

/// An accepted item and where it stands.
struct ModelItem {
  const nlohmann::json& item;
  const nlohmann::json& envelope;
  const nlohmann::json& sent_at;
  gateway::normalize::EventType type;
  const gateway::normalize::Destination& to;
};

/// Requires `text` to be the event that `model` becomes; `id` is its name for the log,
/// when it has to have one.
void CheckEvent(const ModelItem& model, const Options& options, std::string_view text,
                const gateway::pipeline::EventId* id);

}  // namespace fuzz

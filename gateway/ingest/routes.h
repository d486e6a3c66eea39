// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/normalize/normalizer.h"

namespace gateway::ingest {

/// What a path of the ingest listener is for.
enum class Purpose : std::uint8_t {
  kEvents,       ///< Segment's Tracking API.
  kValidate,     ///< The same as a dry run.
  kPixel,        ///< One event in a query; the answer is always a picture.
  kSelfMetrics,  ///< Metrics of analytics.js about itself, which nobody here reads.
  kSettings,     ///< What SDKs fetch before they send.
};

struct Target {
  Purpose purpose = Purpose::kEvents;
  /// The call that the path implies; of kEvents, kPixel and kValidate.
  normalize::Route call = normalize::Route::kBatch;
  /// Browsers and devices send here: Segment fills in their IP address.
  bool client_side = false;
  /// kSettings: the key in the path, still percent-encoded.
  std::string_view key = {};
};

/// What a path stands for; nullopt for a path of nobody's. Trailing slashes are paths
/// of their own and never a redirect: Segment's Node client turns a redirect into an empty
/// GET and reports success.
/// Source: Segment's HTTP API and pixel API; /v1/import and /v1/import/ as its Ruby, .NET
/// and Java clients use them; the short paths, /v1/b, /v1/m and the settings as
/// analytics.js and the mobile SDKs do.
std::optional<Target> FindTarget(std::string_view path);

/// Routes are counted by a small number, in the order of RouteName.
inline constexpr std::size_t kRoutes = 11;
std::size_t RouteIndex(const Target& target);
/// "track", "identify", …, "batch", "validate", "pixel", "self_metrics", "settings".
std::string_view RouteName(std::size_t index);

}  // namespace gateway::ingest

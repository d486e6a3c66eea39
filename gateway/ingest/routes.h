// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "gateway/normalize/normalizer.h"

namespace gateway::ingest {

/// The call a path stands for; nullopt for a path of nobody's. Trailing slashes are paths
/// of their own and never a redirect: Segment's Node client turns a redirect into an empty
/// GET and reports success.
/// Source: Segment's HTTP API; /v1/import and /v1/import/ as its Ruby, .NET and Java
/// clients use them.
std::optional<normalize::Route> FindRoute(std::string_view path);

inline constexpr std::size_t kRoutes = 7;

/// "track", "identify", …, "batch".
const char* RouteName(normalize::Route route);

}  // namespace gateway::ingest

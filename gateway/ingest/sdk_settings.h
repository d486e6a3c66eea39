// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/client_address.h"
#include "common/net/http_server.h"

namespace gateway::ingest {

/// Where SDKs reach the ingest listener from outside.
struct PublicAddress {
  bool https = true;
  std::string host;  ///< With port and path prefix if there are any: "events.example.com:8443".
};

/// `configured` if there is one; else what a trusted proxy says that the client asked
/// (X-Forwarded-Host and -Proto), else the Host header. nullopt when nobody says,
/// or says what is no host.
std::optional<PublicAddress> FindPublicAddress(
    const common::net::RequestHead& head, const std::optional<PublicAddress>& configured,
    const std::vector<common::net::Network>& trusted_proxies, bool tls);

/// The settings that SDKs fetch before they send, so that they come here: no destination
/// of their own, no tracking plan, no middleware, no metrics about themselves.
/// Source: analytics.js (`GET /v1/projects/{key}/settings` of its CDN) and the Kotlin and
/// Swift SDKs, which read `integrations["Segment.io"]`, `plan`, `edgeFunction`,
/// `middlewareSettings` and `metrics`.
std::string SdkSettings(std::string_view key, const PublicAddress& address);

}  // namespace gateway::ingest

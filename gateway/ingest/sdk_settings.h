// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace gateway::ingest {

/// Where SDKs reach the ingest listener from outside.
struct PublicAddress {
  bool https = true;
  std::string host;  ///< With port and path prefix if there are any: "events.example.com:8443".
};

/// The settings that SDKs fetch before they send, so that they come here: no destination
/// of their own, no tracking plan, no middleware, no metrics about themselves.
/// Source: analytics.js (`GET /v1/projects/{key}/settings` of its CDN) and the Kotlin and
/// Swift SDKs, which read `integrations["Segment.io"]`, `plan`, `edgeFunction`,
/// `middlewareSettings` and `metrics`.
std::string SdkSettings(std::string_view key, const PublicAddress& address);

}  // namespace gateway::ingest

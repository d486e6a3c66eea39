// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/sdk_settings.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/strings.h"

namespace gateway::ingest {
namespace {

/// The first of a list; a proxy behind another appends its own.
std::string_view FirstOf(std::string_view list) {
  std::string_view first = list.substr(0, list.find(','));
  while (first.ends_with(' ')) first.remove_suffix(1);
  return first;
}

/// "host" or "host:port": what goes into the settings, and into URLs on the other side.
bool IsHost(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
  });
}

bool IsIn(const std::vector<common::net::Network>& networks, std::string_view peer) {
  const auto address = common::net::ParseIpAddress(peer);
  return address && std::ranges::any_of(networks, [&](const common::net::Network& network) {
           return common::net::Contains(network, *address);
         });
}

}  // namespace

std::optional<PublicAddress> FindPublicAddress(
    const common::net::RequestHead& head, const std::optional<PublicAddress>& configured,
    const std::vector<common::net::Network>& trusted_proxies, bool tls) {
  if (configured) return configured;
  PublicAddress address{.https = tls, .host = std::string(head.header("Host"))};
  if (IsIn(trusted_proxies, head.remote)) {
    const std::string_view host = FirstOf(head.header("X-Forwarded-Host"));
    if (!host.empty()) address.host = host;
    const std::string_view protocol = FirstOf(head.header("X-Forwarded-Proto"));
    if (!protocol.empty()) address.https = common::EqualsIgnoreCase(protocol, "https");
  }
  if (!IsHost(address.host)) return std::nullopt;
  return address;
}

std::string SdkSettings(std::string_view key, const PublicAddress& address) {
  using Json = nlohmann::json;
  const Json everything_on = {{"__default", {{"enabled", true}, {"integrations", Json::object()}}}};
  const Json settings = {
      {"integrations",
       {{"Segment.io",
         {{"apiKey", key},
          {"apiHost", address.host + "/v1"},
          {"protocol", address.https ? "https" : "http"},
          {"unbundledIntegrations", Json::array()},
          {"addBundledMetadata", true},
          {"maybeBundledConfigIds", Json::object()},
          {"versionSettings", {{"version", "4.4.7"}, {"componentTypes", {"browser"}}}}}}}},
      {"plan", {{"track", everything_on}, {"identify", everything_on}, {"group", everything_on}}},
      {"edgeFunction", Json::object()},
      {"analyticsNextEnabled", true},
      {"middlewareSettings", Json::object()},
      {"enabledMiddleware", Json::object()},
      {"metrics", {{"sampleRate", 0}}},
      {"legacyVideoPluginsEnabled", false},
      {"remotePlugins", Json::array()},
  };
  return settings.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace gateway::ingest

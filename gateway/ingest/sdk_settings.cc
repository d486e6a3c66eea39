// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/sdk_settings.h"

#include <nlohmann/json.hpp>

namespace gateway::ingest {

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

// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/routes.h"

#include <array>

namespace gateway::ingest {
namespace {

using normalize::Route;

struct Path {
  std::string_view name;
  Target target;
};

constexpr Target Events(Route call) { return {.purpose = Purpose::kEvents, .call = call}; }
constexpr Target FromDevice(Route call) {
  return {.purpose = Purpose::kEvents, .call = call, .client_side = true};
}
constexpr Target Pixel(Route call) {
  return {.purpose = Purpose::kPixel, .call = call, .client_side = true};
}

// The most frequent first. Each has a twin with a slash at its end.
constexpr auto kPaths = std::to_array<Path>({
    {"/v1/batch", Events(Route::kBatch)},
    {"/v1/track", Events(Route::kTrack)},
    {"/v1/identify", Events(Route::kIdentify)},
    {"/v1/group", Events(Route::kGroup)},
    {"/v1/page", Events(Route::kPage)},
    {"/v1/screen", Events(Route::kScreen)},
    {"/v1/alias", Events(Route::kAlias)},
    {"/v1/import", Events(Route::kBatch)},
    {"/v1/b", FromDevice(Route::kBatch)},
    {"/v1/t", FromDevice(Route::kTrack)},
    {"/v1/i", FromDevice(Route::kIdentify)},
    {"/v1/g", FromDevice(Route::kGroup)},
    {"/v1/p", FromDevice(Route::kPage)},
    {"/v1/s", FromDevice(Route::kScreen)},
    {"/v1/a", FromDevice(Route::kAlias)},
    {"/v1/m", {.purpose = Purpose::kSelfMetrics, .client_side = true}},
    {"/v1/validate", {.purpose = Purpose::kValidate, .call = Route::kAny}},
    {"/v1/pixel/track", Pixel(Route::kTrack)},
    {"/v1/pixel/identify", Pixel(Route::kIdentify)},
    {"/v1/pixel/group", Pixel(Route::kGroup)},
    {"/v1/pixel/page", Pixel(Route::kPage)},
    {"/v1/pixel/screen", Pixel(Route::kScreen)},
    {"/v1/pixel/alias", Pixel(Route::kAlias)},
});

constexpr std::array<std::string_view, kRoutes> kNames = {
    "track", "identify", "group", "page",         "screen",  "alias",
    "batch", "validate", "pixel", "self_metrics", "settings"};

std::optional<Target> FindSettings(std::string_view path) {
  constexpr std::string_view kPrefix = "/v1/projects/";
  constexpr std::string_view kSuffix = "/settings";
  if (!path.starts_with(kPrefix) || !path.ends_with(kSuffix)) return std::nullopt;
  if (path.size() <= kPrefix.size() + kSuffix.size()) return std::nullopt;
  path.remove_prefix(kPrefix.size());
  path.remove_suffix(kSuffix.size());
  if (path.find('/') != std::string_view::npos) return std::nullopt;
  return Target{.purpose = Purpose::kSettings, .client_side = true, .key = path};
}

}  // namespace

std::optional<Target> FindTarget(std::string_view path) {
  const std::string_view name = path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
  for (const Path& known : kPaths) {
    if (known.name == name) return known.target;
  }
  return FindSettings(name);
}

std::size_t RouteIndex(const Target& target) {
  constexpr std::size_t kCalls = 7;
  switch (target.purpose) {
    case Purpose::kEvents:
      return static_cast<std::size_t>(target.call);
    case Purpose::kValidate:
    case Purpose::kPixel:
    case Purpose::kSelfMetrics:
    case Purpose::kSettings:
      break;
  }
  return kCalls + static_cast<std::size_t>(target.purpose) - 1;
}

std::string_view RouteName(std::size_t index) { return kNames.at(index); }

}  // namespace gateway::ingest

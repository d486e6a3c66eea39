// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/routes.h"

#include <utility>

namespace gateway::ingest {

std::optional<normalize::Route> FindRoute(std::string_view path) {
  using normalize::Route;
  static constexpr std::pair<std::string_view, Route> kPaths[] = {
      {"/v1/batch", Route::kBatch},        {"/v1/track", Route::kTrack},
      {"/v1/identify", Route::kIdentify},  {"/v1/group", Route::kGroup},
      {"/v1/page", Route::kPage},          {"/v1/screen", Route::kScreen},
      {"/v1/alias", Route::kAlias},        {"/v1/import", Route::kBatch},
      {"/v1/batch/", Route::kBatch},       {"/v1/track/", Route::kTrack},
      {"/v1/identify/", Route::kIdentify}, {"/v1/group/", Route::kGroup},
      {"/v1/page/", Route::kPage},         {"/v1/screen/", Route::kScreen},
      {"/v1/alias/", Route::kAlias},       {"/v1/import/", Route::kBatch},
  };
  for (const auto& [name, route] : kPaths) {
    if (name == path) return route;
  }
  return std::nullopt;
}

const char* RouteName(normalize::Route route) {
  switch (route) {
    case normalize::Route::kTrack:
      return "track";
    case normalize::Route::kIdentify:
      return "identify";
    case normalize::Route::kGroup:
      return "group";
    case normalize::Route::kPage:
      return "page";
    case normalize::Route::kScreen:
      return "screen";
    case normalize::Route::kAlias:
      return "alias";
    case normalize::Route::kBatch:
      return "batch";
  }
  return "none";
}

}  // namespace gateway::ingest

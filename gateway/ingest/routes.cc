// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/routes.h"

#include <utility>

namespace gateway::ingest {

std::optional<normalize::Route> FindRoute(std::string_view path) {
  using normalize::Route;
  static constexpr std::pair<std::string_view, Route> kRoutes[] = {
      {"/v1/batch", Route::kBatch},        {"/v1/track", Route::kTrack},
      {"/v1/identify", Route::kIdentify},  {"/v1/group", Route::kGroup},
      {"/v1/page", Route::kPage},          {"/v1/screen", Route::kScreen},
      {"/v1/alias", Route::kAlias},        {"/v1/import", Route::kBatch},
      {"/v1/batch/", Route::kBatch},       {"/v1/track/", Route::kTrack},
      {"/v1/identify/", Route::kIdentify}, {"/v1/group/", Route::kGroup},
      {"/v1/page/", Route::kPage},         {"/v1/screen/", Route::kScreen},
      {"/v1/alias/", Route::kAlias},       {"/v1/import/", Route::kBatch},
  };
  for (const auto& [name, route] : kRoutes) {
    if (name == path) return route;
  }
  return std::nullopt;
}

}  // namespace gateway::ingest

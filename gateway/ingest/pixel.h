// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/net/http_server.h"
#include "common/result.h"

namespace gateway::ingest {

/// The event in the query of a pixel: the JSON of `data` (base64, of either alphabet), or
/// the other parameters as strings, with dots for nesting ("properties.subject=Hello").
/// kInvalidArgument, with a reason for a person, when `data` is not base64 or a name is
/// nested too deep. What comes out need not be JSON: the normaliser checks it.
/// Source: Segment's pixel tracking API.
common::Result<std::string> PixelEvent(std::string_view query);

/// 200 with a transparent picture of one pixel that nobody caches.
common::net::Response PixelPicture();

}  // namespace gateway::ingest

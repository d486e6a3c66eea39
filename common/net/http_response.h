// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/net/http_server.h"

namespace common::net {

/// How one answer goes out on its connection.
struct Framing {
  bool close = false;         ///< Say "Connection: close".
  bool http10 = false;        ///< The client speaks HTTP/1.0 and asked for keep-alive.
  bool without_body = false;  ///< The request was a HEAD.
  std::string_view date;      ///< RFC 9110 date.
};

/// The bytes of an answer. Beast's serialiser would do, at ten times the cost for the
/// sixteen bytes of {"success":true}.
std::string RenderResponse(const Response& response, const Framing& framing);

/// "Tue, 24 Nov 2026 03:22:00 GMT"
std::string HttpDate(WallTime time);

}  // namespace common::net

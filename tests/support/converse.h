// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/http_server.h"

namespace tests {

struct Conversation {
  std::string sent;     ///< By the server, to the end of the connection.
  bool closed = false;  ///< False: the session waits for something that never comes.
  bool reset = false;
};

/// One connection from its first byte to its last, without sockets, threads or clocks: `bytes`
/// arrive in pieces of the given sizes (the last size goes on to the end; none: all at once),
/// then the client ends its half. The answers bear the date kConverseDate.
Conversation Converse(common::net::HttpService& service, const common::net::ServerOptions& options,
                      std::string_view bytes, const std::vector<std::size_t>& sizes);

inline constexpr std::string_view kConverseDate = "Fri, 02 Jan 2026 03:04:05 GMT";

}  // namespace tests

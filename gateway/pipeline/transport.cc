// SPDX-License-Identifier: Apache-2.0
#include "gateway/pipeline/transport.h"

#include <fmt/format.h>

#include <charconv>

namespace gateway::pipeline {
namespace {

using common::ErrorCode;
using common::Fail;

tl::unexpected<common::Error> Bad(std::string_view url, std::string_view why) {
  return Fail(ErrorCode::kInvalidArgument, fmt::format("'{}' is not an endpoint: {}", url, why));
}

bool IsHostByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_';
}

}  // namespace

common::Result<Endpoint> ParseEndpoint(std::string_view url) {
  Endpoint endpoint;
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
    endpoint.tls = false;
    endpoint.port = 80;
  } else {
    return Bad(url, "it must start with https:// (or http:// for a test server)");
  }
  const std::size_t slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  std::string_view path = slash == std::string_view::npos ? "" : rest.substr(slash);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.find_first_of("?# \t\r\n") != std::string_view::npos) {
    return Bad(url, "its path may not hold '?', '#' or a blank");
  }
  if (authority.find('@') != std::string_view::npos) {
    return Bad(url, "it may not hold a user name; the write key is sent for you");
  }
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return Bad(url, "']' is missing");
    endpoint.host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
    if (endpoint.host.find_first_not_of("0123456789abcdefABCDEF:.") != std::string::npos) {
      return Bad(url, "the brackets hold no IPv6 address");
    }
  } else {
    const std::size_t colon = authority.find(':');
    endpoint.host = authority.substr(0, colon);
    port = colon == std::string_view::npos ? "" : authority.substr(colon);
    for (const char c : endpoint.host) {
      if (!IsHostByte(c)) return Bad(url, "the host name holds a byte that host names cannot");
    }
  }
  if (endpoint.host.empty()) return Bad(url, "the host name is missing");
  if (!port.empty()) {
    const char* begin = port.data() + 1;
    const char* end = port.data() + port.size();
    const auto [stop, error] = std::from_chars(begin, end, endpoint.port);
    if (port[0] != ':' || error != std::errc() || stop != end || endpoint.port == 0) {
      return Bad(url, "the port must be 1 to 65535");
    }
  }
  endpoint.base_path = path;
  return endpoint;
}

}  // namespace gateway::pipeline

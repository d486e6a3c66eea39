// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/net/http_server.h"

namespace gateway::ingest {

/// CORS: which pages may send events, and what their browsers have to be told.
/// Immutable, thread-safe.
class CrossOrigin {
 public:
  /// `allowed` holds origins as browsers send them, or "*" for all.
  explicit CrossOrigin(std::vector<std::string> allowed);

  /// Whether answers differ by Origin, which caches have to know even of those without.
  bool varies() const { return !all_; }
  /// What Access-Control-Allow-Origin says to `origin`, the value of the request's Origin
  /// header; empty when the page gets no leave. Valid as long as this and `origin` are.
  std::string_view Permit(std::string_view origin) const;

  /// The answer to an OPTIONS request. `methods` is what the path takes, `headers` the value
  /// of Access-Control-Request-Headers: analytics.js lets its users add headers, so those
  /// that are asked for are allowed. `permit` is not empty.
  static common::net::Response Preflight(std::string_view permit, std::string_view methods,
                                         std::string_view headers);

  /// Lets the page read the answer, and the headers that its SDK waits by.
  static void Allow(std::string_view permit, common::net::Response& response);

 private:
  std::vector<std::string> allowed_;
  bool all_ = false;
};

}  // namespace gateway::ingest

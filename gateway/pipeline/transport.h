// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "common/clock.h"
#include "common/result.h"
#include "common/secret.h"

namespace gateway::pipeline {

/// Where a region's Tracking API is: the parsed form of e.g. https://api.segment.io.
struct Endpoint {
  bool tls = true;
  std::string host;  ///< Name or address literal, without brackets.
  std::uint16_t port = 443;
  std::string base_path;  ///< "" or "/prefix", without a trailing slash.

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// "https://host[:port][/prefix]"; kInvalidArgument with the reason otherwise.
common::Result<Endpoint> ParseEndpoint(std::string_view url);

/// One POST of a JSON body.
struct OutgoingRequest {
  std::shared_ptr<const Endpoint> endpoint;
  std::string path;               ///< Below base_path, e.g. "/v1/batch".
  common::Secret basic_user;      ///< Sent as Basic auth with an empty password.
  std::uint32_t retry_count = 0;  ///< X-Retry-Count; the header is left out when 0.
  std::string body;
  common::Duration timeout;  ///< For the whole exchange, connect included.
};

struct IncomingResponse {
  int status = 0;
  std::string retry_after;  ///< Raw header values, empty when absent.
  std::string rate_limit_reset;
  std::string body;  ///< Its first bytes, at most 8 KiB.
};

enum class TransportError {
  kResolve,
  kConnect,
  kTls,
  kTimeout,
  kClosed,
  kProtocol,
  kCancelled,
};

struct TransportFailure {
  TransportError error;
  std::string message;  ///< For the log; no key, no body.
};

using TransportReply = std::variant<IncomingResponse, TransportFailure>;

/// The seam of the network. Not thread-safe: used from the delivery thread only, which is
/// also where `done` runs, exactly once, and never inside Send.
class Transport {
 public:
  using SendDone = std::function<void(TransportReply)>;
  virtual ~Transport() = default;
  virtual void Send(OutgoingRequest request, SendDone done) = 0;
};

}  // namespace gateway::pipeline

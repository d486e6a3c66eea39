// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "common/clock.h"
#include "common/result.h"

namespace gateway::app {

/// The socket by which a command on the same machine speaks to the gateway that has a store
/// open: control.sock in the store's directory, for its owner alone (mode 0600).
inline constexpr const char* kControlSocket = "control.sock";

/// A Unix socket's address holds 107 bytes, the path of a store may be longer: this names a
/// file in an open directory.
std::string ControlAddress(int directory);

/// One command and the connection that it came by. Thread-safe.
class ControlCall {
 public:
  virtual ~ControlCall() = default;
  /// A line (without its end) on the way to the answer. A client that reads slowly gets the
  /// latest one only.
  virtual void Tell(std::string line) = 0;
  /// The last line; then the connection is closed.
  virtual void End(std::string line) = 0;
  /// Says that the client has gone: nobody waits for an answer.
  virtual std::stop_token gone() const = 0;
};

struct ControlLimits {
  std::size_t connections = 0;
  std::size_t request_bytes = 0;
  common::Duration request_timeout{};  ///< For the one line of a request.
  common::Duration write_timeout{};    ///< For one line of an answer.
};

/// Serves the socket: one line in, lines out. Lives on the one thread of its io_context.
class ControlServer {
 public:
  /// Gets the line of a request, on the context's thread; calls End on it once, at any time.
  using Handler = std::function<void(std::string request, std::shared_ptr<ControlCall> call)>;

  /// Takes the place of a socket that a killed process left: the caller has the store's lock.
  static common::Result<std::unique_ptr<ControlServer>> Listen(boost::asio::io_context& context,
                                                               const std::string& directory,
                                                               Handler handler,
                                                               const ControlLimits& limits);
  /// Removes the socket. The context's thread has ended, and the store's lock is still held.
  virtual ~ControlServer() = default;
};

}  // namespace gateway::app

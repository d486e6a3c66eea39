// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/net/http_server.h"
#include "common/result.h"

namespace gateway::sandbox {

struct SandboxOptions {
  std::string address;     ///< "127.0.0.1"
  std::uint16_t port = 0;  ///< 0: any free port; see Sandbox::port().
  std::size_t max_events_kept = 0;
  std::size_t max_bytes_kept = 0;       ///< Of their text; also of the request log's.
  std::uint64_t seed = 0;               ///< Of the dice of fault rules.
  bool discard = false;                 ///< Count, keep nothing and check little: for benchmarks.
  bool strict_write_keys = false;       ///< 400 for a key that is not 32 letters and digits.
  std::vector<std::string> write_keys;  ///< Sources that exist; empty: any well-formed key.
};

/// A stand-in for Segment's Tracking API: answers as Segment documents it, says what
/// Segment would have dropped silently, and misbehaves on command. Its control interface
/// is on the same listener under /sandbox/ (docs/sandbox.md); it has no authentication
/// and shows write keys, so it is for tests only. Thread-safe.
class Sandbox {
 public:
  /// Binds; errors as HttpServer::Listen. Everything passed in outlives the sandbox; `tls`
  /// may be null. Each context is run by one thread of the caller's.
  static common::Result<std::unique_ptr<Sandbox>> Create(
      std::vector<boost::asio::io_context*> contexts, const SandboxOptions& options,
      const common::Clock& clock, const common::net::ServerCertificate* tls);
  virtual ~Sandbox() = default;

  virtual std::uint16_t port() const = 0;
  virtual void Start() = 0;
  /// Accepts no more, resets what hangs, finishes what is in hand; `done` runs, on any
  /// thread, when no connection is left. Call once.
  virtual void Stop(std::function<void()> done) = 0;
  /// Closes what is left.
  virtual void Abort() = 0;
};

}  // namespace gateway::sandbox

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/registry.h>

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/net/resolver_cache.h"
#include "common/result.h"
#include "gateway/pipeline/transport.h"

namespace gateway::deliver {

struct HttpsShared;

struct HttpsTransportOptions {
  /// For the name lookup, and again for each address that is tried, TLS included.
  common::Duration connect_timeout{};
  std::size_t max_idle_connections = 0;  ///< Over all endpoints; 0 keeps none.
  common::Duration idle_timeout{};       ///< Below the server's, or requests meet dead connections.
  common::Duration max_age{};            ///< A connection older than this takes no new request.
  common::Duration dns_refresh{};        ///< Answers older than this are renewed.
  std::optional<std::string> ca_file;    ///< PEM; added to the system's authorities.
  prometheus::Registry* metrics = nullptr;  ///< Required.
  common::net::Resolve resolve;             ///< Empty: the operating system's resolver.
};

/// Segment over HTTP/1.1 on kept-alive connections, TLS with full verification or (for
/// endpoints that say http://) plain. A request on a kept connection that the server has
/// closed meanwhile is sent once more on a new one; nothing else is ever retried here, and
/// redirects are answers like any other.
///
/// The number of connections in use is the number of requests in flight, which the caller
/// bounds. Not thread-safe: used from the one thread that runs `io`.
class HttpsTransport final : public pipeline::Transport {
 public:
  /// `io`, `clock` and the metrics registry outlive the transport and the callbacks it
  /// still owes. kInvalidArgument when the CA file cannot be used.
  static common::Result<std::unique_ptr<HttpsTransport>> Create(boost::asio::io_context& io,
                                                                const common::Clock& clock,
                                                                HttpsTransportOptions options);
  /// As Shutdown().
  ~HttpsTransport() override;

  /// See pipeline::Transport. The failure is kCancelled after Shutdown().
  void Send(pipeline::OutgoingRequest request, SendDone done) override;

  /// Closes idle connections and ends what is in flight with kCancelled; those callbacks
  /// run later on the io thread. Idempotent.
  void Shutdown();

 private:
  explicit HttpsTransport(std::shared_ptr<HttpsShared> shared);

  const std::shared_ptr<HttpsShared> shared_;
};

}  // namespace gateway::deliver

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/net/resolver_cache.h"
#include "common/net/tls_context.h"
#include "gateway/deliver/connection_pool.h"
#include "gateway/deliver/https_message.h"
#include "gateway/pipeline/transport.h"

namespace gateway::deliver {

class HttpsExchange;

struct HttpsMetrics {
  explicit HttpsMetrics(prometheus::Registry& registry);

  prometheus::Counter& reused;
  prometheus::Counter& opened;
  prometheus::Gauge& open;
  std::array<prometheus::Counter*, 7> errors;  ///< By pipeline::TransportError.
};

/// What all exchanges of one transport share. Lives until the last of them is gone.
struct HttpsShared {
  HttpsShared(boost::asio::io_context& io_in, const common::Clock& clock_in,
              common::Duration connect_timeout_in,
              std::unique_ptr<common::net::TlsClientContext> tls_in, PoolLimits limits,
              common::Duration dns_refresh, common::net::Resolve resolve,
              prometheus::Registry& registry);

  boost::asio::io_context& io;
  const common::Clock& clock;
  const common::Duration connect_timeout;
  const std::unique_ptr<common::net::TlsClientContext> tls;
  const std::shared_ptr<ConnectionPool> pool;
  common::net::ResolverCache resolver;
  HttpsMetrics metrics;
  std::vector<HttpsExchange*> live;  ///< Each knows its place in here.
  bool shut_down = false;
};

/// One request and its answer: takes an idle connection or opens one, sends, reads, and
/// gives the connection back or closes it.
///
/// Invariant: `done` is called once, from the io thread, outside of Start and Stop; or
/// never, when the io_context is destroyed first.
///
/// Not thread-safe: everything happens on the thread that runs the io_context.
class HttpsExchange : public std::enable_shared_from_this<HttpsExchange> {
 public:
  static std::shared_ptr<HttpsExchange> Start(std::shared_ptr<HttpsShared> shared,
                                              pipeline::OutgoingRequest request,
                                              pipeline::Transport::SendDone done);
  HttpsExchange(std::shared_ptr<HttpsShared> shared, pipeline::OutgoingRequest request,
                pipeline::Transport::SendDone done);
  ~HttpsExchange();
  HttpsExchange(const HttpsExchange&) = delete;
  HttpsExchange& operator=(const HttpsExchange&) = delete;

  /// Ends it with `why` unless the answer is already in.
  void Stop(pipeline::TransportFailure why);

 private:
  template <typename T>
  using Awaitable = boost::asio::awaitable<T, boost::asio::io_context::executor_type>;
  using Address = boost::asio::ip::tcp::endpoint;
  using SteadyTime = std::chrono::steady_clock::time_point;

  // The steps. Each leaves either what the next one needs or a failure in reply_.
  static Awaitable<void> Run(std::shared_ptr<HttpsExchange> self);
  Awaitable<void> Connect();
  Awaitable<void> Resolve();
  Awaitable<void> Open(const Address& address);
  Awaitable<void> Handshake();
  /// Leaves reply_ empty when a `reused` connection turned out to be dead.
  Awaitable<void> Converse(bool reused);
  Awaitable<void> ReadAnswer(boost::system::error_code& error);
  void StartWrite();
  void Judge(const boost::system::error_code& error, bool reused);
  void Finish();

  void Fail(pipeline::TransportError error, std::string message);
  /// Gives the step that starts now `limit`, and never more than the exchange has left.
  void ArmTimer(common::Duration limit);
  void OnTimer();
  /// Makes whatever is awaited return soon.
  void Interrupt();
  bool interrupted() const { return stop_ || step_expired_; }
  const std::string& host() const { return request_.endpoint->host; }

  const std::shared_ptr<HttpsShared> shared_;
  std::size_t live_index_;
  pipeline::OutgoingRequest request_;
  pipeline::Transport::SendDone done_;
  const SteadyTime deadline_;
  std::string head_;  ///< For small bodies over TLS the body too; see the constructor.

  boost::asio::steady_timer timer_;
  SteadyTime step_deadline_;
  bool step_expired_ = false;
  std::optional<pipeline::TransportFailure> stop_;

  boost::asio::steady_timer* wake_ = nullptr;  ///< While waiting for the resolver.
  std::optional<common::Result<common::net::Addresses>> lookup_;
  ConnectionPtr connection_;
  std::optional<ResponseParser> parser_;
  bool got_bytes_ = false;  ///< Of an answer on this connection.
  std::optional<pipeline::TransportReply> reply_;
};

}  // namespace gateway::deliver

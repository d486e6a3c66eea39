// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/gauge.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "common/clock.h"
#include "gateway/deliver/connection_stream.h"
#include "gateway/pipeline/transport.h"

namespace gateway::deliver {

/// The part of an endpoint that decides which connections fit it.
struct Origin {
  bool tls = true;
  std::string host;
  std::uint16_t port = 0;

  static Origin Of(const pipeline::Endpoint& endpoint) {
    return {endpoint.tls, endpoint.host, endpoint.port};
  }
  friend bool operator<(const Origin& a, const Origin& b) {
    return std::tie(a.tls, a.port, a.host) < std::tie(b.tls, b.port, b.host);
  }
};

/// One connection to an origin: in use by one exchange, or idle in the pool, or closed.
/// Not thread-safe. `open` counts the connections that are open; it outlives them.
class Connection {
 public:
  Connection(const ConnectionStream::executor_type& executor, Origin origin,
             prometheus::Gauge& open);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const Origin& origin() const { return origin_; }
  ConnectionStream& stream() { return stream_; }
  boost::beast::flat_buffer& buffer() { return buffer_; }

  /// TCP is connected; its age counts from `now`.
  void Opened(common::SteadyTime now);
  common::SteadyTime opened_at() const { return opened_at_; }
  /// Closes in order: the TLS session stays good for resumption.
  void Retire();
  /// Closes at once, whatever runs on it. Idempotent.
  void Close();

  bool writing = false;           ///< A request is still being sent, or failed to be.
  common::SteadyTime idle_since;  ///< Meaningful while idle.
  std::uint64_t idle_ticket = 0;  ///< Names this stay in the pool; 0 while in use.

 private:
  const Origin origin_;
  ConnectionStream stream_;
  boost::beast::flat_buffer buffer_;
  prometheus::Gauge& open_;
  bool counted_ = false;
  common::SteadyTime opened_at_;
};

using ConnectionPtr = std::shared_ptr<Connection>;

struct PoolLimits {
  std::size_t max_idle = 0;  ///< Over all origins.
  common::Duration idle_timeout{};
  common::Duration max_age{};  ///< Since it was opened.
};

/// Idle connections, kept for the next request to their origin.
///
/// Invariant: an idle connection has nothing to read and nothing to write. Its socket is
/// watched: when the peer closes it or says anything, it is closed and forgotten.
/// The last one in is the first one out, so that a falling load lets the others expire.
///
/// Not thread-safe; owned by a shared_ptr. Connections may outlive it.
class ConnectionPool : public std::enable_shared_from_this<ConnectionPool> {
 public:
  /// `clock` outlives the pool.
  ConnectionPool(boost::asio::io_context& io, const common::Clock& clock, PoolLimits limits);

  /// An idle connection that is neither too old nor idle for too long; nullptr when there
  /// is none.
  ConnectionPtr Take(const Origin& origin);
  /// Keeps a connection that is ready for a next request, or closes it when it is too old
  /// or when there is no room (then the one that was idle longest makes room).
  void Put(ConnectionPtr connection);
  /// Closes all; Put closes from now on.
  void Shutdown();

  std::size_t idle() const { return idle_; }

 private:
  using Stack = std::vector<ConnectionPtr>;  ///< In the order of idle_since.

  void Watch(const ConnectionPtr& connection);
  void OnReadable(const ConnectionPtr& connection, std::uint64_t ticket);
  void EvictLongestIdle();
  void ArmReaper();
  void Reap();

  const common::Clock& clock_;
  const PoolLimits limits_;
  std::map<Origin, Stack> origins_;
  std::size_t idle_ = 0;
  std::uint64_t last_ticket_ = 0;
  boost::asio::steady_timer reaper_;
  bool reaper_armed_ = false;
  bool shut_down_ = false;
};

}  // namespace gateway::deliver

// SPDX-License-Identifier: Apache-2.0
//
// Internal to common/net: what an HttpServer shares with its connections.
#pragma once

#include <atomic>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>

#include "common/clock.h"
#include "common/net/http_server.h"

namespace common::net::internal {

namespace asio = boost::asio;
using boost::system::error_code;

using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;

/// What the server's sweep and stop need of a session of any stream type.
class SessionBase {
 public:
  virtual ~SessionBase() = default;
  virtual void Start() = 0;
  /// Closes the connection when its deadline has passed.
  virtual void Sweep(SteadyTime now) = 0;
  /// Closes it when no request is in hand; otherwise that one is the last.
  virtual void BeginStop() = 0;
  virtual void Kill() = 0;
};

/// What all sessions of one server share; outlives the server while a session lives.
struct ServerState {
  ServerOptions options;
  ServerStats stats;
  HttpService* service = nullptr;
  const ServerCertificate* tls = nullptr;
  std::function<void()> on_empty;  ///< Set before `stopping`.
  std::atomic<bool> stopping{false};
  /// The acceptor is one holder, each session another.
  std::atomic<std::int64_t> holders{1};

  /// The last holder to go runs on_empty: the listener is closed and no connection left.
  void Release() {
    if (holders.fetch_sub(1) == 1 && on_empty) on_empty();
  }
};

/// One session's place among the holders of the state, taken before the session is made. To
/// be a session's first member: whoever hears that the last holder is gone destroys the
/// io_contexts, and by then nothing of the session may need one.
class Holder {
 public:
  explicit Holder(std::shared_ptr<ServerState> state) : state_(std::move(state)) {}
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  ~Holder() {
    state_->stats.connections.fetch_sub(1);
    state_->Release();
  }
  ServerState* operator->() const { return state_.get(); }

 private:
  const std::shared_ptr<ServerState> state_;
};

/// Deadlines are checked this often: they come late by up to twice this, never early, and
/// cost nothing per request.
inline constexpr std::chrono::milliseconds kSweepInterval{250};

/// The sessions of one io_context, all touched by its one thread only.
struct Worker {
  explicit Worker(asio::io_context& io) : context(io), sweep(io) {}

  asio::io_context& context;
  asio::steady_timer sweep;
  std::unordered_set<SessionBase*> sessions;
  SteadyTime now;    ///< Refreshed by each sweep and each accept: coarse, and free to read.
  std::string date;  ///< For the Date header; refreshed by each sweep.
};

}  // namespace common::net::internal

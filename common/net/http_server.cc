// SPDX-License-Identifier: Apache-2.0
#include "common/net/http_server.h"

#include <fmt/format.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/post.hpp>
#include <chrono>

#include "common/log.h"
#include "common/net/http_session.h"
#include "common/net/tls_server.h"

namespace common::net {
namespace {

using internal::error_code;
using internal::HttpSession;
using internal::kSweepInterval;
using internal::ServerState;
using internal::SessionBase;
using internal::Socket;
using internal::TlsStream;
using internal::Worker;
namespace asio = boost::asio;
using asio::ip::tcp;

// Out of file descriptors: a plain retry would spin a core.
constexpr std::chrono::milliseconds kAcceptPause{100};

class HttpServerImpl final : public HttpServer {
 public:
  HttpServerImpl(std::vector<asio::io_context*> contexts, ServerOptions options,
                 HttpService& service, const ServerCertificate* tls)
      : state_(std::make_shared<ServerState>()),
        acceptor_(*contexts.front()),
        pause_(*contexts.front()) {
    state_->options = std::move(options);
    state_->service = &service;
    state_->tls = tls;
    for (asio::io_context* context : contexts) {
      workers_.push_back(std::make_shared<Worker>(*context));
      Refresh(*workers_.back());
    }
  }

  Status Bind() {
    const ServerOptions& options = state_->options;
    error_code error;
    const auto address = asio::ip::make_address(options.address, error);
    if (error) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("'{}' is not an IP address to listen on", options.address));
    }
    const tcp::endpoint endpoint(address, options.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error == asio::error::address_in_use) {
      return Fail(ErrorCode::kUnavailable,
                  fmt::format("{}:{} is in use by another process; stop it or listen elsewhere",
                              options.address, options.port));
    }
    if (error) {
      return Fail(ErrorCode::kIo, fmt::format("cannot listen on {}:{}: {}", options.address,
                                              options.port, error.message()));
    }
    port_ = acceptor_.local_endpoint().port();
    return Ok();
  }

  std::uint16_t port() const override { return port_; }
  const ServerStats& stats() const override { return state_->stats; }

  void Start() override {
    for (const auto& worker : workers_) {
      asio::post(worker->context, [worker, state = state_] { Sweep(worker, state); });
    }
    asio::post(acceptor_.get_executor(), [this] { Accept(); });
  }

  void Stop(std::function<void()> done) override {
    state_->on_empty = std::move(done);
    state_->stopping.store(true);
    ForEachSession([](SessionBase& session) { session.BeginStop(); });
    asio::post(acceptor_.get_executor(), [this, state = state_] {
      error_code ignored;
      acceptor_.close(ignored);
      pause_.cancel();
      state->Release();  // From here on the owner may have destroyed this server.
    });
  }

  void Abort() override {
    ForEachSession([](SessionBase& session) { session.Kill(); });
  }

 private:
  template <typename F>
  void ForEachSession(F f) {
    for (const auto& worker : workers_) {
      asio::post(worker->context, [worker, f] {
        // Closing may end a session and change the set.
        const std::vector<SessionBase*> sessions(worker->sessions.begin(), worker->sessions.end());
        for (SessionBase* session : sessions) {
          if (worker->sessions.contains(session)) f(*session);
        }
      });
    }
  }

  static void Refresh(Worker& worker) {
    worker.now = std::chrono::steady_clock::now();
    worker.date = HttpDate(
        std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now()));
  }

  static void Sweep(const std::shared_ptr<Worker>& worker,
                    const std::shared_ptr<ServerState>& state) {
    Refresh(*worker);
    const std::vector<SessionBase*> sessions(worker->sessions.begin(), worker->sessions.end());
    for (SessionBase* session : sessions) {
      if (worker->sessions.contains(session)) session->Sweep(worker->now);
    }
    if (state->stopping.load() && worker->sessions.empty()) return;
    worker->sweep.expires_after(kSweepInterval);
    worker->sweep.async_wait([worker, state](error_code error) {
      if (!error) Sweep(worker, state);
    });
  }

  void Accept() {
    if (!acceptor_.is_open()) return;
    const std::shared_ptr<Worker> worker = workers_[next_++ % workers_.size()];
    acceptor_.async_accept(worker->context,
                           [this, state = state_, worker](error_code error, Socket socket) {
                             if (state->stopping.load()) return;  // And this server may be gone.
                             OnAccepted(error, worker, std::move(socket));
                           });
  }

  void OnAccepted(error_code error, const std::shared_ptr<Worker>& worker, Socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (error) {
      log::Warning("accept_failed", "cannot accept a connection; trying again shortly",
                   {{"error", error.message()}});
      pause_.expires_after(kAcceptPause);
      pause_.async_wait([this, state = state_](error_code cancelled) {
        if (!cancelled && !state->stopping.load()) Accept();
      });
      return;
    }
    if (state_->stats.connections.load() >=
        static_cast<std::int64_t>(state_->options.max_connections)) {
      Refuse(std::move(socket));
    } else {
      Open(worker, std::move(socket));
    }
    Accept();
  }

  void Open(const std::shared_ptr<Worker>& worker, Socket socket) {
    state_->holders.fetch_add(1);
    state_->stats.connections.fetch_add(1);
    state_->stats.accepted.fetch_add(1);
    asio::post(worker->context, [state = state_, worker, socket = std::move(socket)]() mutable {
      worker->now = std::chrono::steady_clock::now();
      if (state->tls != nullptr) {
        std::make_shared<HttpSession<TlsStream>>(state, worker, std::move(socket),
                                                 *state->tls->Current())
            ->Start();
      } else {
        std::make_shared<HttpSession<Socket>>(state, worker, std::move(socket))->Start();
      }
    });
  }

  /// One small non-blocking write: a client over the limit learns why, and costs nothing.
  void Refuse(Socket socket) {
    state_->stats.refused.fetch_add(1);
    if (state_->tls != nullptr) return;
    const Response response = state_->service->NewExchange()->OnProtocolError(
        503,
        fmt::format("the limit of {} connections is reached", state_->options.max_connections));
    const std::string bytes =
        RenderResponse(response, {.close = true, .date = workers_.front()->date});
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(bytes), ignored);
    socket.shutdown(Socket::shutdown_send, ignored);
  }

  const std::shared_ptr<ServerState> state_;
  asio::basic_socket_acceptor<tcp, internal::Executor> acceptor_;
  asio::basic_waitable_timer<std::chrono::steady_clock,
                             asio::wait_traits<std::chrono::steady_clock>, internal::Executor>
      pause_;
  std::vector<std::shared_ptr<Worker>> workers_;
  std::size_t next_ = 0;
  std::uint16_t port_ = 0;
};

}  // namespace

Responder::~Responder() {
  if (sink_ == nullptr) return;
  Response response;
  response.reset = true;
  sink_->Answer(std::move(response));
}

void Responder::operator()(Response response) {
  const std::shared_ptr<Sink> sink = std::move(sink_);
  if (sink != nullptr) sink->Answer(std::move(response));
}

Result<std::unique_ptr<HttpServer>> HttpServer::Listen(std::vector<asio::io_context*> contexts,
                                                       ServerOptions options, HttpService& service,
                                                       const ServerCertificate* tls) {
  auto server =
      std::make_unique<HttpServerImpl>(std::move(contexts), std::move(options), service, tls);
  if (Status bound = server->Bind(); !bound) return tl::unexpected(bound.error());
  return server;
}

}  // namespace common::net

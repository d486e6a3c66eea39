// SPDX-License-Identifier: Apache-2.0
#include "gateway/deliver/https_exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <chrono>
#include <exception>
#include <utility>

#include "common/metrics/metrics.h"

namespace gateway::deliver {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using common::net::Addresses;
using common::net::TlsClientContext;
using pipeline::TransportError;
using pipeline::TransportFailure;

constexpr std::array<const char*, 7> kErrorNames{"resolve", "connect",  "tls",      "timeout",
                                                 "closed",  "protocol", "cancelled"};
/// One TLS record.
constexpr std::size_t kTlsRecord = 16 * 1024;

auto Into(error_code& error) {
  using Token = asio::use_awaitable_t<asio::io_context::executor_type>;
  return asio::redirect_error(Token(), error);
}

double Seconds(common::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

bool IsTls(const error_code& error) { return error.category() == asio::error::get_ssl_category(); }

bool IsHttp(const error_code& error) {
  return error.category() == http::make_error_code(http::error::bad_version).category();
}

/// The peer ended the connection, in one of the many ways that this shows.
bool IsEnd(const error_code& error) {
  return error == asio::error::eof || error == http::error::end_of_stream ||
         error == http::error::partial_message || error == asio::ssl::error::stream_truncated ||
         error == asio::error::connection_reset || error == asio::error::broken_pipe;
}

std::array<prometheus::Counter*, 7> ErrorCounters(prometheus::Registry& registry) {
  std::array<prometheus::Counter*, 7> counters{};
  for (std::size_t i = 0; i < counters.size(); ++i) {
    counters[i] = &common::metrics::Counter(registry, "delivery_transport_errors_total",
                                            "Requests to Segment that got no complete answer.",
                                            {{"error", kErrorNames[i]}});
  }
  return counters;
}

prometheus::Counter& ConnectionCounter(prometheus::Registry& registry, const char* reused) {
  return common::metrics::Counter(registry, "delivery_connections_total",
                                  "Connections taken for requests to Segment, by whether they "
                                  "were open already.",
                                  {{"reused", reused}});
}

}  // namespace

HttpsMetrics::HttpsMetrics(prometheus::Registry& registry)
    : reused(ConnectionCounter(registry, "true")),
      opened(ConnectionCounter(registry, "false")),
      open(common::metrics::Gauge(registry, "delivery_open_connections",
                                  "Open connections to Segment, in use or idle.")),
      errors(ErrorCounters(registry)) {}

HttpsShared::HttpsShared(asio::io_context& io_in, const common::Clock& clock_in,
                         common::Duration connect_timeout_in,
                         std::unique_ptr<TlsClientContext> tls_in, PoolLimits limits,
                         common::Duration dns_refresh, common::net::Resolve resolve,
                         prometheus::Registry& registry)
    : io(io_in),
      clock(clock_in),
      connect_timeout(connect_timeout_in),
      tls(std::move(tls_in)),
      pool(std::make_shared<ConnectionPool>(io, clock, limits)),
      resolver(clock, dns_refresh, std::move(resolve)),
      metrics(registry) {}

std::shared_ptr<HttpsExchange> HttpsExchange::Start(std::shared_ptr<HttpsShared> shared,
                                                    pipeline::OutgoingRequest request,
                                                    pipeline::Transport::SendDone done) {
  asio::io_context& io = shared->io;
  auto exchange =
      std::make_shared<HttpsExchange>(std::move(shared), std::move(request), std::move(done));
  // Posted, because a failure can be known at once and `done` must not run in the caller.
  asio::post(io, [exchange, &io] {
    asio::co_spawn(io, Run(exchange), [](const std::exception_ptr& escaped) {
      if (escaped) std::rethrow_exception(escaped);
    });
  });
  return exchange;
}

HttpsExchange::HttpsExchange(std::shared_ptr<HttpsShared> shared, pipeline::OutgoingRequest request,
                             pipeline::Transport::SendDone done)
    : shared_(std::move(shared)),
      live_index_(shared_->live.size()),
      request_(std::move(request)),
      done_(std::move(done)),
      deadline_(std::chrono::steady_clock::now() + request_.timeout),
      head_(BuildRequestHead(request_)),
      timer_(shared_->io) {
  shared_->live.push_back(this);
  // A record a write: two small buffers would go out as two records in two packets.
  if (request_.endpoint->tls && head_.size() + request_.body.size() <= kTlsRecord) {
    head_ += std::exchange(request_.body, std::string());
  }
}

HttpsExchange::~HttpsExchange() {
  std::vector<HttpsExchange*>& live = shared_->live;
  live[live_index_] = live.back();
  live[live_index_]->live_index_ = live_index_;
  live.pop_back();
}

void HttpsExchange::Stop(TransportFailure why) {
  if (!stop_) stop_ = std::move(why);
  Interrupt();
}

HttpsExchange::Awaitable<void> HttpsExchange::Run(std::shared_ptr<HttpsExchange> self) {
  if (self->stop_) {
    self->reply_ = *self->stop_;
  } else {
    self->connection_ = self->shared_->pool->Take(Origin::Of(*self->request_.endpoint));
  }
  if (self->connection_) {
    self->shared_->metrics.reused.Increment();
    co_await self->Converse(true);
  }
  if (!self->reply_) {
    co_await self->Connect();
  }
  if (!self->reply_) {
    co_await self->Converse(false);
  }
  self->Finish();
}

HttpsExchange::Awaitable<void> HttpsExchange::Connect() {
  co_await Resolve();
  if (reply_) co_return;
  const Addresses addresses = std::move(**lookup_);
  const std::uint16_t port = request_.endpoint->port;
  for (const Address& address : addresses) {
    reply_.reset();
    co_await Open(address);
    if (!reply_) {
      shared_->resolver.Connected(host(), port, address);
      co_return;
    }
    connection_->Close();
    const TransportError error = std::get<TransportFailure>(*reply_).error;
    if (error == TransportError::kCancelled) co_return;
    shared_->resolver.Failed(host(), port, address);
    // No time is left, or it is the certificate, which is not the address's fault.
    if (stop_ || error == TransportError::kTls) co_return;
  }
}

HttpsExchange::Awaitable<void> HttpsExchange::Resolve() {
  ArmTimer(shared_->connect_timeout);
  asio::steady_timer wake(shared_->io, asio::steady_timer::time_point::max());
  // Weak: the cache may keep the callback for longer than this exchange has time.
  shared_->resolver.Lookup(host(), request_.endpoint->port,
                           [weak = weak_from_this()](common::Result<Addresses> answer) {
                             const auto self = weak.lock();
                             if (!self) return;
                             self->lookup_ = std::move(answer);
                             if (self->wake_ != nullptr) self->wake_->cancel();
                           });
  if (!lookup_) {
    wake_ = &wake;
    error_code cancelled;
    co_await wake.async_wait(Into(cancelled));
    wake_ = nullptr;
  }
  if (interrupted() || !lookup_) {
    Fail(TransportError::kResolve, fmt::format("no answer to the lookup of '{}' within {} s",
                                               host(), Seconds(shared_->connect_timeout)));
  } else if (!*lookup_) {
    Fail(TransportError::kResolve, lookup_->error().message);
  }
}

// The one caller awaits it at once, and its frame holds what is referred to.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
HttpsExchange::Awaitable<void> HttpsExchange::Open(const Address& address) {
  connection_ = std::make_shared<Connection>(shared_->io.get_executor(),
                                             Origin::Of(*request_.endpoint), shared_->metrics.open);
  ArmTimer(shared_->connect_timeout);
  error_code error;
  co_await connection_->stream().socket().async_connect(address, Into(error));
  const auto where = [&] { return fmt::format("{} ({})", host(), address.address().to_string()); };
  if (interrupted()) {
    Fail(TransportError::kTimeout, fmt::format("connecting to {} took longer than {} s", where(),
                                               Seconds(shared_->connect_timeout)));
    co_return;
  }
  if (error) {
    Fail(TransportError::kConnect, fmt::format("connecting to {}: {}", where(), error.message()));
    co_return;
  }
  connection_->Opened(shared_->clock.Steady());
  shared_->metrics.opened.Increment();
  connection_->stream().socket().set_option(asio::ip::tcp::no_delay(true), error);
  if (request_.endpoint->tls) {
    co_await Handshake();
  }
}

HttpsExchange::Awaitable<void> HttpsExchange::Handshake() {
  auto& tls = connection_->stream().StartTls(shared_->tls->context());
  const common::Status prepared = shared_->tls->Prepare(tls, host(), request_.endpoint->port);
  if (!prepared) {
    Fail(TransportError::kTls, prepared.error().message);
    co_return;
  }
  error_code error;
  co_await tls.async_handshake(asio::ssl::stream_base::client, Into(error));
  if (interrupted()) {
    Fail(TransportError::kTimeout, fmt::format("the TLS handshake with {} was not over within {} s",
                                               host(), Seconds(shared_->connect_timeout)));
  } else if (error && (IsTls(error) || TlsClientContext::RefusedCertificate(tls))) {
    Fail(TransportError::kTls, TlsClientContext::DescribeFailure(tls, host(), error));
  } else if (error) {
    Fail(TransportError::kConnect, TlsClientContext::DescribeFailure(tls, host(), error));
  }
}

HttpsExchange::Awaitable<void> HttpsExchange::Converse(bool reused) {
  ArmTimer(request_.timeout);
  // Sent while we read: a server that answers early and stops reading must not block us.
  StartWrite();
  error_code error;
  co_await ReadAnswer(error);
  Judge(error, reused);
}

// The one caller awaits it at once, and its frame holds what is referred to.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
HttpsExchange::Awaitable<void> HttpsExchange::ReadAnswer(error_code& error) {
  got_bytes_ = false;
  bool interim = true;
  while (interim) {
    parser_.emplace();
    co_await http::async_read(connection_->stream(), connection_->buffer(), *parser_, Into(error));
    got_bytes_ = got_bytes_ || parser_->got_some();
    interim = !error && parser_->interim();
  }
}

void HttpsExchange::StartWrite() {
  connection_->writing = true;
  const std::array<asio::const_buffer, 2> message{asio::buffer(head_), asio::buffer(request_.body)};
  asio::async_write(
      connection_->stream(), message,
      [self = shared_from_this(), connection = connection_](const error_code& error, std::size_t) {
        // A failure shows in the read too, and perhaps an answer with it.
        if (!error) connection->writing = false;
      });
}

void HttpsExchange::Judge(const error_code& error, bool reused) {
  const ConnectionPtr connection = std::exchange(connection_, nullptr);
  const bool whole = !error && parser_->status() != 101;
  if (whole || parser_->body_too_long()) {
    const bool reusable = whole && parser_->keep_alive() && !connection->writing && !stop_ &&
                          connection->buffer().size() == 0;
    reply_ = parser_->Take();
    if (reusable) {
      shared_->pool->Put(connection);
    } else {
      connection->Retire();
    }
    return;
  }
  connection->Close();
  if (reused && !got_bytes_ && !stop_) return;
  if (!error) {
    Fail(TransportError::kProtocol, fmt::format("{} wants to switch protocols", host()));
  } else if (IsEnd(error)) {
    Fail(TransportError::kClosed,
         fmt::format("{} closed the connection {}", host(),
                     got_bytes_ ? "in the middle of its answer" : "without an answer"));
  } else if (IsHttp(error)) {
    Fail(TransportError::kProtocol,
         fmt::format("the answer of {} is not HTTP: {}", host(), error.message()));
  } else if (IsTls(error)) {
    Fail(TransportError::kTls, fmt::format("TLS with {}: {}", host(), error.message()));
  } else {
    Fail(TransportError::kClosed, fmt::format("connection to {}: {}", host(), error.message()));
  }
}

void HttpsExchange::Finish() {
  step_deadline_ = SteadyTime::max();
  timer_.cancel();
  connection_.reset();
  if (const auto* failure = std::get_if<TransportFailure>(&*reply_)) {
    shared_->metrics.errors[static_cast<std::size_t>(failure->error)]->Increment();
  }
  const auto done = std::move(done_);
  done(std::move(*reply_));
}

void HttpsExchange::Fail(TransportError error, std::string message) {
  reply_ = stop_ ? *stop_ : TransportFailure{error, std::move(message)};
}

void HttpsExchange::ArmTimer(common::Duration limit) {
  step_expired_ = false;
  step_deadline_ = std::min(deadline_, std::chrono::steady_clock::now() + limit);
  timer_.expires_at(step_deadline_);
  timer_.async_wait([weak = weak_from_this()](const error_code& error) {
    const auto self = weak.lock();
    if (self && !error) self->OnTimer();
  });
}

void HttpsExchange::OnTimer() {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (now < step_deadline_) return;  // Set for a step that is over.
  if (now < deadline_) {
    step_expired_ = true;
    Interrupt();
    return;
  }
  Stop({TransportError::kTimeout,
        fmt::format("no complete answer from {} within {} s", host(), Seconds(request_.timeout))});
}

void HttpsExchange::Interrupt() {
  if (wake_ != nullptr) wake_->cancel();
  if (connection_) connection_->Close();
}

}  // namespace gateway::deliver

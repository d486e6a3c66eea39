// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace common::net {

class ServerCertificate;

/// SIMD parsers read this far past the end of a body; every body has the room.
inline constexpr std::size_t kBodyPadding = 64;

/// A request's header. The views stay valid until the request is answered.
struct RequestHead {
  std::string_view method;  ///< "POST"
  std::string_view path;    ///< Without the query; still percent-encoded.
  std::string_view query;   ///< Without '?'; empty when none.
  std::string_view remote;  ///< The peer's address, e.g. "127.0.0.1" or "::1".
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  /// Value of the first header of that name (any case), trimmed; "" when absent.
  std::function<std::string_view(std::string_view)> header;
  /// The values of all headers of that name, joined by ", " in their order: for lists, such
  /// as X-Forwarded-For, several headers mean the same as one (RFC 9110 section 5.3).
  std::function<std::string(std::string_view)> headers;
};

struct Response {
  int status = 200;
  std::string body;
  std::string_view content_type = "application/json";             ///< Must outlive the answer.
  std::vector<std::pair<std::string_view, std::string>> headers;  ///< Names must outlive it.
  bool close = false;  ///< Close the connection after this answer.
  bool reset = false;  ///< Send nothing: reset the connection (fault injection).
  /// Let go when the answer has been sent, or never will be: what accounts for its memory.
  std::shared_ptr<void> held = nullptr;
};

/// Answers one request, once, from any thread. Dropping it unanswered resets the
/// connection, so that no client waits for ever.
class Responder {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void Answer(Response response) = 0;
    virtual boost::asio::any_io_executor Executor() = 0;
  };
  explicit Responder(std::shared_ptr<Sink> sink) : sink_(std::move(sink)) {}
  Responder(Responder&&) = default;
  Responder& operator=(Responder&&) = default;
  ~Responder();

  void operator()(Response response);
  /// The connection's executor, for timers.
  boost::asio::any_io_executor executor() const { return sink_->Executor(); }

 private:
  std::shared_ptr<Sink> sink_;
};

/// "Read the body, at most so much of it."
struct ReadBody {
  std::uint64_t max_bytes = 0;
};

/// The application's side of one connection; the session calls it for one request at a
/// time, always on the connection's thread. It lives at least as long as the Responder of
/// its request. Per-request state lives in members.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  /// The header is in, the body is not: say how much of it may come, or refuse now.
  virtual std::variant<ReadBody, Response> OnHead(const RequestHead& head) = 0;
  /// The body is about to hold up to `bytes`, of which at least an eighth has come; called as
  /// it grows, so that memory is accounted for by what clients send and not by what they
  /// announce. A refusal is answered, and ends the connection.
  virtual std::optional<Response> OnBodyGrows(std::uint64_t /*bytes*/) { return std::nullopt; }
  /// The whole body; its capacity is at least size + kBodyPadding. `head` of OnHead is
  /// still valid until `respond` is called.
  virtual void OnBody(std::string body, Responder respond) = 0;
  /// The answer to a body over the limit, or to a request that is not HTTP; lets each
  /// listener speak its own error format.
  virtual Response OnProtocolError(int status, std::string_view why) = 0;
};

class HttpService {
 public:
  virtual ~HttpService() = default;
  /// Called for each connection, on any io thread.
  virtual std::unique_ptr<HttpExchange> NewExchange() = 0;
};

struct ServerOptions {
  std::string address;     ///< "127.0.0.1", "::", …
  std::uint16_t port = 0;  ///< 0: any free port; see HttpServer::port().
  std::size_t max_connections = 0;
  std::size_t max_header_bytes = 0;
  Duration idle_timeout{};    ///< Between requests.
  Duration header_timeout{};  ///< From a request's first byte to its header's end.
  Duration body_timeout{};    ///< From the header's end to the body's.
  Duration write_timeout{};   ///< For one answer.
  std::uint64_t drain_bytes =
      0;  ///< Of a refused body, read and thrown away so that the client sees the answer.
};

struct ServerStats {
  std::atomic<std::int64_t> connections{0};
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> refused{0};  ///< Over max_connections.
  std::atomic<std::uint64_t> timed_out{0};
};

/// An HTTP/1.1 server with keep-alive and pipelining, plain or TLS. Connections are
/// spread over the io_contexts, each of which is run by exactly one thread of the caller's.
class HttpServer {
 public:
  /// Binds and listens; kUnavailable (address in use), kInvalidArgument (bad address) or
  /// kIo. `contexts`, `service` and `tls` outlive the server; `tls`, null for plain HTTP, is
  /// asked at each new connection.
  static Result<std::unique_ptr<HttpServer>> Listen(std::vector<boost::asio::io_context*> contexts,
                                                    ServerOptions options, HttpService& service,
                                                    const ServerCertificate* tls);
  virtual ~HttpServer() = default;
  virtual std::uint16_t port() const = 0;
  virtual const ServerStats& stats() const = 0;
  /// Starts to accept.
  virtual void Start() = 0;
  /// Accepts no more, closes idle connections, and lets requests in hand be answered with
  /// "Connection: close". `done` runs, on any thread, once no connection is left.
  /// Thread-safe; call once.
  virtual void Stop(std::function<void()> done) = 0;
  /// Closes what is left, answered or not. Thread-safe.
  virtual void Abort() = 0;
};

}  // namespace common::net

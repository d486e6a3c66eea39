// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <optional>
#include <utility>

namespace gateway::deliver {

/// A TCP connection with or without TLS on it, as one asynchronous stream, so that the
/// HTTP code above it exists once. Not thread-safe.
class ConnectionStream {
 public:
  using executor_type = boost::asio::io_context::executor_type;
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, executor_type>;
  using TlsStream = boost::asio::ssl::stream<Socket&>;

  explicit ConnectionStream(const executor_type& executor) : socket_(executor) {}
  ConnectionStream(const ConnectionStream&) = delete;
  ConnectionStream& operator=(const ConnectionStream&) = delete;

  executor_type get_executor() { return socket_.get_executor(); }
  Socket& socket() { return socket_; }

  /// Everything from here on goes through TLS; the caller does the handshake.
  TlsStream& StartTls(boost::asio::ssl::context& context) { return tls_.emplace(socket_, context); }
  /// nullptr on a plain connection.
  TlsStream* tls() { return tls_ ? &*tls_ : nullptr; }

  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [this](auto&& handler, const Buffers& into) {
          using Handler = decltype(handler);
          if (tls_) {
            tls_->async_read_some(into, std::forward<Handler>(handler));
          } else {
            socket_.async_read_some(into, std::forward<Handler>(handler));
          }
        },
        token, buffers);
  }

  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [this](auto&& handler, const Buffers& from) {
          using Handler = decltype(handler);
          if (tls_) {
            tls_->async_write_some(from, std::forward<Handler>(handler));
          } else {
            socket_.async_write_some(from, std::forward<Handler>(handler));
          }
        },
        token, buffers);
  }

 private:
  Socket socket_;
  std::optional<TlsStream> tls_;
};

}  // namespace gateway::deliver

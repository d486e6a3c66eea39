// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tests {

/// Both ends of a connection, as MemoryStream sees them.
struct MemoryWire {
  std::vector<std::string_view> arrives;  ///< One read gives at most one of these; then EOF.
  std::string sent;                       ///< By the server.
  bool closed = false;
  bool reset = false;
};

/// The members of an asio socket that an HttpSession uses, over memory: what the client sends
/// is there from the start. Operations complete through the io_context, never inside the call.
class MemoryStream {
 public:
  using executor_type = boost::asio::io_context::executor_type;
  using error_code = boost::system::error_code;

  /// Both outlive the stream.
  MemoryStream(boost::asio::io_context& io, MemoryWire& wire) : io_(io), wire_(wire) {}

  executor_type get_executor() { return io_.get_executor(); }

  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler handler) {
    if (wire_.closed) return Complete(std::move(handler), boost::asio::error::bad_descriptor, 0);
    while (next_ < wire_.arrives.size() && wire_.arrives[next_].empty()) ++next_;
    const bool more = next_ < wire_.arrives.size();
    if (!more && boost::asio::buffer_size(buffers) != 0) {
      return Complete(std::move(handler), boost::asio::error::eof, 0);
    }
    std::size_t n = 0;
    if (more) {
      std::string_view& piece = wire_.arrives[next_];
      n = boost::asio::buffer_copy(buffers, boost::asio::buffer(piece.data(), piece.size()));
      piece.remove_prefix(n);
    }
    Complete(std::move(handler), {}, n);
  }

  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler handler) {
    if (wire_.closed) return Complete(std::move(handler), boost::asio::error::bad_descriptor, 0);
    const std::size_t before = wire_.sent.size();
    wire_.sent.resize(before + boost::asio::buffer_size(buffers));
    const std::size_t n = boost::asio::buffer_copy(
        boost::asio::buffer(wire_.sent.data() + before, wire_.sent.size() - before), buffers);
    Complete(std::move(handler), {}, n);
  }

  boost::asio::ip::tcp::endpoint remote_endpoint(error_code& error) const {
    error = {};
    return {boost::asio::ip::address_v4::loopback(), 1};
  }
  template <typename Option>
  void set_option(const Option&, error_code& error) {
    error = {};
  }
  /// Lingering for no time makes a close a reset.
  void set_option(const boost::asio::socket_base::linger& linger, error_code& error) {
    error = {};
    wire_.reset = linger.enabled() && linger.timeout() == 0;
  }
  void shutdown(boost::asio::socket_base::shutdown_type, error_code& error) { error = {}; }
  void cancel(error_code& error) { error = {}; }
  void close(error_code& error) {
    error = {};
    wire_.closed = true;
  }

 private:
  template <typename Handler>
  void Complete(Handler handler, error_code error, std::size_t n) {
    boost::asio::post(io_,
                      [handler = std::move(handler), error, n]() mutable { handler(error, n); });
  }

  boost::asio::io_context& io_;
  MemoryWire& wire_;
  std::size_t next_ = 0;
};

}  // namespace tests

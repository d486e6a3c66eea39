// SPDX-License-Identifier: Apache-2.0
// bare-server: what HTTP alone costs. A Beast server that reads each request whole into
// buffers sized beforehand and answers 200 as the gateway does, keeping nothing. One
// io_context and one thread a core, as in the gateway.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Socket = asio::basic_stream_socket<tcp, asio::io_context::executor_type>;

constexpr std::size_t kBufferBytes = 512 * 1024;
constexpr std::string_view kAnswer =
    "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    "Content-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"success\":true}";

/// One connection; lives as long as a read or a write of its is under way.
class Session : public std::enable_shared_from_this<Session> {
 public:
  explicit Session(Socket socket) : socket_(std::move(socket)) { buffer_.reserve(kBufferBytes); }

  void Read() {
    parser_.emplace();
    parser_->body_limit(kBufferBytes);
    http::async_read(socket_, buffer_, *parser_,
                     [self = shared_from_this()](error_code error, std::size_t) {
                       if (!error) self->Answer();
                     });
  }

 private:
  void Answer() {
    asio::async_write(socket_, asio::buffer(kAnswer.data(), kAnswer.size()),
                      [self = shared_from_this()](error_code error, std::size_t) {
                        if (!error) self->Read();
                      });
  }

  Socket socket_;
  boost::beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
};

/// Hands each new connection to the next context.
class Acceptor {
 public:
  explicit Acceptor(std::vector<std::unique_ptr<asio::io_context>>& contexts)
      : contexts_(contexts),
        acceptor_(*contexts.front(), tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {}

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  void Accept() {
    asio::io_context& context = *contexts_[next_++ % contexts_.size()];
    acceptor_.async_accept(context, [this, &context](error_code error, Socket socket) {
      if (!error) {
        socket.set_option(tcp::no_delay(true));
        auto session = std::make_shared<Session>(std::move(socket));
        asio::post(context, [session] { session->Read(); });
      }
      Accept();
    });
  }

 private:
  std::vector<std::unique_ptr<asio::io_context>>& contexts_;
  asio::basic_socket_acceptor<tcp, asio::io_context::executor_type> acceptor_;
  std::size_t next_ = 0;
};

int Main(int argc, char** argv) {
  CLI::App app("A bare Beast server on a free port of 127.0.0.1; it prints the port");
  unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  app.add_option("--threads", threads)->check(CLI::Range(1, 256));
  CLI11_PARSE(app, argc, argv);

  std::vector<std::unique_ptr<asio::io_context>> contexts;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> guards;
  for (unsigned i = 0; i < threads; ++i) {
    contexts.push_back(std::make_unique<asio::io_context>(1));
    guards.push_back(asio::make_work_guard(*contexts.back()));
  }
  Acceptor acceptor(contexts);
  acceptor.Accept();
  fmt::print("{{\"port\":{}}}\n", acceptor.port());
  std::fflush(stdout);
  std::vector<std::thread> running;
  running.reserve(threads);
  for (const auto& context : contexts) running.emplace_back([&context] { context->run(); });
  for (std::thread& thread : running) thread.join();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {
    std::fputs(error.what(), stderr);
    return 1;
  }
}

// SPDX-License-Identifier: Apache-2.0
#include "tests/support/scripted_server.h"

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <utility>

namespace tests {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

ScriptedServer::Peer::Peer(ScriptedServer& server, tcp::socket socket, std::size_t index)
    : server_(server), index_(index), socket_(std::move(socket)) {}

bool ScriptedServer::Peer::Handshake() {
  if (!server_.tls_) return true;
  tls_.emplace(socket_, *server_.tls_);
  error_code error;
  tls_->handshake(asio::ssl::stream_base::server, error);
  SSL* ssl = tls_->native_handle();
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  {
    const std::scoped_lock lock(server_.mutex_);
    server_.server_names_.emplace_back(name == nullptr ? "" : name);
  }
  if (!error && SSL_session_reused(ssl) == 1) ++server_.resumed_;
  return !error;
}

std::size_t ScriptedServer::Peer::ReadSome(char* into, std::size_t room) {
  error_code error;
  const auto buffer = asio::buffer(into, room);
  return tls_ ? tls_->read_some(buffer, error) : socket_.read_some(buffer, error);
}

std::optional<ScriptedServer::Request> ScriptedServer::Peer::ReadHead() {
  std::size_t end = 0;
  char bytes[4096];
  while ((end = unread_.find("\r\n\r\n")) == std::string::npos) {
    const std::size_t n = ReadSome(bytes, sizeof(bytes));
    if (n == 0) return std::nullopt;
    unread_.append(bytes, n);
  }
  Request request{unread_.substr(0, end + 4), "", index_};
  unread_.erase(0, end + 4);
  return request;
}

std::optional<ScriptedServer::Request> ScriptedServer::Peer::Read() {
  auto request = ReadHead();
  if (!request) return std::nullopt;
  constexpr std::string_view kLength = "Content-Length: ";
  const std::size_t at = request->head.find(kLength);
  const std::size_t length =
      at == std::string::npos ? 0 : std::strtoull(&request->head[at + kLength.size()], nullptr, 10);
  char bytes[65536];
  while (unread_.size() < length) {
    const std::size_t n = ReadSome(bytes, sizeof(bytes));
    if (n == 0) return std::nullopt;
    unread_.append(bytes, n);
  }
  request->body = unread_.substr(0, length);
  unread_.erase(0, length);
  const std::scoped_lock lock(server_.mutex_);
  server_.requests_.push_back(*request);
  return request;
}

bool ScriptedServer::Peer::Write(std::string_view bytes) {
  error_code error;
  const auto buffer = asio::buffer(bytes);
  if (tls_) {
    asio::write(*tls_, buffer, error);
  } else {
    asio::write(socket_, buffer, error);
  }
  return !error;
}

void ScriptedServer::Peer::AwaitBytes() {
  char bytes[65536];
  ReadSome(bytes, sizeof(bytes));
}

void ScriptedServer::Peer::AwaitClose() {
  char bytes[65536];
  while (ReadSome(bytes, sizeof(bytes)) != 0) {
  }
}

void ScriptedServer::Peer::SayGoodbye() {
  error_code error;  // Waits for the client to close in turn.
  tls_->shutdown(error);
}

void ScriptedServer::Peer::ResetOnClose() {
  error_code error;
  socket_.set_option(asio::socket_base::linger(true, 0), error);
}

ScriptedServer::ScriptedServer(Script script) : ScriptedServer(Options(), std::move(script)) {}

ScriptedServer::ScriptedServer(Options options, Script script)
    : script_(std::move(script)), acceptor_(io_) {
  if (options.certificate) {
    tls_.emplace(asio::ssl::context::tls_server);
    tls_->use_certificate_chain(asio::buffer(options.certificate->certificate));
    tls_->use_private_key(asio::buffer(options.certificate->key), asio::ssl::context::pem);
    if (options.max_tls_version != 0) {
      // OpenSSL offers versions before 1.2 only at this level.
      SSL_CTX_set_security_level(tls_->native_handle(), 0);
      SSL_CTX_set_max_proto_version(tls_->native_handle(), options.max_tls_version);
    }
  }
  acceptor_.open(tcp::v4());
  if (options.receive_buffer != 0) {
    acceptor_.set_option(asio::socket_base::receive_buffer_size(options.receive_buffer));
  }
  acceptor_.bind(tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  acceptor_.listen(1024);
  port_ = acceptor_.local_endpoint().port();
  accepting_ = std::thread([this] { AcceptAll(); });
}

ScriptedServer::~ScriptedServer() {
  stopping_ = true;
  shutdown(acceptor_.native_handle(), SHUT_RDWR);
  accepting_.join();
  {
    const std::scoped_lock lock(mutex_);
    for (const int socket : open_sockets_) shutdown(socket, SHUT_RDWR);
  }
  for (std::thread& script : scripts_) script.join();
}

void ScriptedServer::AcceptAll() {
  while (!stopping_) {
    error_code error;
    tcp::socket socket = acceptor_.accept(error);
    if (error) continue;
    const std::size_t index = accepted_++;
    {
      const std::scoped_lock lock(mutex_);
      open_sockets_.push_back(socket.native_handle());
    }
    scripts_.emplace_back(
        [this, index, moved = std::move(socket)]() mutable { Serve(std::move(moved), index); });
  }
}

void ScriptedServer::Serve(tcp::socket socket, std::size_t index) {
  const int handle = socket.native_handle();
  Peer peer(*this, std::move(socket), index);
  if (peer.Handshake()) script_(peer);
  {
    // Taken off the list before it is closed: the number may be another's the next moment.
    const std::scoped_lock lock(mutex_);
    std::erase(open_sockets_, handle);
  }
  error_code ignored;
  peer.socket_.close(ignored);
  ++closed_;
}

std::vector<ScriptedServer::Request> ScriptedServer::requests() const {
  const std::scoped_lock lock(mutex_);
  return requests_;
}

std::vector<std::string> ScriptedServer::server_names() const {
  const std::scoped_lock lock(mutex_);
  return server_names_;
}

std::string ScriptedServer::Answer(int status, std::string_view body, std::string_view headers) {
  std::string answer = "HTTP/1.1 " + std::to_string(status) + " Answer\r\n";
  answer += headers;
  answer += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  answer += body;
  return answer;
}

ScriptedServer::Script ScriptedServer::Always(std::string answer) {
  return [answer = std::move(answer)](Peer& peer) {
    while (peer.Read() && peer.Write(answer)) {
    }
  };
}

}  // namespace tests

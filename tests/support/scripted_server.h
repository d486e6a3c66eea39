// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/tls_authority.h"

namespace tests {

/// A TCP server on 127.0.0.1 that does to its clients exactly what a script says: answer,
/// stay silent, close half way, talk nonsense. Each connection runs the script on a thread
/// of its own, with blocking calls, and is closed when the script returns.
/// The destructor cuts all connections and waits for the scripts.
class ScriptedServer {
 public:
  struct Request {
    std::string head;  ///< With the empty line.
    std::string body;
    std::size_t connection = 0;
  };

  /// The server's end of one connection. Used by its script only.
  class Peer {
   public:
    /// 0 for the first connection accepted, then 1, …
    std::size_t index() const { return index_; }
    /// The next request, also kept for requests(); nullopt when the client has gone.
    std::optional<Request> Read();
    /// The same, but leaves the body alone.
    std::optional<Request> ReadHead();
    /// False when the client has gone.
    bool Write(std::string_view bytes);
    /// Waits until the client says anything; throws it away.
    void AwaitBytes();
    /// Waits until the client closes; what it sends meanwhile is thrown away.
    void AwaitClose();
    /// TLS close_notify; without it the close at the end of the script is a truncation.
    void SayGoodbye();
    /// Makes the close at the end of the script a reset.
    void ResetOnClose();

   private:
    friend class ScriptedServer;
    Peer(ScriptedServer& server, boost::asio::ip::tcp::socket socket, std::size_t index);
    std::size_t ReadSome(char* into, std::size_t room);
    bool Handshake();

    ScriptedServer& server_;
    const std::size_t index_;
    boost::asio::ip::tcp::socket socket_;
    std::optional<boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>> tls_;
    std::string unread_;
  };
  using Script = std::function<void(Peer&)>;

  struct Options {
    std::optional<Certificate> certificate;  ///< TLS when present.
    int max_tls_version = 0;                 ///< E.g. TLS1_1_VERSION; 0: no limit.
    int receive_buffer = 0;                  ///< SO_RCVBUF; 0: the system's.
  };

  explicit ScriptedServer(Script script);
  ScriptedServer(Options options, Script script);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::size_t accepted() const { return accepted_; }
  std::size_t closed() const { return closed_; }    ///< Connections whose script is over.
  std::size_t resumed() const { return resumed_; }  ///< TLS sessions taken up again.
  std::vector<Request> requests() const;
  /// Server names that clients asked for, "" for none, one a handshake.
  std::vector<std::string> server_names() const;

  /// A complete answer that keeps the connection.
  static std::string Answer(int status, std::string_view body, std::string_view headers = "");
  /// Answers every request with `answer`.
  static Script Always(std::string answer);

 private:
  void AcceptAll();
  void Serve(boost::asio::ip::tcp::socket socket, std::size_t index);

  const Script script_;
  std::optional<boost::asio::ssl::context> tls_;
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::uint16_t port_ = 0;
  std::atomic<std::size_t> accepted_{0};
  std::atomic<std::size_t> closed_{0};
  std::atomic<std::size_t> resumed_{0};
  std::atomic<bool> stopping_{false};

  mutable std::mutex mutex_;  ///< Guards what follows.
  std::vector<Request> requests_;
  std::vector<std::string> server_names_;
  std::vector<int> open_sockets_;

  std::vector<std::thread> scripts_;  ///< Touched by the accepting thread, then ours.
  std::thread accepting_;
};

}  // namespace tests

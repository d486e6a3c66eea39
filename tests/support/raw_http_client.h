// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/strings.h"

namespace tests {

struct HttpAnswer {
  int status = 0;
  std::string head;  ///< Status line and headers, with the empty line.
  std::string body;

  /// Value of the first header of that name; "" when absent.
  std::string Header(std::string_view name) const {
    std::size_t at = head.find("\r\n");
    while (at != std::string::npos) {
      const std::size_t start = at + 2;
      at = head.find("\r\n", start);
      const std::string_view line = std::string_view(head).substr(start, at - start);
      const std::size_t colon = line.find(':');
      if (colon == std::string_view::npos) continue;
      if (common::EqualsIgnoreCase(line.substr(0, colon), name)) {
        return std::string(line.substr(std::min(colon + 2, line.size())));
      }
    }
    return "";
  }
};

/// A blocking client that sends exactly the bytes it is told to, so that a test can be
/// any peer, also a broken one. Every wait is bounded. Not thread-safe.
class RawHttpClient {
 public:
  enum class End { kOrderly, kReset, kTimeout };

  explicit RawHttpClient(std::uint16_t port, int receive_buffer = 0)
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer != 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    }
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr generic{};
    std::memcpy(&generic, &to, sizeof(to));
    connected_ = connect(fd_, &generic, sizeof(to)) == 0;
  }
  RawHttpClient(RawHttpClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)),
        connected_(other.connected_),
        in_(std::move(other.in_)),
        end_(other.end_) {}
  RawHttpClient& operator=(RawHttpClient&&) = delete;
  ~RawHttpClient() { Close(); }

  bool connected() const { return connected_; }
  int fd() const { return fd_; }

  /// False once the peer has gone; bytes may still wait to be read.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      pollfd writable{fd_, POLLOUT, 0};
      if (poll(&writable, 1, kPatienceMs) <= 0) return false;
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (n < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  /// The next answer; nullopt when the connection ends first. `head_only`: answer to HEAD.
  std::optional<HttpAnswer> Read(bool head_only = false) {
    std::size_t end = 0;
    while ((end = in_.find("\r\n\r\n")) == std::string::npos) {
      if (!Fill()) return std::nullopt;
    }
    HttpAnswer answer;
    answer.head = in_.substr(0, end + 4);
    if (answer.head.size() < 12) return std::nullopt;
    answer.status = std::atoi(answer.head.c_str() + 9);
    in_.erase(0, end + 4);
    if (head_only || answer.status == 100) return answer;
    const std::size_t length = std::strtoull(answer.Header("Content-Length").c_str(), nullptr, 10);
    while (in_.size() < length) {
      if (!Fill()) return std::nullopt;
    }
    answer.body = in_.substr(0, length);
    in_.erase(0, length);
    return answer;
  }

  /// Sends and reads one answer.
  std::optional<HttpAnswer> Ask(std::string_view request) {
    if (!Send(request)) return std::nullopt;
    return Read();
  }

  /// Reads until the connection ends and says how; what came is in unread().
  End ReadToEnd() {
    while (Fill()) {
    }
    return end_;
  }
  const std::string& unread() const { return in_; }

  void HalfClose() { shutdown(fd_, SHUT_WR); }
  void Reset() {
    const linger hard{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    Close();
  }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  static constexpr int kPatienceMs = 20'000;

  bool Fill() {
    pollfd readable{fd_, POLLIN, 0};
    if (poll(&readable, 1, kPatienceMs) <= 0) {
      end_ = End::kTimeout;
      return false;
    }
    char bytes[65536];
    const ssize_t n = recv(fd_, bytes, sizeof(bytes), 0);
    if (n > 0) {
      in_.append(bytes, static_cast<std::size_t>(n));
      return true;
    }
    end_ = n == 0 ? End::kOrderly : End::kReset;
    return false;
  }

  int fd_;
  bool connected_ = false;
  std::string in_;
  End end_ = End::kTimeout;
};

}  // namespace tests

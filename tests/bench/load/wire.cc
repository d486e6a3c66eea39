// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/load/wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

namespace bench {
namespace {

constexpr int kBufferBytes = 256 * 1024;  // A batch goes out in one call.

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

const sockaddr* Generic(const sockaddr_in& address) {
  return std::bit_cast<const sockaddr*>(&address);
}

double Micros(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
}

}  // namespace

std::optional<Frame> ParseFrame(std::string_view bytes) {
  const std::size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  Frame frame{.head = end + 4, .body = 0};
  static constexpr std::string_view kLength = "content-length:";
  const std::string_view head = bytes.substr(0, end);
  for (std::size_t line = head.find("\r\n"); line != std::string_view::npos;
       line = head.find("\r\n", line)) {
    line += 2;
    if (head.size() - line < kLength.size() ||
        strncasecmp(head.data() + line, kLength.data(), kLength.size()) != 0) {
      continue;
    }
    const char* digits = head.data() + line + kLength.size();
    while (*digits == ' ') ++digits;
    std::from_chars(digits, head.data() + head.size(), frame.body);
    break;
  }
  return frame;
}

std::string JsonAnswer(int status, std::string_view body) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}", status,
      status == 200 ? "OK" : "Error", body.size(), body);
}

std::int64_t NowNanos() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

double ProcessCpuMicros() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return Micros(usage.ru_utime) + Micros(usage.ru_stime);
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

Descriptor ListenOn(std::uint16_t port) {
  Descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const sockaddr_in address = Loopback(port);
  if (bind(listener.get(), Generic(address), sizeof(address)) != 0 ||
      listen(listener.get(), SOMAXCONN) != 0) {
    Die(fmt::format("cannot listen on 127.0.0.1:{}", port));
  }
  return listener;
}

std::uint16_t PortOf(const Descriptor& listener) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  if (getsockname(listener.get(), std::bit_cast<sockaddr*>(&address), &size) != 0) {
    Die("getsockname");
  }
  return ntohs(address.sin_port);
}

Descriptor ConnectTo(std::uint16_t port) {
  Descriptor socket_fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  setsockopt(socket_fd.get(), SOL_SOCKET, SO_SNDBUF, &kBufferBytes, sizeof(kBufferBytes));
  const sockaddr_in address = Loopback(port);
  if (connect(socket_fd.get(), Generic(address), sizeof(address)) != 0) {
    Die(fmt::format("cannot connect to 127.0.0.1:{}", port));
  }
  MakeQuickAndNonBlocking(socket_fd.get());
  return socket_fd;
}

void MakeQuickAndNonBlocking(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): the only form of fcntl.
  if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) Die("fcntl");
}

Descriptor AcceptFrom(const Descriptor& listener) {
  Descriptor accepted(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (accepted.get() < 0 && errno != EAGAIN && errno != ECONNABORTED) Die("accept");
  return accepted;
}

void Watch(const Descriptor& epoll, int fd, std::uint64_t token) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLET;
  event.data.u64 = token;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) Die("epoll_ctl");
}

void Die(std::string_view what) {
  const int number = errno;
  std::array<char, 128> buffer{};
  const char* reason =
      number == 0 ? "no system error" : strerror_r(number, buffer.data(), buffer.size());
  fmt::print(stderr, "error: {}: {}\n", what, reason);
  std::exit(1);  // NOLINT(concurrency-mt-unsafe): these programs have one thread.
}

}  // namespace bench

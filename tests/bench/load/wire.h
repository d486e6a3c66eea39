// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bench {

/// Where the parts of an HTTP/1.1 message with a Content-Length lie.
struct Frame {
  std::size_t head = 0;  ///< Bytes of the header, its empty line included.
  std::size_t body = 0;
  std::size_t size() const { return head + body; }
};

/// The frame that `bytes` begin with; nullopt while its header is not complete. Knows what
/// the programs of this benchmark send, and no more (no chunks, no obsolete forms).
std::optional<Frame> ParseFrame(std::string_view bytes);

/// A complete answer with a JSON body, kept alive.
std::string JsonAnswer(int status, std::string_view body);

/// CLOCK_MONOTONIC in nanoseconds: comparable between processes of one machine.
std::int64_t NowNanos();

/// CPU time of this process, user and system, in microseconds.
double ProcessCpuMicros();

/// A file descriptor that is closed with its owner.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int get() const { return fd_; }

 private:
  int fd_;
};

/// A listening, non-blocking socket on 127.0.0.1; port 0 is any free one. Ends the process
/// when that fails, as do the others below: a benchmark without its sockets has no result.
Descriptor ListenOn(std::uint16_t port);
std::uint16_t PortOf(const Descriptor& listener);
/// A connected, then non-blocking socket without Nagle's delay.
Descriptor ConnectTo(std::uint16_t port);
void MakeQuickAndNonBlocking(int fd);

/// The next accepted connection, non-blocking; an empty one when none is waiting.
Descriptor AcceptFrom(const Descriptor& listener);

/// Registers `fd` with epoll, edge-triggered in both directions.
void Watch(const Descriptor& epoll, int fd, std::uint64_t token);

/// Prints what failed, with errno's text, and ends the process with exit code 1.
[[noreturn]] void Die(std::string_view what);

}  // namespace bench

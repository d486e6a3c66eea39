// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/load/generator.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <deque>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "common/strings.h"
#include "tests/bench/load/corpus.h"
#include "tests/bench/load/wire.h"

namespace bench {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kAnswerTimeout = 30 * kSecond;
constexpr std::string_view kSuccess = R"({"success":true})";

struct Connection {
  Descriptor socket;
  RequestTemplate request;
  std::size_t sent = 0;  ///< Of the request in hand.
  bool busy = false;
  std::int64_t due = 0;  ///< Of the request in hand.
  std::array<char, 4096> answer{};
  std::size_t answered = 0;
};

class Generator {
 public:
  explicit Generator(const LoadOptions& options)
      : options_(options),
        events_per_request_(static_cast<std::uint64_t>(std::max(options.batch, 1))),
        interval_(options.events_per_second == 0
                      ? 0
                      : static_cast<double>(kSecond) * static_cast<double>(events_per_request_) /
                            options.events_per_second),
        epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    for (std::uint32_t i = 0; i < options.tenants; ++i) {
      authorizations_.push_back(Authorization(options.first_tenant + i));
    }
    connections_.reserve(static_cast<std::size_t>(options.connections));
    for (int i = 0; i < options.connections; ++i) {
      connections_.push_back({.socket = ConnectTo(options.port),
                              .request = RequestTemplate(options.batch, i),
                              .sent = 0,
                              .busy = false,
                              .due = 0,
                              .answer = {},
                              .answered = 0});
      Watch(epoll_, connections_.back().socket.get(), static_cast<std::uint64_t>(i));
      idle_.push_back(static_cast<std::size_t>(i));
    }
    // Else the kernel may wake this thread 50 us after a request fell due.
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  }

  LoadResult Run() {
    const double cpu = ProcessCpuMicros();
    result_.event_bytes = static_cast<double>(connections_.front().request.body_bytes()) /
                          static_cast<double>(events_per_request_);
    start_ = NowNanos();
    end_ = start_ + static_cast<std::int64_t>(options_.seconds * static_cast<double>(kSecond));
    result_.started_ns = start_;
    result_.last_answer_ns = start_;
    while (true) {
      const std::int64_t wait = SendWhatIsDue();
      if (wait < 0 && idle_.size() == connections_.size()) break;
      WaitForSockets(wait);
    }
    result_.cpu_micros = ProcessCpuMicros() - cpu;
    return std::move(result_);
  }

 private:
  std::int64_t DueOf(std::uint64_t request) const {
    return start_ + static_cast<std::int64_t>(interval_ * static_cast<double>(request));
  }

  bool SentAll() const {
    return options_.max_events > 0 && result_.events_sent >= options_.max_events;
  }

  /// Gives idle connections the requests that are due. Returns the nanoseconds until the
  /// next one, or -1 when an answer has to come first.
  std::int64_t SendWhatIsDue() {
    while (!idle_.empty()) {
      const std::int64_t now = NowNanos();
      const bool open_loop = interval_ > 0;
      const std::int64_t due = open_loop ? DueOf(requests_) : now;
      if (due >= end_ || SentAll()) return -1;
      if (due > now) return due - now;
      if (open_loop) result_.lateness.Record(now - due);
      Connection& connection = connections_[idle_.front()];
      idle_.pop_front();
      connection.request.Prepare(authorizations_[requests_ % authorizations_.size()], SentAt(now),
                                 options_.first_id + result_.events_sent);
      ++requests_;
      result_.events_sent += events_per_request_;
      connection.due = due;
      connection.sent = 0;
      connection.busy = true;
      Send(connection);
    }
    return -1;
  }

  /// The wall-clock time as text, written anew when the millisecond changed.
  std::string_view SentAt(std::int64_t now) {
    if (now - sent_at_made_ >= kSecond / 1000) {
      sent_at_ = common::FormatTimestamp(std::chrono::time_point_cast<std::chrono::milliseconds>(
          std::chrono::system_clock::now()));
      sent_at_made_ = now;
    }
    return sent_at_;
  }

  static void Send(Connection& connection) {
    const std::string_view bytes = connection.request.bytes();
    while (connection.sent < bytes.size()) {
      const ssize_t n = send(connection.socket.get(), bytes.data() + connection.sent,
                             bytes.size() - connection.sent, MSG_NOSIGNAL);
      if (n < 0 && errno == EAGAIN) return;
      if (n < 0) Die("the server broke a connection");
      connection.sent += static_cast<std::size_t>(n);
    }
  }

  void WaitForSockets(std::int64_t wait) {
    std::array<epoll_event, 256> events;
    const std::int64_t patience = wait < 0 ? kAnswerTimeout : wait;
    const timespec timeout{.tv_sec = patience / kSecond, .tv_nsec = patience % kSecond};
    const int n = epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()),
                               &timeout, nullptr);
    if (n < 0 && errno != EINTR) Die("epoll_pwait2");
    if (n == 0 && wait < 0) Die("the server gave no answer for 30 s");
    for (int i = 0; i < n; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      Connection& connection = connections_[event.data.u64];
      if (connection.busy && (event.events & EPOLLOUT) != 0) Send(connection);
      if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) Receive(event.data.u64);
    }
  }

  /// Reads once: an answer is smaller than the buffer, and another cannot follow it.
  void Receive(std::size_t index) {
    Connection& connection = connections_[index];
    const ssize_t n = recv(connection.socket.get(), connection.answer.data() + connection.answered,
                           connection.answer.size() - connection.answered, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) Die("the server closed a connection");
    connection.answered += static_cast<std::size_t>(n);
    const std::string_view bytes(connection.answer.data(), connection.answered);
    const auto frame = ParseFrame(bytes);
    if (!frame || bytes.size() < frame->size()) {
      if (connection.answered == connection.answer.size()) Die("an answer is too long");
      return;
    }
    CountAnswer(connection, bytes.substr(0, frame->head), bytes.substr(frame->head, frame->body));
    connection.answered = 0;
    connection.busy = false;
    idle_.push_back(index);
  }

  void CountAnswer(const Connection& connection, std::string_view head, std::string_view body) {
    const std::int64_t now = NowNanos();
    int status = 0;
    if (head.size() > 12) std::from_chars(head.data() + 9, head.data() + 12, status);
    result_.last_answer_ns = now;
    // An answer that lists refused events is none that this load should get.
    if (status == 200 && body == kSuccess) {
      result_.latency.Record(now - connection.due);
      ++result_.requests_ok;
      result_.events_accepted += events_per_request_;
    } else {
      ++result_.requests_refused[status];
    }
  }

  const LoadOptions options_;
  const std::uint64_t events_per_request_;
  const double interval_;  ///< Nanoseconds between two requests; 0 in the closed loop.
  Descriptor epoll_;
  std::vector<std::string> authorizations_;
  std::vector<Connection> connections_;
  std::deque<std::size_t> idle_;
  std::uint64_t requests_ = 0;
  std::int64_t start_ = 0;
  std::int64_t end_ = 0;
  std::string sent_at_;
  std::int64_t sent_at_made_ = std::numeric_limits<std::int64_t>::min() / 2;
  LoadResult result_;
};

}  // namespace

LoadResult RunLoad(const LoadOptions& options) { return Generator(options).Run(); }

}  // namespace bench

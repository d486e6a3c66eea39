// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/load/sink.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tests/bench/load/corpus.h"
#include "tests/bench/load/wire.h"

namespace bench {
namespace {

constexpr std::size_t kBufferBytes = 1024 * 1024;  // Segment takes half of that.
constexpr std::int64_t kMilli = 1'000'000;
constexpr std::uint64_t kListener = 0;

/// Which numbers were seen, and how often one came again.
class Tally {
 public:
  void CountBody(std::string_view body) {
    ++requests_;
    const std::int64_t now = NowNanos();
    if (first_ns_ == 0) first_ns_ = now;
    const char* at = body.data();
    const char* const end = at + body.size();
    while (true) {
      at = static_cast<const char*>(std::memchr(at, kIdMark, static_cast<std::size_t>(end - at)));
      if (at == nullptr || static_cast<std::size_t>(end - at) <= kIdDigits) return;
      Mark(ReadId(at), now);
      at += kIdDigits;
    }
  }

  std::uint64_t distinct() const { return distinct_; }

  std::string Json() const {
    return fmt::format(
        R"({{"requests":{},"distinct":{},"repeated":{},"highest":{},"first_ns":{},"last_ns":{}}})",
        requests_, distinct_, repeated_, highest_, first_ns_, last_ns_);
  }

 private:
  void Mark(std::uint64_t id, std::int64_t now) {
    const std::size_t word = id / 64;
    if (word >= seen_.size()) seen_.resize(std::max(word + 1, seen_.size() * 2));
    const std::uint64_t bit = std::uint64_t{1} << (id % 64);
    if ((seen_[word] & bit) != 0) {
      ++repeated_;
      return;
    }
    seen_[word] |= bit;
    ++distinct_;
    highest_ = std::max(highest_, id);
    last_ns_ = now;
  }

  std::vector<std::uint64_t> seen_;
  std::uint64_t requests_ = 0;
  std::uint64_t distinct_ = 0;
  std::uint64_t repeated_ = 0;
  std::uint64_t highest_ = 0;
  std::int64_t first_ns_ = 0;
  std::int64_t last_ns_ = 0;  ///< When the last new event came.
};

struct Peer {
  Descriptor socket;
  std::unique_ptr<char[]> in = std::make_unique_for_overwrite<char[]>(kBufferBytes);
  std::size_t have = 0;
};

/// An answer that waits for its time (and, of a /wait, for its count).
struct Held {
  std::int64_t until = 0;
  std::uint64_t token = 0;
  std::uint64_t distinct = 0;
};

std::uint64_t QueryNumber(std::string_view target, std::string_view name) {
  std::uint64_t value = 0;
  const std::size_t at = target.find(name);
  if (at != std::string_view::npos) {
    const char* begin = target.data() + at + name.size();
    std::from_chars(begin, target.data() + target.size(), value);
  }
  return value;
}

class Sink {
 public:
  explicit Sink(const SinkOptions& options)
      : latency_(static_cast<std::int64_t>(options.latency_millis * static_cast<double>(kMilli))),
        listener_(ListenOn(options.port)),
        epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    Watch(epoll_, listener_.get(), kListener);
    fmt::print("{{\"port\":{}}}\n", PortOf(listener_));
    std::fflush(stdout);
  }

  [[noreturn]] void Run() {
    std::array<epoll_event, 256> events;
    while (true) {
      const std::int64_t wait = AnswerWhatIsDue();
      const timespec timeout{.tv_sec = wait / 1'000'000'000, .tv_nsec = wait % 1'000'000'000};
      const int n = epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                 wait < 0 ? nullptr : &timeout, nullptr);
      if (n < 0 && errno != EINTR) Die("epoll_pwait2");
      for (int i = 0; i < n; ++i) OnEvent(events[static_cast<std::size_t>(i)]);
    }
  }

 private:
  void OnEvent(const epoll_event& event) {
    if (event.data.u64 == kListener) return AcceptAll();
    if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) Receive(event.data.u64);
  }

  void AcceptAll() {
    while (true) {
      Descriptor accepted = AcceptFrom(listener_);
      if (accepted.get() < 0) return;
      MakeQuickAndNonBlocking(accepted.get());
      const std::uint64_t token = next_token_++;
      Watch(epoll_, accepted.get(), token);
      peers_[token].socket = std::move(accepted);
    }
  }

  void Receive(std::uint64_t token) {
    const auto found = peers_.find(token);
    if (found == peers_.end()) return;
    Peer& peer = found->second;
    while (true) {
      const ssize_t n =
          recv(peer.socket.get(), peer.in.get() + peer.have, kBufferBytes - peer.have, 0);
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) {
        peers_.erase(found);
        return;
      }
      peer.have += static_cast<std::size_t>(n);
      TakeRequests(token, peer);
      if (peer.have == kBufferBytes) Die("a request is larger than the sink's buffer");
    }
  }

  void TakeRequests(std::uint64_t token, Peer& peer) {
    std::string_view rest(peer.in.get(), peer.have);
    for (auto frame = ParseFrame(rest); frame && rest.size() >= frame->size();
         frame = ParseFrame(rest)) {
      OnRequest(token, peer, rest.substr(0, frame->head), rest.substr(frame->head, frame->body));
      rest.remove_prefix(frame->size());
    }
    std::memmove(peer.in.get(), rest.data(), rest.size());
    peer.have = rest.size();
  }

  void OnRequest(std::uint64_t token, const Peer& peer, std::string_view head,
                 std::string_view body) {
    const std::int64_t now = NowNanos();
    if (head.starts_with("POST ")) {
      if (refuse_status_ != 0) return Write(peer, JsonAnswer(refuse_status_, "{}"));
      tally_.CountBody(body);
      if (holding_) return unanswered_.push_back(token);
      if (latency_ == 0) return Write(peer, success_);
      answers_.push_back({.until = now + latency_, .token = token, .distinct = 0});
      return;
    }
    const std::string_view target = head.substr(0, head.find("\r\n"));
    if (target.starts_with("GET /wait")) {
      const auto patience = static_cast<std::int64_t>(QueryNumber(target, "timeout_ms="));
      waits_.push_back({.until = now + patience * kMilli,
                        .token = token,
                        .distinct = QueryNumber(target, "distinct=")});
      return;
    }
    if (target.starts_with("GET /refuse")) {
      refuse_status_ = static_cast<int>(QueryNumber(target, "status="));
    } else if (target.starts_with("GET /hold")) {
      holding_ = QueryNumber(target, "on=") != 0;
      if (!holding_) {
        for (const std::uint64_t waiting : std::exchange(unanswered_, {})) {
          WriteTo(waiting, success_);
        }
      }
    }
    Write(peer, JsonAnswer(200, tally_.Json()));
  }

  /// Returns the nanoseconds until the next answer is due, or -1 when none is held.
  std::int64_t AnswerWhatIsDue() {
    const std::int64_t now = NowNanos();
    while (!answers_.empty() && answers_.front().until <= now) {
      WriteTo(answers_.front().token, success_);
      answers_.pop_front();
    }
    std::erase_if(waits_, [&](const Held& wait) {
      if (wait.until > now && tally_.distinct() < wait.distinct) return false;
      WriteTo(wait.token, JsonAnswer(200, tally_.Json()));
      return true;
    });
    std::int64_t next = std::numeric_limits<std::int64_t>::max();
    if (!answers_.empty()) next = answers_.front().until;
    for (const Held& wait : waits_) next = std::min(next, wait.until);
    return next == std::numeric_limits<std::int64_t>::max() ? -1 : next - now;
  }

  void WriteTo(std::uint64_t token, std::string_view bytes) {
    if (const auto found = peers_.find(token); found != peers_.end()) Write(found->second, bytes);
  }

  /// An answer is far smaller than a socket's buffer; who does not read it is gone, and its
  /// end is read soon.
  static void Write(const Peer& peer, std::string_view bytes) {
    if (send(peer.socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) errno = 0;
  }

  const std::int64_t latency_;
  const std::string success_ = JsonAnswer(200, R"({"success":true})");
  Descriptor listener_;
  Descriptor epoll_;
  std::uint64_t next_token_ = kListener + 1;
  int refuse_status_ = 0;  ///< 0 takes what comes.
  bool holding_ = false;
  std::vector<std::uint64_t> unanswered_;  ///< Batches that were taken while holding.
  std::unordered_map<std::uint64_t, Peer> peers_;
  std::deque<Held> answers_;  ///< In the order of their times: all wait as long.
  std::vector<Held> waits_;
  Tally tally_;
};

}  // namespace

void RunSink(const SinkOptions& options) { Sink(options).Run(); }

}  // namespace bench

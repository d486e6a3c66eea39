// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_set>

#include "common/guarded.h"
#include "common/net/http_server.h"

namespace gateway::sandbox {

/// Answers that wait: for a delay to pass, or for news. Each lives on its connection's
/// executor. Thread-safe; outlives the server whose Responders it holds.
class HeldAnswers {
 public:
  /// Asked on the connection's thread, at news and when the time is over (`expired`):
  /// the answer, or nullopt to wait on. After `expired` the answer must come.
  using Poll = std::function<std::optional<common::net::Response>(bool expired)>;

  HeldAnswers();
  ~HeldAnswers();

  /// Answers after `delay`.
  void Delay(common::net::Responder respond, std::chrono::milliseconds delay,
             common::net::Response response);
  /// Answers as soon as `poll` says so, `patience` at the latest. Call on the
  /// connection's thread.
  void Watch(common::net::Responder respond, std::chrono::milliseconds patience, Poll poll);
  /// There is news: every watcher looks again.
  void Wake();
  /// Resets every connection that waits, now and in the future.
  void Close();

 private:
  class Held;
  std::shared_ptr<Held> Add(common::net::Responder respond, std::chrono::milliseconds delay,
                            Poll poll, bool watches);
  void Forget(const std::shared_ptr<Held>& held);

  common::Guarded<std::unordered_set<std::shared_ptr<Held>>> held_;
  std::atomic<std::size_t> watchers_{0};
  std::atomic<bool> closed_{false};
};

}  // namespace gateway::sandbox

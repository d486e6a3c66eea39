// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/thread.h"
#include "gateway/app/control_socket.h"
#include "gateway/queue/rocks_queue.h"

namespace gateway::app {

/// The request of the control socket that asks for the files of the store to be kept. It is
/// answered {"progress":{step}} as soon as they are, and with a result only when that ends before
/// the client goes.
std::string HoldRequest();

/// Keeps the files of a running queue for whoever looks at them from outside, each on a thread of
/// its own ("hold"): until the client goes away, the time is over, or half of the free space is
/// used up. Holds that overlap are one in that: what they keep adds up. Thread-safe. Destroyed
/// before the queue.
class HoldService {
 public:
  struct Limits {
    std::size_t at_once = 0;
    common::Duration longest{};
    std::uint64_t least_free = 0;  ///< Free bytes below which nothing is held.
  };

  HoldService(const queue::RocksQueue& queue, const Limits& limits)
      : queue_(queue), limits_(limits) {}
  /// Ends all holds, and waits for that.
  ~HoldService();
  HoldService(const HoldService&) = delete;
  HoldService& operator=(const HoldService&) = delete;

  void Handle(std::shared_ptr<ControlCall> call);
  /// Ends all holds soon and takes no more. Does not wait.
  void Stop();

 private:
  struct Hold {
    std::atomic<bool> over = false;
    std::optional<common::Thread> thread;
  };

  void Run(ControlCall& call);
  /// Until one of the three.
  void Wait(const ControlCall& call);
  /// Why there can be no new one; empty when there can.
  std::string RefusalLocked(std::uint64_t free) const;

  const queue::RocksQueue& queue_;
  const Limits limits_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  // Of the holds that there are, all together.
  common::SteadyTime until_;
  std::uint64_t least_free_ = 0;
  std::list<Hold> holds_;  ///< Those that are over go when the next one comes.
};

}  // namespace gateway::app

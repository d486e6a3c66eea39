// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "gateway/queue/commit_work.h"
#include "gateway/queue/gathering.h"

namespace gateway::queue {

/// What waits for the committer. Appends are bounded in number and bytes: beyond that the
/// disk is slower than the clients and waiting only uses memory. Settlements are bounded
/// by the deliveries in flight. Thread-safe.
class Intake {
 public:
  struct Limits {
    std::uint64_t pending_bytes = 0;
    std::uint64_t pending_requests = 0;
    std::uint64_t commit_bytes = 0;
    common::Duration linger{};
    std::uint32_t gather_percent = 0;  ///< See Gathering.
  };
  enum class Taken { kWork, kNothing, kClosed };

  explicit Intake(Limits limits) : limits_(limits), gathering_(limits.gather_percent) {}
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  // On an error (kUnavailable: full or closed) the item is left to the caller.
  common::Status Push(PendingAppend& append);
  common::Status Push(PendingSettle& settle);
  common::Status Push(PendingQuarantine& quarantine);

  /// Waits for work, until `deadline` at most, and moves into `work` what one commit may
  /// hold. kClosed once closed and empty. For the committer's thread.
  Taken Take(Work& work, std::chrono::steady_clock::time_point deadline);

  /// The commit of what Take gave last took so long, and `appends` of it are about to be answered.
  void Answering(std::size_t appends, common::Duration took);

  /// Takes nothing more; what waits stays to be taken.
  void Close();

  std::uint64_t pending_requests() const { return pending_.load(std::memory_order_relaxed); }
  /// Whether an append of any size would be refused now.
  bool full() const { return full_.load(std::memory_order_relaxed); }

 private:
  bool EmptyLocked() const {
    return appends_.empty() && settlements_.empty() && quarantines_.empty();
  }
  void CountLocked();
  void WakeLocked();
  void LingerLocked(std::unique_lock<std::mutex>& lock);
  void GatherLocked(std::unique_lock<std::mutex>& lock,
                    std::chrono::steady_clock::time_point answered);
  void TakeLocked(Work& work);

  const Limits limits_;
  Gathering gathering_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool waiting_ = false;
  std::size_t wake_at_ = 0;  ///< Appends that are worth to wake the committer for.
  bool closed_ = false;
  std::uint64_t append_bytes_ = 0;
  std::deque<PendingAppend> appends_;
  std::vector<PendingSettle> settlements_;
  std::vector<PendingQuarantine> quarantines_;
  std::atomic<std::uint64_t> pending_{0};
  std::atomic<bool> full_{false};
};

}  // namespace gateway::queue

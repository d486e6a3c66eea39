// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "gateway/queue/queue_health.h"

namespace gateway::queue {

/// The one place that knows whether the store takes writes. RocksDB's listener and the
/// committer report failures, the committer alone reports recovery. Thread-safe.
class StoreHealth {
 public:
  bool ok() const { return ok_.load(std::memory_order_acquire); }

  QueueHealth Get() const {
    const std::scoped_lock lock(mutex_);
    return health_;
  }

  /// True when the store was healthy until now. The first reason stays until recovery,
  /// since later ones only follow from it; the need of a restart is never taken back.
  bool ReportFailure(const std::string& reason, bool needs_restart) {
    const std::scoped_lock lock(mutex_);
    const bool was_ok = health_.ok;
    if (was_ok) health_.reason = reason;
    health_.ok = false;
    health_.needs_restart = health_.needs_restart || needs_restart;
    ok_.store(false, std::memory_order_release);
    return was_ok;
  }

  void ReportRecovery() {
    const std::scoped_lock lock(mutex_);
    health_ = QueueHealth{};
    ok_.store(true, std::memory_order_release);
  }

 private:
  std::atomic<bool> ok_{true};
  mutable std::mutex mutex_;
  QueueHealth health_;
};

}  // namespace gateway::queue

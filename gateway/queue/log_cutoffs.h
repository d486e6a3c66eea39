// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <optional>
#include <unordered_map>

#include "gateway/pipeline/event.h"

namespace gateway::queue {

/// For each log a number that only ever rises: what lies below it may go. Set by the committer,
/// read by RocksDB's flushes and compactions. Thread-safe.
template <typename Number>
class LogCutoffs {
 public:
  void Set(pipeline::LogId log, Number below) {
    const std::scoped_lock lock(mutex_);
    cutoffs_[log] = below;
  }
  /// Nothing for a log that is not known: nothing of it may go.
  std::optional<Number> Get(pipeline::LogId log) const {
    const std::scoped_lock lock(mutex_);
    const auto found = cutoffs_.find(log);
    return found == cutoffs_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<pipeline::LogId, Number> cutoffs_;
};

}  // namespace gateway::queue

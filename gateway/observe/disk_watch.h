// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/registry.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

namespace gateway::observe {

/// Keeps an eye on the free space of the data directory, so that ingest stops while
/// deliveries can still be recorded. Check is called by one thread, the rest is
/// thread-safe.
class DiskWatch {
 public:
  /// `min_free_bytes` as in storage.min_free_disk.
  DiskWatch(std::string path, std::uint64_t min_free_bytes, prometheus::Registry& registry);

  /// Asks the file system; logs when the answer changes sides.
  void Check();
  bool low() const { return low_.load(std::memory_order_relaxed); }
  /// Why nothing can be stored now, or nothing.
  std::optional<std::string> Problem() const;

 private:
  const std::string path_;
  const std::uint64_t min_free_bytes_;
  prometheus::Gauge& free_bytes_;
  std::atomic<bool> low_{false};
};

}  // namespace gateway::observe

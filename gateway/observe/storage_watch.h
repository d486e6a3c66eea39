// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/registry.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/guarded.h"

namespace gateway::observe {

/// Keeps an eye on the free space of the data directory and on the store's own health, so
/// that ingest stops while deliveries can still be recorded. One thread calls Check; the
/// rest is thread-safe, and free while all is well.
class StorageWatch {
 public:
  /// `min_free_bytes` as in storage.min_free_disk; `store_problem` says why the store takes
  /// no writes, or nothing.
  StorageWatch(std::string path, std::uint64_t min_free_bytes,
               std::function<std::optional<std::string>()> store_problem,
               prometheus::Registry& registry);

  /// Asks the file system and the store; logs when the answer changes.
  void Check();
  /// Why nothing can be stored now, or nothing.
  std::optional<std::string> Problem() const;

 private:
  std::optional<std::string> DiskProblem();

  const std::string path_;
  const std::uint64_t min_free_bytes_;
  const std::function<std::optional<std::string>()> store_problem_;
  prometheus::Gauge& free_bytes_;
  prometheus::Gauge& refusing_;
  std::atomic<bool> bad_{false};
  common::Guarded<std::string> problem_;
};

}  // namespace gateway::observe

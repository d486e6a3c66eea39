// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/registry.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/guarded.h"

namespace gateway::observe {

/// Keeps an eye on the free space of the data directory, on its being there still, and on the
/// store's own health, so that ingest stops while deliveries can still be recorded. One thread
/// calls Check; the rest is thread-safe, and free while all is well.
class StorageWatch {
 public:
  /// `lock_file` is a file in the directory that nobody replaces: as long as it is the same
  /// one, files that are open there are what the next start finds. `min_free_bytes` as in
  /// storage.min_free_disk; `store_problem` says why the store takes no writes, or nothing.
  StorageWatch(std::string path, std::string_view lock_file, std::uint64_t min_free_bytes,
               std::function<std::optional<std::string>()> store_problem,
               prometheus::Registry& registry);

  /// Asks the file system and the store; logs when the answer changes.
  void Check();
  /// Why nothing can be stored now, or nothing.
  std::optional<std::string> Problem() const;

 private:
  /// Device and number of a file; nothing when there is none.
  using Identity = std::optional<std::pair<std::uint64_t, std::uint64_t>>;

  static Identity Identify(const std::string& file);
  std::optional<std::string> DiskProblem();

  const std::string path_;
  const std::string lock_file_;
  const Identity opened_;
  const std::uint64_t min_free_bytes_;
  const std::function<std::optional<std::string>()> store_problem_;
  prometheus::Gauge& free_bytes_;
  prometheus::Gauge& refusing_;
  std::atomic<bool> bad_{false};
  common::Guarded<std::string> problem_;
};

}  // namespace gateway::observe

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

namespace gateway::observe {

/// Nine tenths of the memory limit of the control group that the process is in (version 2
/// or 1), whose files lie below `cgroup_root`; nullopt when there is none.
std::optional<std::uint64_t> ContainerMemoryMark(const std::string& cgroup_root);

/// Whether the process takes more memory than it may: requests are refused then, before
/// the kernel ends the process. Check is for one thread, Over is thread-safe and cheap.
class MemoryWatch {
 public:
  /// `max_bytes` of resident memory; 0 is no limit.
  MemoryWatch(std::uint64_t max_bytes, prometheus::Registry& registry);

  /// Looks, and logs when things have changed.
  void Check();
  bool Over() const { return over_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t max_bytes_;
  prometheus::Gauge& resident_bytes_;
  std::atomic<bool> over_{false};
};

}  // namespace gateway::observe

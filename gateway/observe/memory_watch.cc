// SPDX-License-Identifier: Apache-2.0
#include "gateway/observe/memory_watch.h"

#include <unistd.h>

#include <fstream>

#include "common/log.h"
#include "common/metrics/metrics.h"

namespace gateway::observe {
namespace {

// What version 1 says for "no limit" is a number near the end of the address space.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60U;

std::optional<std::uint64_t> ReadNumber(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  if (!(file >> number)) return std::nullopt;  // Also for "max".
  return number;
}

std::uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

std::optional<std::uint64_t> ContainerMemoryMark(const std::string& cgroup_root) {
  std::optional<std::uint64_t> limit = ReadNumber(cgroup_root + "/memory.max");
  if (!limit) limit = ReadNumber(cgroup_root + "/memory/memory.limit_in_bytes");
  if (!limit || *limit >= kNoLimit) return std::nullopt;
  return *limit / 10 * 9;
}

MemoryWatch::MemoryWatch(std::uint64_t max_bytes, prometheus::Registry& registry)
    : max_bytes_(max_bytes),
      resident_bytes_(common::metrics::Gauge(registry, "process_resident_memory_bytes",
                                             "Resident memory of the process.")) {}

void MemoryWatch::Check() {
  const std::uint64_t bytes = ResidentBytes();
  resident_bytes_.Set(static_cast<double>(bytes));
  const bool over = max_bytes_ != 0 && bytes > max_bytes_;
  if (over_.exchange(over) == over) return;
  if (over) {
    common::log::Error("memory_refusing", "the process takes too much memory; ingest answers 503",
                       {{"bytes", bytes}, {"limit", max_bytes_}});
  } else {
    common::log::Info("memory_recovered", "events are taken again", {{"bytes", bytes}});
  }
}

}  // namespace gateway::observe

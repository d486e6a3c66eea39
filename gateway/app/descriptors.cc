// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/descriptors.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

namespace gateway::app {
namespace {

// Table and log files of the store, the admin listener's connections, epoll, pipes, stdio.
constexpr std::uint64_t kReserved = 512;
// Fewer are no service.
constexpr std::uint64_t kFewestConnections = 16;

}  // namespace

std::uint64_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  rlimit raised = limit;
  raised.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  return limit.rlim_cur;
}

common::Result<std::size_t> ClientConnections(std::uint64_t descriptors, std::size_t wanted,
                                              std::size_t delivery_connections) {
  const std::uint64_t others = kReserved + 2 * static_cast<std::uint64_t>(delivery_connections);
  if (descriptors < others + kFewestConnections) {
    return common::Fail(
        common::ErrorCode::kUnavailable,
        fmt::format("{} open files are allowed, and {} are the least with "
                    "delivery.max_connections {}: raise the limit (ulimit -n, LimitNOFILE) or "
                    "lower that setting",
                    descriptors, others + kFewestConnections, delivery_connections));
  }
  return static_cast<std::size_t>(std::min<std::uint64_t>(wanted, descriptors - others));
}

}  // namespace gateway::app

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace tests {

/// What a run of one seed did; for a summary that shows that the runs are not idle.
struct QueueSimCounts {
  std::uint64_t events = 0;     ///< Acknowledged.
  std::uint64_t delivered = 0;  ///< And dead.
  std::uint64_t commits = 0;
  std::uint64_t kills = 0;
  std::uint64_t power_cuts = 0;
  std::uint64_t clean_restarts = 0;
  std::uint64_t faults = 0;      ///< Operations of the disk that were answered with an error.
  std::uint64_t recoveries = 0;  ///< Without a restart.
  std::uint64_t jobs = 0;        ///< Background jobs of RocksDB.

  QueueSimCounts& operator+=(const QueueSimCounts& other);
};

/// The real queue on a MemoryDisk and a model of it, side by side: appends of many tenants,
/// settlements, dead letters, restarts, kills, power cuts and faults, all drawn from the seed,
/// one thread, virtual time. After every restart, and at the end, everything that the queue
/// holds is compared with the model. Returns what is wrong, or nothing.
/// With `trace` every action is printed.
std::string RunQueueSim(std::uint64_t seed, bool trace, QueueSimCounts& counts);

}  // namespace tests

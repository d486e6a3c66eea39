// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/bench/load/latency_histogram.h"

namespace bench {

struct AppendOptions {
  std::string directory;
  std::size_t group_bytes = 0;
  double seconds = 0;
};

struct AppendResult {
  std::uint64_t groups = 0;
  double wall_micros = 0;
  double cpu_micros = 0;
  LatencyHistogram sync;  ///< One write with its fdatasync.
};

/// The least that a durable log can do: appends groups of bytes to one new file in
/// `directory`, each followed by fdatasync, and removes the file.
AppendResult RunAppend(const AppendOptions& options);

}  // namespace bench

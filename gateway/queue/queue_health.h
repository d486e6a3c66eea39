// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace gateway::queue {

/// Whether the store takes writes. Reads work in either case as far as the disk lets them.
struct QueueHealth {
  bool ok = true;
  /// The store cannot mend itself in this process: close it and open it again.
  bool needs_restart = false;
  std::string reason;  ///< For a person; empty when ok.
};

}  // namespace gateway::queue

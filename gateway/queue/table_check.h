// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue.

#include "common/result.h"
#include "gateway/queue/options.h"

namespace gateway::queue {

/// Looks at every table of a store that nobody has open (reads all of it), and takes out those
/// that are damaged or gone, so that the store opens and compacts again. RocksDB by itself would
/// refuse the one or the other. The files stay, under names with kSalvagePrefix. Where the list
/// of the tables is damaged, it is made anew. Leaves the mark kCheckTables for the salvage of what
/// can be read of them (salvage.h). To be repeated after a crash at any point.
common::Status TakeOutDamagedTables(const Options& options);

}  // namespace gateway::queue

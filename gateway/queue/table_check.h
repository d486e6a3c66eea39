// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue.

#include "common/result.h"
#include "gateway/queue/options.h"

namespace gateway::queue {

/// Looks at every table of a store that nobody has open (reads all of it), and takes out those
/// that are damaged or gone, so that the store opens and compacts again. RocksDB by itself would
/// refuse the one or the other. The files stay, under names with kSalvagePrefix. Tables that are
/// not in the list of tables are taken out too: it may have lost its end, and RocksDB would delete
/// them. Where the list is damaged further, everything is set aside. Leaves the mark kCheckTables
/// for the salvage of what can be read of them (salvage.h). To be repeated after a crash at any
/// point.
common::Status TakeOutDamagedTables(const Options& options);

/// Sets every table and log file aside, where the list that says which of them count is lost: what
/// is left is an empty directory, as RocksDB sees it. The salvage takes the events out of them.
/// Leaves the mark kCheckTables. To be repeated after a crash at any point, which the mark
/// kListLost tells.
common::Status SetAllAside(const Options& options);

}  // namespace gateway::queue

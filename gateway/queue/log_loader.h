// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue.

#include "common/result.h"
#include "gateway/queue/log_table.h"
#include "gateway/queue/rocks_store.h"

namespace gateway::queue {

/// Fills `table` with every log of the store and where it stands. Costs one short seek a
/// log, whatever the backlog. Fails when a registry or cursor record cannot be read: the
/// store must not guess where a log stands.
common::Status LoadLogs(const RocksStore& store, LogTable& table);

}  // namespace gateway::queue

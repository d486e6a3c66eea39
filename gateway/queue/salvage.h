// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue.

#include "common/result.h"
#include "gateway/queue/rocks_store.h"

namespace gateway::queue {

/// Puts back what can be read of the tables and log files that were taken out (table_check.h), and
/// takes away the marks. Afterwards the store lacks what cannot be read, and nothing else:
///
/// - rows that a lost deletion would bring back stay away;
/// - where cursors may be lost, a log goes on at its first record: Segment may see events twice.
///   Not where events may be lost as well, with a table or in a log file, which then count as lost.
///
/// Events that are gone are found by the reader, which counts them. Damaged tables are kept,
/// under names with kDamagedPrefix. To be repeated after a crash at any point.
common::Status PutBackReadableRows(RocksStore& store, rocksdb::Env* env, const std::string& path);

}  // namespace gateway::queue

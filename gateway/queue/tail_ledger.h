// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/write_batch.h>

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/result.h"
#include "gateway/pipeline/event.h"
#include "gateway/queue/log_table.h"
#include "gateway/queue/rocks_store.h"

namespace gateway::queue {

/// Writes down where each log ends, apart from its records: a table that is lost with the last
/// records of a log would else be missed by nobody. A tail is written after its records went to
/// a table; until then they lie in the log file, behind one another. It is written twice, like
/// registrations, so that it is not lost together with the cursor.
///
/// Between Begin and OnSuccess lies one write; without OnSuccess it changed nothing. For the
/// committer's thread alone.
class TailLedger {
 public:
  /// Writes the tails of `table` that the store does not have yet: opening a store may have
  /// flushed their records.
  static common::Result<TailLedger> Open(RocksStore& store, const LogTable& table);

  void Begin() { staged_.clear(); }
  /// The write at hand moves the tail of a log there.
  void Add(pipeline::LogId log, pipeline::Seq tail) { staged_.emplace_back(log, tail); }
  /// Adds the records that are due.
  void Seal(rocksdb::WriteBatch& batch);

  void OnSuccess();

 private:
  explicit TailLedger(const RocksStore& store)
      : store_(&store), flushes_(store.queue_flushes()), sealed_flushes_(flushes_) {}

  const RocksStore* store_;  ///< A pointer, so that the ledger can be moved.
  std::uint64_t flushes_;    ///< Up to which tails are written.
  std::uint64_t sealed_flushes_;
  std::unordered_map<pipeline::LogId, pipeline::Seq> unwritten_;
  std::vector<std::pair<pipeline::LogId, pipeline::Seq>> staged_;
};

/// Where each log ended when that was last written; logs without a record are not there.
common::Result<std::unordered_map<pipeline::LogId, pipeline::Seq>> LoadTails(
    const RocksStore& store);

}  // namespace gateway::queue

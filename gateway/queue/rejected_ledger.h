// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/write_batch.h>

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "common/result.h"
#include "gateway/pipeline/dead_letter.h"
#include "gateway/pipeline/event.h"
#include "gateway/queue/rejected_segments.h"
#include "gateway/queue/rocks_store.h"

namespace gateway::queue {

/// The refused events of all logs, each log within its cap, so that a producer that sends
/// nothing but rubbish cannot fill the disk. What a log keeps is a record in the same write
/// as the letters and the deletions: it is exact, also after a crash.
///
/// Between Begin and OnSuccess lies one write; without OnSuccess it changed nothing. For the
/// committer's thread alone.
class RejectedLedger {
 public:
  /// Fails when a record cannot be read.
  static common::Result<RejectedLedger> Load(const RocksStore& store, std::uint64_t max_bytes);

  void Begin() { staged_.clear(); }
  /// Adds a letter under an id above every earlier one. The letters of one log come one
  /// after the other.
  void Add(pipeline::LogId log, std::uint64_t id, const pipeline::DeadLetter& letter,
           rocksdb::WriteBatch& batch);
  /// Adds the deletions, at most one a log, and the records.
  void Seal(rocksdb::WriteBatch& batch) const;

  /// Letters that the write at hand drops for want of room.
  std::uint64_t evicted() const;
  /// Kept by all logs.
  std::uint64_t bytes() const { return bytes_; }

  void OnSuccess();

 private:
  /// What the write at hand makes of one log.
  struct Staged {
    pipeline::LogId log = 0;
    RejectedSegments segments;
    bool adds = false;             ///< A letter at least.
    std::uint64_t evict_from = 0;  ///< The lowest id that may be there.
    std::uint64_t evict_to = 0;    ///< The lowest id that stays; 0: all stay.
    std::uint64_t evicted = 0;
  };

  RejectedLedger(const RocksStore& store, std::uint64_t max_bytes)
      : store_(&store), max_bytes_(max_bytes) {}
  Staged& Stage(pipeline::LogId log, std::uint64_t id);

  const RocksStore* store_;  ///< A pointer, so that the ledger can be moved.
  std::uint64_t max_bytes_;
  std::unordered_map<pipeline::LogId, RejectedSegments> logs_;
  std::uint64_t bytes_ = 0;
  std::vector<Staged> staged_;
};

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/slice.h>
#include <rocksdb/write_batch.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "gateway/pipeline/event_queue.h"
#include "gateway/queue/id_buckets.h"
#include "gateway/queue/rocks_store.h"

namespace gateway::queue {

/// The messageIds that logs remember, so that an event that comes again is not stored
/// again. An id is in the same write as its event: it is never remembered without it. When
/// the store cannot be asked, an event counts as new: twice is better than never.
///
/// Between Begin and OnSuccess lies one write; without OnSuccess it changed nothing. For the
/// committer's thread alone.
class IdLedger {
 public:
  /// Fails when a record cannot be read.
  static common::Result<IdLedger> Load(const RocksStore& store);

  void Begin() { staged_.clear(); }
  /// Says for each event of the request whether it is new, and adds the ids of those that
  /// are. Returns how many are not. The requests of one log come one after the other.
  std::size_t Admit(const pipeline::AppendRequest& request, std::vector<bool>& fresh,
                    rocksdb::WriteBatch& batch);
  /// Adds the records.
  void Seal(rocksdb::WriteBatch& batch);

  void OnSuccess();

  /// Forgets ids out of their window also in logs that receive nothing. Looks at all logs,
  /// once a minute of `clock`; false when it did not.
  bool Expire(const common::Clock& clock);

  /// Remembered ids of all logs.
  std::uint64_t count() const { return count_; }

 private:
  struct IdHash {
    std::size_t operator()(const pipeline::EventId& id) const { return id.low; }
  };
  /// What the write at hand makes of one log.
  struct Staged {
    pipeline::LogId log = 0;
    IdBuckets buckets;
    bool adds = false;  ///< An id at least.
  };

  explicit IdLedger(const RocksStore& store) : store_(&store) {}
  Staged& Stage(pipeline::LogId log);
  /// Takes those of `candidates_` out of `fresh` that the log remembers.
  void LookUp(const Staged& staged, std::vector<bool>& fresh,
              const std::vector<pipeline::EventId>& ids);
  void Put(Staged& staged, const pipeline::EventId& id, rocksdb::WriteBatch& batch);

  const RocksStore* store_;  ///< A pointer, so that the ledger can be moved.
  std::unordered_map<pipeline::LogId, IdBuckets> logs_;
  std::uint64_t count_ = 0;
  common::WallTime last_expiry_;
  bool lookups_fail_ = false;  ///< Logged once until one succeeds.
  std::vector<Staged> staged_;

  // Scratch space, kept for its capacity.
  std::unordered_set<pipeline::EventId, IdHash> seen_;  ///< Of the log staged last.
  std::vector<std::size_t> candidates_;
  std::string key_bytes_;
  std::vector<rocksdb::Slice> keys_;
  std::vector<rocksdb::PinnableSlice> values_;
  std::vector<rocksdb::Status> statuses_;
};

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/write_batch.h>

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "common/result.h"
#include "gateway/pipeline/dead_letter.h"
#include "gateway/pipeline/event.h"
#include "gateway/queue/letter_segments.h"
#include "gateway/queue/rocks_store.h"

namespace gateway::queue {

/// The letters of one kind of all logs, each log within the limits: a producer that sends nothing
/// but rubbish, or a tenant whose events nobody takes, cannot fill the disk. What a log keeps is
/// a record in the same write as the letters and the deletions: it is exact, also after a crash.
///
/// Between Begin and OnSuccess lies one write; without OnSuccess it changed nothing. For the
/// committer's thread alone.
class LetterLedger {
 public:
  /// Which letters: the family they are in, and the prefix of the records.
  struct Kind {
    Family family = Family::kDead;
    char prefix = '\0';
  };

  /// Counts the letters of logs that have no record yet: an older release wrote them. Fails when
  /// something cannot be read.
  static common::Result<LetterLedger> Load(const RocksStore& store, Kind kind,
                                           const LetterLimits& limits);

  void Begin();
  /// Adds a letter under an id above every earlier one.
  void Add(pipeline::LogId log, std::uint64_t id, const pipeline::DeadLetter& letter,
           rocksdb::WriteBatch& batch);
  /// Drops letters that are too old at a time, given as an id. Before the letters are added.
  void Expire(std::uint64_t now);
  /// Adds the deletions, at most one a log, and the records.
  void Seal(rocksdb::WriteBatch& batch) const;

  /// Whether Expire would drop any. Looks at all logs.
  bool HasExpired(std::uint64_t now) const;
  /// What the write at hand drops of one log.
  struct Evicted {
    pipeline::LogId log = 0;
    std::uint64_t count = 0;
  };
  std::vector<Evicted> evicted() const;
  /// Kept by all logs.
  std::uint64_t bytes() const { return bytes_; }

  void OnSuccess();

 private:
  /// What the write at hand makes of one log.
  struct Staged {
    pipeline::LogId log = 0;
    LetterSegments segments;
    bool adds = false;             ///< A letter at least.
    std::uint64_t evict_from = 0;  ///< The lowest id that may be there.
    std::uint64_t evict_to = 0;    ///< The lowest id that stays; 0: all stay.
    std::uint64_t evicted = 0;
  };

  LetterLedger(const RocksStore& store, Kind kind, const LetterLimits& limits)
      : store_(&store), kind_(kind), limits_(limits) {}
  common::Status CountUnrecorded();
  Staged& Stage(pipeline::LogId log, std::uint64_t id);
  /// The id below which letters are too old; 0: none is.
  std::uint64_t Oldest(std::uint64_t now) const;

  const RocksStore* store_;  ///< A pointer, so that the ledger can be moved.
  Kind kind_;
  LetterLimits limits_;
  std::unordered_map<pipeline::LogId, LetterSegments> logs_;
  std::uint64_t bytes_ = 0;
  std::vector<Staged> staged_;
  std::unordered_map<pipeline::LogId, std::size_t> places_;  ///< In `staged_`.
};

}  // namespace gateway::queue

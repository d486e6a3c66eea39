// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/write_batch.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/clock_trust.h"
#include "gateway/queue/chunk_codec.h"
#include "gateway/queue/commit_work.h"
#include "gateway/queue/id_ledger.h"
#include "gateway/queue/letter_ledger.h"
#include "gateway/queue/log_table.h"
#include "gateway/queue/rocks_store.h"
#include "gateway/queue/tail_ledger.h"

namespace gateway::queue {

/// One write to the store, and what becomes true when it succeeds.
struct Commit {
  rocksdb::WriteBatch batch;
  /// False when it holds settlements alone: a crash before the next sync only sends events
  /// again with the same messageIds.
  bool sync = false;
  std::vector<LogTable::Change> changes;
  std::vector<std::pair<pipeline::LogId, std::shared_ptr<const pipeline::Chunk>>> chunks;
  std::vector<pipeline::Committed> committed;
  std::uint64_t events = 0;
  std::uint64_t duplicates = 0;  ///< Events that were accepted before and are not stored.
  /// Letters that this write drops, by log.
  std::vector<LetterLedger::Evicted> rejected_evicted;
  std::vector<LetterLedger::Evicted> dead_evicted;
  std::uint64_t quarantined_chunks = 0;
  std::uint64_t quarantined_events = 0;

  void clear();
};

/// Turns waiting work into one atomic write: the appends of a log become one record (more when it
/// would pass max_chunk_bytes, and a large request has one of its own), settlements become a cursor
/// record and deletions.
///
/// Nothing in it changes before OnSuccess: after a write that failed, the next Build starts from
/// where that one did. (RocksStore::Resume sees to it that what failed stays away.)
///
/// For the committer's thread alone.
class CommitBuilder {
 public:
  /// What it keeps of all logs besides their positions.
  struct Ledgers {
    LetterLedger rejected;
    LetterLedger dead;
    IdLedger ids;
    TailLedger tails;
  };

  CommitBuilder(const RocksStore& store, const LogTable& table, const common::Clock& clock,
                std::uint64_t max_chunk_bytes, std::uint64_t last_dead_id, Ledgers ledgers);

  /// Fills the empty `commit` from `work`. Sets `refused` on items that cannot be done:
  /// an unknown log, a cursor outside the log's pending events. Takes the bytes of events.
  void Build(Work& work, Commit& commit);

  /// The commit that was built last is on disk.
  void OnSuccess();

  /// Time passes also for logs that receive nothing. True when it had an effect. Cheap: to be
  /// called often.
  bool ForgetExpiredIds() { return ids_.Expire(clock_); }

  /// Whether letters are too old: then a Build, even without work, drops them. None is while the
  /// calendar cannot be believed (common::ClockTrust). Looks at all logs once a minute, and is
  /// cheap between.
  bool LettersExpired();

  std::uint64_t remembered_ids() const { return ids_.count(); }
  /// Refused events and dead letters that are kept, of all logs.
  std::uint64_t rejected_bytes() const { return rejected_.bytes(); }
  std::uint64_t dead_bytes() const { return dead_.bytes(); }

 private:
  LogTable::Change* Stage(pipeline::LogId log, Commit& commit);
  void AddAppends(Work& work, Commit& commit);
  /// Appends [begin, end) of `order_`, all of one log.
  void AddLogAppends(std::size_t begin, std::size_t end, Commit& commit);
  void FlushChunk(LogTable::Change& change, pipeline::Committed& committed, Commit& commit);
  /// Adds the events of one request, without those that come again. May take their bytes.
  void AddEvents(pipeline::AppendRequest& request, LogTable::Change& change,
                 pipeline::Committed& committed, Commit& commit);
  void AddRun(EventRun rest, common::WallTime received_at, LogTable::Change& change,
              pipeline::Committed& committed, Commit& commit);
  void AddQuarantine(const DamagedRecord& record, Commit& commit);
  void AddSettlement(PendingSettle& settle, Commit& commit);
  /// An id for a dead letter or a refused event: never given out before.
  std::uint64_t NextDeadId();

  const RocksStore& store_;
  const LogTable& table_;
  const common::Clock& clock_;
  const std::uint64_t max_chunk_bytes_;
  std::uint64_t last_dead_id_;
  LetterLedger rejected_;
  LetterLedger dead_;
  IdLedger ids_;
  TailLedger tails_;
  common::SteadyTime next_expiry_;
  common::ClockTrust trust_;
  /// The time at which letters were too old, as an id: they go with the next Build that succeeds.
  /// It stays that time: the clock may have jumped since. 0: none was.
  std::uint64_t expire_letters_at_ = 0;

  // Scratch space of one Build, kept for its capacity.
  std::unordered_map<pipeline::LogId, std::size_t> staged_;
  std::vector<PendingAppend*> order_;
  std::vector<bool> fresh_;
  std::vector<EventRun> runs_;
  std::uint64_t runs_bytes_ = 0;
  common::WallTime runs_accepted_at_;
};

}  // namespace gateway::queue

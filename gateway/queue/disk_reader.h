// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue.

#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "common/result.h"
#include "gateway/pipeline/event_queue.h"
#include "gateway/queue/intake.h"
#include "gateway/queue/log_table.h"
#include "gateway/queue/rocks_store.h"

namespace gateway::queue {

/// What one walk over a log found.
struct DiskRead {
  pipeline::ReadBatch batch;
  std::vector<DamagedRecord> damage;  ///< Lies before `batch`.
};

/// Reads from the store, starting exactly at the chunk of `request.from`. Records that do
/// not decode or that RocksDB cannot read, and Seqs that should be there and are not, come back
/// as damage; the events behind them are the batch.
common::Result<DiskRead> ReadLog(const RocksStore& store, const LogTable& table,
                                 const pipeline::ReadRequest& request);

/// The reads that the hot tail could not serve, one after the other on one thread. Damage
/// goes to quarantine through the committer before the read is answered. Submit and Close
/// are thread-safe; Run is for one thread.
class DiskReader {
 public:
  DiskReader(const RocksStore& store, const LogTable& table, Intake& intake)
      : store_(store), table_(table), intake_(intake) {}
  DiskReader(const DiskReader&) = delete;
  DiskReader& operator=(const DiskReader&) = delete;

  /// `done` gets kUnavailable when the reader is closed.
  void Submit(pipeline::ReadRequest request, pipeline::EventQueue::ReadDone done);
  /// Returns after Close, when the read at hand is done and the waiting ones are refused.
  void Run();
  /// Serves one read if one waits.
  void RunOnce();
  void Close();

 private:
  struct Waiting {
    pipeline::ReadRequest request;
    pipeline::EventQueue::ReadDone done;
  };

  void Serve(Waiting waiting);

  const RocksStore& store_;
  const LogTable& table_;
  Intake& intake_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = false;
  std::deque<Waiting> waiting_;
};

}  // namespace gateway::queue

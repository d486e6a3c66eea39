// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "common/clock.h"
#include "gateway/pipeline/event_queue.h"
#include "gateway/queue/commit_builder.h"
#include "gateway/queue/hot_tail.h"
#include "gateway/queue/intake.h"
#include "gateway/queue/queue_metrics.h"
#include "gateway/queue/store_health.h"

namespace gateway::queue {

/// The single writer: takes whatever waits, writes it as one synced batch, then answers
/// everyone in it. While one sync runs the next group gathers; those who were just answered
/// are waited for where that pays (Gathering).
///
/// When a write fails, everyone in it is answered with an error, memory stays at what is
/// known to be on disk, and the store is closed for writes until a repair has succeeded
/// (see CommitBuilder). It is tried again every health_probe_interval.
///
/// Run is for one thread; SetListener is thread-safe.
class Committer {
 public:
  struct Parts {
    RocksStore& store;
    LogTable& table;
    Intake& intake;
    HotTail& hot_tail;
    StoreHealth& health;
    QueueMetrics& metrics;
    const common::Clock& clock;
  };

  Committer(Parts parts, CommitBuilder builder, std::uint64_t min_free_bytes,
            common::Duration probe_interval);

  /// Returns when the intake is closed and everything in it has been answered.
  void Run();
  /// One commit, or none when nothing comes in before `deadline`. False when there will be
  /// no more.
  bool RunOnce(std::chrono::steady_clock::time_point deadline);

  void SetListener(pipeline::EventQueue::CommitListener listener);

 private:
  void CommitWork();
  /// Keeps the last of the disk for settlements.
  void RefuseAppendsOnAFullDisk();
  double SecondsSince(common::SteadyTime start) const;
  bool Write();
  /// Makes the commit visible: hot tail, positions, listener.
  void Publish();
  /// Lets flushes drop what is settled, once that is synced.
  void GiveUpSettled();
  /// Says which letters had to go, before they are forgotten.
  void ReportEvicted();
  /// Sets the gauges of what the store keeps beside the events.
  void ShowKept();
  void TryToRecover();
  static void Answer(Work& work, const common::Status& status);

  Parts parts_;
  CommitBuilder builder_;
  Work work_;
  Commit commit_;
  /// Cursors that moved without a sync since.
  std::unordered_map<pipeline::LogId, pipeline::Seq> unsynced_;
  const std::uint64_t min_free_bytes_;
  bool disk_full_ = false;  ///< Logged once until there is room again.
  const common::Duration probe_interval_;
  common::SteadyTime next_probe_;
  std::uint32_t failed_probes_ = 0;  ///< Since the store failed.
  std::mutex listener_mutex_;
  std::shared_ptr<const pipeline::EventQueue::CommitListener> listener_;
};

}  // namespace gateway::queue

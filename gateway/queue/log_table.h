// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gateway/pipeline/event_queue.h"

namespace gateway::queue {

/// Events [first, end) of a log that were in a record which is damaged.
using DamagedRange = std::pair<pipeline::Seq, pipeline::Seq>;
/// How many events of [from, to) lie in `range`.
std::uint64_t Overlap(const DamagedRange& range, pipeline::Seq from, pipeline::Seq to);

/// The part of a log's state that commits change. Always what the store holds: changed
/// only after the write that says the same has succeeded.
struct LogPosition {
  pipeline::Cursor cursor;
  pipeline::Seq tail = 0;
  std::uint64_t dead = 0;
  std::uint64_t pending_bytes = 0;
  pipeline::RetryState retry;
  /// As in pipeline::LogState.
  std::optional<common::WallTime> oldest{};
  /// Quarantined records at or behind the cursor; dead once the cursor has passed them.
  std::vector<DamagedRange> damage;
};

/// All logs of the store, in memory. Logs are added and never removed, so an address stays
/// valid.
///
/// Thread-safe. The committer is the only one that changes positions, so it may read them
/// without the lock (Find); everybody else reads copies.
class LogTable {
 public:
  struct Log {
    pipeline::LogId id = 0;
    std::string tenant;
    LogPosition position;
  };

  /// What a commit makes of one log.
  struct Change {
    const Log* log = nullptr;
    LogPosition position;
    bool cursor_changed = false;
  };

  void Add(pipeline::LogId id, std::string tenant, LogPosition position);
  std::optional<pipeline::LogId> FindTenant(std::string_view tenant) const;
  /// Never gives this number, or a lower one, to a new log.
  void ReserveId(pipeline::LogId id);
  /// The number for a new log: above every one ever seen.
  pipeline::LogId TakeNextId();

  std::optional<pipeline::LogState> State(pipeline::LogId log) const;
  std::vector<pipeline::LogState> States() const;  ///< In the order of LogId.
  /// Cursor and tail, without the cost of the tenant's name.
  std::optional<std::pair<pipeline::Cursor, pipeline::Seq>> Bounds(pipeline::LogId log) const;
  std::uint64_t PendingBytes(pipeline::LogId log) const;  ///< 0 for an unknown log.

  /// Committer only. nullptr when there is no such log.
  const Log* Find(pipeline::LogId log) const;
  /// Committer only: makes positions visible, after their write has succeeded.
  void Publish(std::vector<Change>& changes);

 private:
  static pipeline::LogState ToState(const Log& log);

  mutable std::mutex mutex_;
  std::unordered_map<pipeline::LogId, std::unique_ptr<Log>> logs_;
  std::unordered_map<std::string_view, const Log*> by_tenant_;  ///< Views into `logs_`.
  pipeline::LogId next_id_ = 1;
};

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "gateway/pipeline/event_queue.h"

namespace gateway::queue {

/// The chunks that were committed last, so that delivery in steady state reads nothing
/// back from disk. One budget for all logs; the oldest chunk of all goes first.
///
/// Invariant: what is kept of a log is one run of consecutive chunks that ends at the
/// log's tail. A read that starts inside the run can therefore be served to its end.
/// Thread-safe.
class HotTail {
 public:
  /// Bytes of chunks to keep, with their bookkeeping; 0 keeps none.
  explicit HotTail(std::uint64_t budget) : budget_(budget) {}
  HotTail(const HotTail&) = delete;
  HotTail& operator=(const HotTail&) = delete;

  /// `chunk` follows the last one inserted for this log.
  void Insert(pipeline::LogId log, std::shared_ptr<const pipeline::Chunk> chunk);

  /// Fills `batch` and returns true when the position lies in the run of its log.
  bool Read(const pipeline::ReadRequest& request, pipeline::ReadBatch& batch) const;

  /// Forgets the chunks of `log` that end at or before `next`: they are settled.
  void DropSettled(pipeline::LogId log, pipeline::Seq next);

  std::uint64_t bytes() const;

 private:
  struct Entry;
  using Order = std::list<Entry>;
  struct Entry {
    pipeline::LogId log = 0;
    std::shared_ptr<const pipeline::Chunk> chunk;
    Order::iterator next_in_log;  ///< Valid unless this is the log's last.
  };
  struct Run {
    Order::iterator oldest;
    Order::iterator newest;
  };
  using Runs = std::unordered_map<pipeline::LogId, Run>;

  static std::uint64_t Cost(const pipeline::Chunk& chunk);
  /// Forgets the oldest chunk of a run, and the run with its last chunk.
  void PopOldest(Runs::iterator run);

  const std::uint64_t budget_;
  mutable std::mutex mutex_;
  std::uint64_t bytes_ = 0;
  Order order_;  ///< In the order of commits: the front is the next to go.
  Runs runs_;
};

}  // namespace gateway::queue

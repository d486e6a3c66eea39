// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/compaction_filter.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "gateway/pipeline/event.h"

namespace gateway::queue {

/// Before which time each log has forgotten every id for good. Set by the committer, read
/// by RocksDB's compactions. Thread-safe.
class IdCutoffs {
 public:
  void Set(pipeline::LogId log, std::int64_t forget_before_ms);
  /// The lowest time there is for a log that is not known: nothing of it may go.
  std::int64_t Get(pipeline::LogId log) const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<pipeline::LogId, std::int64_t> cutoffs_;
};

/// Lets compactions drop the ids that their log has forgotten. A cutoff only ever rises, and
/// is set after the log has stopped to look at what lies before it, so an id that is still
/// remembered is never dropped. Thread-safe.
class IdFilterFactory final : public rocksdb::CompactionFilterFactory {
 public:
  explicit IdFilterFactory(std::shared_ptr<const IdCutoffs> cutoffs)
      : cutoffs_(std::move(cutoffs)) {}

  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context& context) override;
  const char* Name() const override { return "segment_gateway.ids"; }

 private:
  const std::shared_ptr<const IdCutoffs> cutoffs_;
};

}  // namespace gateway::queue

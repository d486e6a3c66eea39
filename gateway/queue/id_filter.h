// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/compaction_filter.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "gateway/queue/log_cutoffs.h"

namespace gateway::queue {

/// Before which time, in milliseconds since 1970, each log has forgotten every id for good.
using IdCutoffs = LogCutoffs<std::int64_t>;

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

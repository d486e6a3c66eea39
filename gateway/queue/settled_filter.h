// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/compaction_filter.h>

#include <memory>
#include <utility>

#include "gateway/pipeline/event.h"
#include "gateway/queue/log_cutoffs.h"

namespace gateway::queue {

/// The first record of each log that is not settled, by a cursor that is synced: a power cut
/// cannot take it back.
using SettledCutoffs = LogCutoffs<pipeline::Seq>;

/// Lets flushes and compactions drop the records that are settled. Their deletions would take
/// them out as well, but come too late for what is settled soon: they lie in the memtable after
/// the one that is flushed. Thread-safe.
class SettledFilterFactory final : public rocksdb::CompactionFilterFactory {
 public:
  explicit SettledFilterFactory(std::shared_ptr<const SettledCutoffs> cutoffs)
      : cutoffs_(std::move(cutoffs)) {}

  bool ShouldFilterTableFileCreation(rocksdb::TableFileCreationReason reason) const override;
  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context& context) override;
  const char* Name() const override { return "segment_gateway.settled"; }

 private:
  const std::shared_ptr<const SettledCutoffs> cutoffs_;
};

}  // namespace gateway::queue

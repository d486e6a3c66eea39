// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/settled_filter.h"

#include <optional>
#include <string>

#include "gateway/queue/record_key.h"

namespace gateway::queue {
namespace {

/// Of one flush or compaction, for its thread. Keys come sorted.
class SettledFilter final : public rocksdb::CompactionFilter {
 public:
  explicit SettledFilter(std::shared_ptr<const SettledCutoffs> cutoffs)
      : cutoffs_(std::move(cutoffs)) {}

  bool Filter(int /*level*/, const rocksdb::Slice& key, const rocksdb::Slice& /*value*/,
              std::string* /*new_value*/, bool* /*value_changed*/) const override {
    const std::optional<EntryKey> record = DecodeEntryKey(key.ToStringView());
    if (!record) return false;
    // The log is asked again for each record that was not settled when it was asked last: the
    // cursor goes on while a flush runs.
    if (record->log != known_log_ || record->number >= settled_) {
      known_log_ = record->log;
      settled_ = cutoffs_->Get(record->log).value_or(0);
    }
    return record->number < settled_;
  }
  const char* Name() const override { return "segment_gateway.settled"; }

 private:
  const std::shared_ptr<const SettledCutoffs> cutoffs_;
  mutable pipeline::LogId known_log_ = 0;
  mutable pipeline::Seq settled_ = 0;
};

}  // namespace

bool SettledFilterFactory::ShouldFilterTableFileCreation(
    rocksdb::TableFileCreationReason reason) const {
  return reason == rocksdb::TableFileCreationReason::kFlush ||
         reason == rocksdb::TableFileCreationReason::kCompaction;
}

std::unique_ptr<rocksdb::CompactionFilter> SettledFilterFactory::CreateCompactionFilter(
    const rocksdb::CompactionFilter::Context& /*context*/) {
  return std::make_unique<SettledFilter>(cutoffs_);
}

}  // namespace gateway::queue

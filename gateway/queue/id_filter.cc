// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/id_filter.h"

#include <limits>
#include <optional>
#include <string>

#include "gateway/queue/record_key.h"
#include "gateway/queue/stored_records.h"

namespace gateway::queue {
namespace {

/// Of one compaction, for its thread. Keys come sorted, so the cutoff of a log is asked once.
class IdFilter final : public rocksdb::CompactionFilter {
 public:
  explicit IdFilter(std::shared_ptr<const IdCutoffs> cutoffs) : cutoffs_(std::move(cutoffs)) {}

  bool Filter(int /*level*/, const rocksdb::Slice& key, const rocksdb::Slice& value,
              std::string* /*new_value*/, bool* /*value_changed*/) const override {
    const std::optional<IdKey> id = DecodeIdKey(key.ToStringView());
    const auto accepted = DecodeNumber(value.ToStringView());
    if (!id || !accepted) return false;
    if (!known_log_ || *known_log_ != id->log) {
      known_log_ = id->log;
      cutoff_ = cutoffs_->Get(id->log).value_or(std::numeric_limits<std::int64_t>::min());
    }
    return static_cast<std::int64_t>(*accepted) < cutoff_;
  }
  const char* Name() const override { return "segment_gateway.ids"; }

 private:
  const std::shared_ptr<const IdCutoffs> cutoffs_;
  mutable std::optional<pipeline::LogId> known_log_;
  mutable std::int64_t cutoff_ = 0;
};

}  // namespace

std::unique_ptr<rocksdb::CompactionFilter> IdFilterFactory::CreateCompactionFilter(
    const rocksdb::CompactionFilter::Context& /*context*/) {
  return std::make_unique<IdFilter>(cutoffs_);
}

}  // namespace gateway::queue

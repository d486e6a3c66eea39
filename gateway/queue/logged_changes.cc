// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/logged_changes.h"

#include <rocksdb/write_batch.h>

#include <algorithm>

#include "gateway/queue/record_key.h"

namespace gateway::queue {

namespace {

class Collector final : public rocksdb::WriteBatch::Handler {
 public:
  explicit Collector(std::vector<LoggedChange>& changes) : changes_(changes) {}

  rocksdb::Status PutCF(std::uint32_t family, const rocksdb::Slice& key,
                        const rocksdb::Slice& value) override {
    return Add(LoggedChange::Kind::kPut, family, key, value);
  }
  rocksdb::Status DeleteCF(std::uint32_t family, const rocksdb::Slice& key) override {
    return Add(LoggedChange::Kind::kDelete, family, key, {});
  }
  rocksdb::Status DeleteRangeCF(std::uint32_t family, const rocksdb::Slice& begin,
                                const rocksdb::Slice& end) override {
    return Add(LoggedChange::Kind::kDeleteRange, family, begin, end);
  }

 private:
  rocksdb::Status Add(LoggedChange::Kind kind, std::uint32_t family, const rocksdb::Slice& key,
                      const rocksdb::Slice& value) {
    if (family < kFamilyCount) {
      changes_.push_back({.kind = kind,
                          .family = static_cast<Family>(family),
                          .key = key.ToString(),
                          .value = value.ToString()});
    }
    return rocksdb::Status::OK();
  }

  std::vector<LoggedChange>& changes_;
};

}  // namespace

std::vector<LoggedChange> ChangesOf(std::string_view write) {
  std::vector<LoggedChange> changes;
  Collector collector(changes);
  // What cannot be read of it was not written by us.
  rocksdb::WriteBatch(std::string(write)).Iterate(&collector).PermitUncheckedError();
  return changes;
}

bool WasSynced(std::string_view write) {
  return std::ranges::any_of(ChangesOf(write), [](const LoggedChange& change) {
    if (change.kind != LoggedChange::Kind::kPut) return false;
    // Tails lie there too, and also come with settlements.
    if (change.family == Family::kRegistry) return change.key.starts_with(kLogPrefix);
    return change.family == Family::kQueue || change.family == Family::kRejected;
  });
}

}  // namespace gateway::queue

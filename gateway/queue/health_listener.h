// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/env.h>
#include <rocksdb/listener.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include "gateway/queue/store_health.h"

namespace gateway::queue {

/// Turns RocksDB's background errors and stalls into health and log lines. After one that a
/// damaged table may have caused, the next opening looks at the tables. Called on RocksDB's
/// threads.
class HealthListener final : public rocksdb::EventListener {
 public:
  HealthListener(StoreHealth& health, rocksdb::Env* env, std::string path)
      : health_(health), env_(env), path_(std::move(path)) {}

  const char* Name() const override { return "SegmentGatewayHealth"; }
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override;
  /// Recovery is the committer's: RocksDB's own polls every five seconds and waits for
  /// free space of the sum of all write buffers, which may never come.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason reason, rocksdb::Status error,
                            bool* auto_recovery) override;
  void OnStallConditionsChanged(const rocksdb::WriteStallInfo& info) override;
  void OnFlushCompleted(rocksdb::DB* db, const rocksdb::FlushJobInfo& info) override;

  /// How often event records went from memory to a table.
  std::uint64_t queue_flushes() const { return queue_flushes_.load(std::memory_order_relaxed); }

 private:
  StoreHealth& health_;
  rocksdb::Env* const env_;
  const std::string path_;
  std::atomic<std::uint64_t> queue_flushes_{0};
};

}  // namespace gateway::queue

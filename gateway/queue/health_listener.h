// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/listener.h>

#include "gateway/queue/store_health.h"

namespace gateway::queue {

/// Turns RocksDB's background errors and stalls into health and log lines. Called on
/// RocksDB's threads.
class HealthListener final : public rocksdb::EventListener {
 public:
  explicit HealthListener(StoreHealth& health) : health_(health) {}

  const char* Name() const override { return "SegmentGatewayHealth"; }
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override;
  /// Recovery is the committer's: RocksDB's own polls every five seconds and waits for
  /// free space of the sum of all write buffers, which may never come.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason reason, rocksdb::Status error,
                            bool* auto_recovery) override;
  void OnStallConditionsChanged(const rocksdb::WriteStallInfo& info) override;

 private:
  StoreHealth& health_;
};

}  // namespace gateway::queue

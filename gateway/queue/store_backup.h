// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/env.h>

#include <stop_token>
#include <string>

#include "common/result.h"
#include "gateway/queue/backup.h"
#include "gateway/queue/rocks_store.h"

namespace gateway::queue {

/// Backs up an open store; see RocksQueue::Backup.
common::Result<BackupReport> BackupStore(RocksStore& store, const BackupOptions& options,
                                         const BackupProgress& progress,
                                         const std::stop_token& stop);

}  // namespace gateway::queue

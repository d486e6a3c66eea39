// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/env.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "gateway/pipeline/event_queue.h"

namespace gateway::queue {

// Where each log ended, in a file beside the database: when the end of the log file is lost, with
// everything that it says about itself, this still tells that there was more. Never ahead of what
// is on disk; behind it by what came since it was written.

/// Replaces the file, durably.
rocksdb::Status WriteTailsFile(rocksdb::Env* env, const std::string& path,
                               const std::vector<pipeline::LogState>& logs);
/// What the file says; nothing when there is none, or it is not whole.
std::unordered_map<pipeline::LogId, pipeline::Seq> ReadTailsFile(rocksdb::Env* env,
                                                                 const std::string& path);

}  // namespace gateway::queue

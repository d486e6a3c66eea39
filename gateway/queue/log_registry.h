// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/write_batch.h>

#include <string>
#include <string_view>

#include "common/result.h"
#include "gateway/pipeline/event.h"
#include "gateway/queue/rocks_store.h"

namespace gateway::queue {

// Which tenant a log belongs to is written twice, into families of which no table holds both:
// without it the events of a log could be delivered to nobody.

/// Registers a log.
void PutLog(const RocksStore& store, pipeline::LogId log, std::string_view tenant,
            rocksdb::WriteBatch& batch);

/// Registers a log whose tenant is not known any more, under a name that tells so, so that its
/// events are counted and can be exported. Logged.
void PutLostLog(const RocksStore& store, pipeline::LogId log, rocksdb::WriteBatch& batch);
inline const std::string kLostLogPrefix = "lost-log-";

/// Writes again what only one of the two families has: the other lost it, or is older than the
/// second family. A log that has other records and is in neither is registered as lost.
common::Status CompleteRegistry(RocksStore& store);

}  // namespace gateway::queue

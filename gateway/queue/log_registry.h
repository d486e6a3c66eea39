// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/write_batch.h>

#include <set>
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

/// The tenant of a log whose own is not known any more begins so; the number of the log follows.
inline const std::string kLostLogPrefix = "lost-log-";

/// Adds the logs from `first` up to `last` that have rows in a family whose keys begin with the
/// log. Costs a seek for each of them.
common::Status FindLogsIn(const RocksStore& store, Family family, pipeline::LogId first,
                          pipeline::LogId last, std::set<pipeline::LogId>& found);

/// The logs besides the `registered` ones of which there are records, or were events as the file of
/// tails tells. Numbers are given out one after the other, so this looks where one is missing, and
/// not at each log.
common::Result<std::set<pipeline::LogId>> FindUnregistered(
    const RocksStore& store, const std::set<pipeline::LogId>& registered);

/// Writes again what only one of the two families has: the other lost it, or is older than the
/// second family. A log that is in neither, and has or had something else, is registered under a
/// name that tells so, so that its events are counted and can be exported, and its number is not
/// given to another tenant. Logged.
common::Status CompleteRegistry(RocksStore& store);

}  // namespace gateway::queue

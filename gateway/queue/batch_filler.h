// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "gateway/pipeline/event_queue.h"

namespace gateway::queue {

/// Adds the events of `chunk` from index `from` on to `batch`, as many as the limits of
/// `request` allow; the first event of a batch always fits. False when the batch is full.
bool AddToBatch(const pipeline::ReadRequest& request,
                const std::shared_ptr<const pipeline::Chunk>& chunk, std::uint32_t from,
                pipeline::ReadBatch& batch);

}  // namespace gateway::queue

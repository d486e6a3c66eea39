// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "gateway/queue/rocks_queue.h"
#include "tests/sim/memory_disk.h"
#include "tests/sim/queue_model.h"

namespace tests {

/// Thrown where the queue does what it must not.
class Wrong : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The events of a batch, in order.
std::vector<std::string> TextsOf(const gateway::pipeline::ReadBatch& batch);

/// One read, served on this thread. Nothing when the disk refused to be read; Wrong when it
/// did not, or when the queue finds damage, of which a simulated disk does none.
std::optional<gateway::pipeline::ReadBatch> Read(gateway::queue::RocksQueue& queue,
                                                 const MemoryDisk& disk,
                                                 const gateway::pipeline::ReadRequest& request);

/// All that the queue has of a log.
QueueModel::Log Observe(gateway::queue::RocksQueue& queue, const MemoryDisk& disk,
                        const gateway::pipeline::LogState& state);

}  // namespace tests

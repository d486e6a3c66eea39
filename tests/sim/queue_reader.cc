// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/queue_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

namespace tests {

using common::Result;
using gateway::pipeline::ChunkSlice;
using gateway::pipeline::DeadLetterStage;
using gateway::pipeline::LogState;
using gateway::pipeline::ReadBatch;
using gateway::pipeline::ReadRequest;
using gateway::queue::RocksQueue;

std::vector<std::string> TextsOf(const ReadBatch& batch) {
  std::vector<std::string> texts;
  for (const ChunkSlice& slice : batch.slices) {
    for (std::uint32_t i = 0; i < slice.count; ++i) {
      texts.emplace_back(slice.chunk->Span(slice.from + i, 1));
    }
  }
  return texts;
}

std::optional<ReadBatch> Read(RocksQueue& queue, const MemoryDisk& disk,
                              const ReadRequest& request) {
  const auto answer = std::make_shared<std::optional<Result<ReadBatch>>>();
  queue.Read(request, [answer](Result<ReadBatch> batch) { *answer = std::move(batch); });
  queue.ReadOnce();
  // What is found damaged waits for the committer.
  if (!*answer) throw Wrong("a read found damage where there is none");
  Result<ReadBatch>& batch = **answer;
  if (!batch) {
    if (disk.failures() == 0) throw Wrong("read: " + batch.error().message);
    return std::nullopt;
  }
  if (!batch->damaged.empty()) throw Wrong("a read found damage where there is none");
  return std::move(*batch);
}

QueueModel::Log Observe(RocksQueue& queue, const MemoryDisk& disk, const LogState& state) {
  QueueModel::Log log{.tenant = state.tenant,
                      .next = state.cursor.next(),
                      .pending = {},
                      .dead = {},
                      .refused = {},
                      .ids = {},
                      .attempts = state.retry.attempts};
  ReadRequest request{
      .log = state.log, .from = state.cursor, .max_events = 1'000, .max_bytes = 1 << 20};
  while (true) {
    std::optional<ReadBatch> batch = Read(queue, disk, request);
    if (!batch) throw Wrong("the store cannot be read");
    if (batch->slices.empty()) break;
    std::ranges::move(TextsOf(*batch), std::back_inserter(log.pending));
    request.from = {.chunk = batch->slices.back().chunk->first,
                    .index = batch->slices.back().from + batch->slices.back().count};
  }
  if (log.tail() != state.tail) {
    throw Wrong(fmt::format("log {}: {} events up to tail {}", state.log, log.tail(), state.tail));
  }
  const auto letters = queue.ReadDeadLetters(state.log, 0, 1'000'000);
  if (!letters) throw Wrong("dead letters: " + letters.error().message);
  for (const auto& [id, letter] : *letters) {
    (letter.stage == DeadLetterStage::kDelivery ? log.dead : log.refused).push_back(letter.event);
  }
  if (state.dead != log.dead.size()) throw Wrong("the count of dead letters is wrong");
  return log;
}

}  // namespace tests

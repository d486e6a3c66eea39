// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/batch_filler.h"

#include <algorithm>

namespace gateway::queue {

bool AddToBatch(const pipeline::ReadRequest& request,
                const std::shared_ptr<const pipeline::Chunk>& chunk, std::uint32_t from,
                pipeline::ReadBatch& batch) {
  const bool first = batch.events == 0;
  const std::uint64_t comma = first ? 0 : 1;
  const std::uint64_t used = batch.bytes + comma;
  const std::uint64_t room = request.max_bytes > used ? request.max_bytes - used : 0;
  const std::uint64_t begin = from == 0 ? 0 : chunk->ends[from - 1] + 1;
  const auto start = chunk->ends.begin() + from;
  const auto fits = std::upper_bound(start, chunk->ends.end(), begin + room);
  auto count = static_cast<std::uint32_t>(fits - start);
  if (first) count = std::max(count, std::uint32_t{1});
  count = std::min(count, request.max_events - std::min(request.max_events, batch.events));
  if (count == 0) return false;
  batch.bytes += comma + (chunk->ends[from + count - 1] - begin);
  batch.events += count;
  batch.slices.push_back({.chunk = chunk, .from = from, .count = count});
  return from + count == chunk->count() && batch.events < request.max_events;
}

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/batch_filler.h"

#include <algorithm>

namespace gateway::queue {

namespace {

/// How many of the `count` events from `from` on go together, for one that is too large for
/// company is a batch of its own.
std::uint32_t CountInCompany(const pipeline::ReadRequest& request, const pipeline::Chunk& chunk,
                             std::uint32_t from, std::uint32_t count, bool first) {
  for (std::uint32_t i = 0; i < count; ++i) {
    if (chunk.Span(from + i, 1).size() <= request.max_bytes_in_company) continue;
    return first && i == 0 ? 1 : i;
  }
  return count;
}

}  // namespace

bool AddToBatch(const pipeline::ReadRequest& request,
                const std::shared_ptr<const pipeline::Chunk>& chunk, std::uint32_t from,
                pipeline::ReadBatch& batch) {
  if (batch.events == 1 && batch.bytes > request.max_bytes_in_company) return false;
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
  count = CountInCompany(request, *chunk, from, count, first);
  if (count == 0) return false;
  batch.bytes += comma + (chunk->ends[from + count - 1] - begin);
  batch.events += count;
  batch.slices.push_back({.chunk = chunk, .from = from, .count = count});
  return from + count == chunk->count() && batch.events < request.max_events;
}

}  // namespace gateway::queue

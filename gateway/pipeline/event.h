// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "gateway/pipeline/dedupe.h"

namespace gateway::pipeline {

/// The number of a tenant's log in the store. Given out once, never used again for
/// another tenant.
using LogId = std::uint32_t;

/// The ordinal of an event in its log: 0 for the first event ever accepted, then 1, 2, …
/// without gaps. A position between two events is the Seq of the later one.
using Seq = std::uint64_t;

/// Final JSON texts of some events, in order, joined by single commas, so that any run of
/// them is one span that can be spliced into {"batch":[…]}.
struct EventBlock {
  std::string bytes;                 ///< e0,e1,e2
  std::vector<std::uint32_t> sizes;  ///< Bytes of each text, without the commas.
  std::vector<EventId> ids;          ///< One an event where the log drops repetitions, else none.

  std::size_t count() const { return sizes.size(); }
  void Append(std::string_view event) {
    if (!sizes.empty()) bytes += ',';
    bytes += event;
    sizes.push_back(static_cast<std::uint32_t>(event.size()));
  }
};

/// One stored record of a log: the events of one tenant in one commit. Immutable.
struct Chunk {
  Seq first = 0;                    ///< Seq of the first event.
  common::WallTime accepted_at;     ///< When its earliest event was received.
  std::string storage;              ///< What `events` points into.
  std::string_view events;          ///< EventBlock::bytes of the chunk.
  std::vector<std::uint32_t> ends;  ///< Offset in `events` just past each event.

  Chunk() = default;
  Chunk(const Chunk&) = delete;
  Chunk& operator=(const Chunk&) = delete;

  std::uint32_t count() const { return static_cast<std::uint32_t>(ends.size()); }
  Seq end() const { return first + count(); }
  /// The texts of events [from, from + n) of this chunk with the commas between them.
  std::string_view Span(std::uint32_t from, std::uint32_t n) const {
    if (n == 0) return {};
    const std::uint32_t begin = from == 0 ? 0 : ends[from - 1] + 1;
    return events.substr(begin, ends[from + n - 1] - begin);
  }
};

/// Events [from, from + count) of a chunk.
struct ChunkSlice {
  std::shared_ptr<const Chunk> chunk;
  std::uint32_t from = 0;
  std::uint32_t count = 0;

  Seq first() const { return chunk->first + from; }
  Seq end() const { return first() + count; }
  std::string_view Bytes() const { return chunk->Span(from, count); }
};

}  // namespace gateway::pipeline

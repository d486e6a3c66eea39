// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "gateway/pipeline/event_queue.h"
#include "gateway/queue/chunk_codec.h"

namespace gateway::queue {

inline pipeline::EventBlock Block(const std::vector<std::string>& texts) {
  pipeline::EventBlock block;
  for (const std::string& text : texts) block.Append(text);
  return block;
}

inline constexpr pipeline::Dedupe kDayOfIds{.window = std::chrono::hours(24), .max_ids = 100000};

/// A request with an event "e<n>" for each n, whose id stands for n; 0 is an id made here.
inline pipeline::AppendRequest WithIds(pipeline::LogId log, common::WallTime received_at,
                                       const std::vector<std::uint64_t>& numbers,
                                       const pipeline::Dedupe& dedupe = kDayOfIds) {
  pipeline::AppendRequest request;
  request.log = log;
  request.received_at = received_at;
  request.dedupe = dedupe;
  for (const std::uint64_t n : numbers) {
    request.events.Append("e" + std::to_string(n));
    request.events.ids.push_back({.high = n == 0 ? 0U : 0x8000000000000000U, .low = n});
  }
  return request;
}

/// All events of `block` as one run.
inline EventRun WholeRun(pipeline::EventBlock& block) {
  return {.block = &block,
          .first = 0,
          .count = block.count(),
          .begin = 0,
          .length = block.bytes.size()};
}

inline EncodedChunk Encoded(pipeline::LogId log, pipeline::Seq first,
                            const std::vector<std::string>& texts,
                            common::WallTime accepted_at = {}) {
  pipeline::EventBlock block = Block(texts);
  const EventRun run = WholeRun(block);
  return EncodeChunk(log, first, accepted_at, {&run, 1});
}

inline std::shared_ptr<const pipeline::Chunk> MakeChunk(pipeline::LogId log, pipeline::Seq first,
                                                        const std::vector<std::string>& texts) {
  return Encoded(log, first, texts).chunk;
}

/// What is stored of a chunk.
inline std::string Record(const EncodedChunk& encoded) {
  return encoded.head + std::string(encoded.chunk->events);
}

inline std::vector<std::string> Texts(const pipeline::ReadBatch& batch) {
  std::vector<std::string> texts;
  for (const pipeline::ChunkSlice& slice : batch.slices) {
    for (std::uint32_t i = 0; i < slice.count; ++i) {
      texts.emplace_back(slice.chunk->Span(slice.from + i, 1));
    }
  }
  return texts;
}

/// "e<first>", "e<first+1>", … : `count` texts.
inline std::vector<std::string> Numbered(std::uint64_t first, std::uint64_t count) {
  std::vector<std::string> texts;
  for (std::uint64_t i = first; i < first + count; ++i) texts.push_back("e" + std::to_string(i));
  return texts;
}

}  // namespace gateway::queue

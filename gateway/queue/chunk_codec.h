// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "gateway/pipeline/event.h"

namespace gateway::queue {

/// Version of the chunk record (its first byte) and size of what precedes the event sizes.
inline constexpr std::uint8_t kChunkVersion = 1;
inline constexpr std::size_t kChunkHeaderBytes = 24;

/// Events [first, first + count) of a block, which must outlive the run. `begin` and
/// `length` say where their texts and the commas between them lie in the block's bytes.
struct EventRun {
  pipeline::EventBlock* block = nullptr;
  std::size_t first = 0;
  std::size_t count = 0;
  std::size_t begin = 0;
  std::size_t length = 0;
};

/// A chunk and its record, which is `head` with the chunk's texts behind it: those exist once.
struct EncodedChunk {
  std::shared_ptr<const pipeline::Chunk> chunk;
  std::string head;
};

/// The record of `runs` one after the other, which must hold at least one event. Their bytes
/// are copied once, but for those of a run that is alone and is its whole block: these are taken
/// from the block, unless that has reserved twice as much.
EncodedChunk EncodeChunk(pipeline::LogId log, pipeline::Seq first, common::WallTime accepted_at,
                         std::span<const EventRun> runs);

/// Takes the stored value of the key (log, first). kDataLoss, with what is wrong, when
/// the bytes are not exactly what EncodeChunk made for this key; never reads outside them.
common::Result<std::shared_ptr<const pipeline::Chunk>> DecodeChunk(pipeline::LogId log,
                                                                   pipeline::Seq first,
                                                                   std::string storage);

/// The texts in a damaged record, by its sizes, whether or not they are what they were; none when
/// the sizes do not add up. Views into `storage`.
std::vector<std::string_view> SalvageTexts(std::string_view storage);

/// How many events a damaged record claims to hold when that is believable, else 1. Only
/// for the last record of a log, behind which no other key tells.
std::uint32_t GuessChunkCount(std::string_view storage);

}  // namespace gateway::queue

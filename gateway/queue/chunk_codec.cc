// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/chunk_codec.h"

// Inlined, since only then the state may lie on the stack whatever library is installed.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <chrono>
#include <cstring>
#include <utility>

#include "common/bytes.h"
#include "gateway/queue/record_key.h"

namespace gateway::queue {

using common::AppendLittleEndian;
using common::ErrorCode;
using common::Fail;
using common::ReadLittleEndian;
using pipeline::Chunk;
using pipeline::LogId;
using pipeline::Seq;

namespace {

constexpr std::size_t kFlagsOffset = 1;
constexpr std::size_t kReservedOffset = 2;
constexpr std::size_t kCountOffset = 4;
constexpr std::size_t kAcceptedAtOffset = 8;
constexpr std::size_t kChecksumOffset = 16;

/// Over key and value, so that a record under the wrong key is found too. The value is `head`,
/// at least a header, with `texts` behind it.
std::uint64_t Checksum(LogId log, Seq first, std::string_view head, std::string_view texts) {
  const std::string key = EncodeKey(EntryKey{.log = log, .number = first});
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, key.data(), key.size());
  XXH3_64bits_update(&state, head.data(), kChecksumOffset);
  XXH3_64bits_update(&state, head.data() + kChunkHeaderBytes, head.size() - kChunkHeaderBytes);
  XXH3_64bits_update(&state, texts.data(), texts.size());
  return XXH3_64bits_digest(&state);
}

void AppendHeader(std::string& out, std::uint32_t count, common::WallTime accepted_at) {
  AppendLittleEndian(out, kChunkVersion);
  AppendLittleEndian(out, std::uint8_t{0});   // flags
  AppendLittleEndian(out, std::uint16_t{0});  // reserved
  AppendLittleEndian(out, count);
  AppendLittleEndian(out, static_cast<std::uint64_t>(accepted_at.time_since_epoch().count()));
  AppendLittleEndian(out, std::uint64_t{0});  // the checksum, set when all else is there
}

/// Offsets just past each event.
std::vector<std::uint32_t> Ends(std::span<const EventRun> runs) {
  std::size_t count = 0;
  for (const EventRun& run : runs) count += run.count;
  std::vector<std::uint32_t> ends;
  ends.reserve(count);
  std::uint32_t end = 0;
  for (const EventRun& run : runs) {
    for (std::size_t i = run.first; i < run.first + run.count; ++i) {
      end += run.block->sizes[i] + (ends.empty() ? 0U : 1U);
      ends.push_back(end);
    }
  }
  return ends;
}

/// A whole block that has not reserved much more than it holds: the chunk keeps all of it.
bool IsWorthTaking(const EventRun& run) {
  const std::string& bytes = run.block->bytes;
  return run.length == bytes.size() && bytes.capacity() <= 2 * bytes.size();
}

/// The texts of all runs with commas between them.
std::string Texts(std::span<const EventRun> runs) {
  if (runs.size() == 1 && IsWorthTaking(runs[0])) return std::move(runs[0].block->bytes);
  std::size_t bytes = 0;
  for (const EventRun& run : runs) bytes += run.length + 1;
  std::string texts;
  texts.reserve(bytes);
  for (const EventRun& run : runs) {
    if (&run != runs.data()) texts += ',';
    texts.append(run.block->bytes, run.begin, run.length);
  }
  return texts;
}

/// Reads the sizes and sets `ends`; false when they do not add up to the texts.
bool ReadSizes(Chunk& chunk, std::uint32_t count) {
  const char* sizes = chunk.storage.data() + kChunkHeaderBytes;
  const std::size_t texts = chunk.storage.size() - kChunkHeaderBytes - 4 * std::size_t{count};
  chunk.ends.resize(count);
  std::uint64_t end = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    end += ReadLittleEndian<std::uint32_t>(sizes + 4 * std::size_t{i}) + (i == 0 ? 0U : 1U);
    if (end > texts) return false;
    chunk.ends[i] = static_cast<std::uint32_t>(end);
  }
  return end == texts;
}

}  // namespace

EncodedChunk EncodeChunk(LogId log, Seq first, common::WallTime accepted_at,
                         std::span<const EventRun> runs) {
  auto chunk = std::make_shared<Chunk>();
  chunk->first = first;
  chunk->accepted_at = accepted_at;
  chunk->ends = Ends(runs);
  chunk->storage = Texts(runs);
  chunk->events = chunk->storage;
  std::string head;
  head.reserve(kChunkHeaderBytes + 4 * chunk->ends.size());
  AppendHeader(head, chunk->count(), accepted_at);
  for (const EventRun& run : runs) {
    const std::uint32_t* sizes = run.block->sizes.data() + run.first;
    head.append(reinterpret_cast<const char*>(sizes), 4 * run.count);
  }
  const std::uint64_t checksum = Checksum(log, first, head, chunk->events);
  std::memcpy(head.data() + kChecksumOffset, &checksum, sizeof(checksum));
  return {.chunk = std::move(chunk), .head = std::move(head)};
}

common::Result<std::shared_ptr<const Chunk>> DecodeChunk(LogId log, Seq first,
                                                         std::string storage) {
  if (storage.size() < kChunkHeaderBytes) {
    return Fail(ErrorCode::kDataLoss, "event record is shorter than its header");
  }
  const char* raw = storage.data();
  if (ReadLittleEndian<std::uint64_t>(raw + kChecksumOffset) != Checksum(log, first, storage, {})) {
    return Fail(ErrorCode::kDataLoss, "event record does not match its checksum");
  }
  // Behind a right checksum the rest can be wrong only if another program wrote it.
  if (ReadLittleEndian<std::uint8_t>(raw) != kChunkVersion ||
      ReadLittleEndian<std::uint8_t>(raw + kFlagsOffset) != 0 ||
      ReadLittleEndian<std::uint16_t>(raw + kReservedOffset) != 0) {
    return Fail(ErrorCode::kDataLoss, "event record has an unknown version or flag");
  }
  const auto count = ReadLittleEndian<std::uint32_t>(raw + kCountOffset);
  if (count == 0 || (storage.size() - kChunkHeaderBytes) / 4 < count) {
    return Fail(ErrorCode::kDataLoss, "event record has an impossible number of events");
  }
  auto chunk = std::make_shared<Chunk>();
  chunk->first = first;
  chunk->accepted_at = common::WallTime(std::chrono::milliseconds(
      static_cast<std::int64_t>(ReadLittleEndian<std::uint64_t>(raw + kAcceptedAtOffset))));
  chunk->storage = std::move(storage);
  if (!ReadSizes(*chunk, count)) {
    return Fail(ErrorCode::kDataLoss, "event record has sizes that do not add up");
  }
  chunk->events =
      std::string_view(chunk->storage).substr(kChunkHeaderBytes + 4 * std::size_t{count});
  return chunk;
}

std::vector<std::string_view> SalvageTexts(std::string_view storage) {
  if (storage.size() < kChunkHeaderBytes) return {};
  const auto count = ReadLittleEndian<std::uint32_t>(storage.data() + kCountOffset);
  if (count == 0 || (storage.size() - kChunkHeaderBytes) / 4 < count) return {};
  Chunk chunk;
  chunk.storage = std::string(storage);
  if (!ReadSizes(chunk, count)) return {};
  chunk.events = storage.substr(kChunkHeaderBytes + 4 * std::size_t{count});
  std::vector<std::string_view> texts;
  texts.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) texts.push_back(chunk.Span(i, 1));
  return texts;
}

std::uint32_t GuessChunkCount(std::string_view storage) {
  if (storage.size() < kChunkHeaderBytes) return 1;
  const auto count = ReadLittleEndian<std::uint32_t>(storage.data() + kCountOffset);
  const bool believable = count > 0 && count <= (storage.size() - kChunkHeaderBytes) / 5 + 1;
  return believable ? count : 1;
}

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "gateway/pipeline/dead_letter.h"
#include "gateway/pipeline/event_queue.h"
#include "gateway/queue/id_buckets.h"
#include "gateway/queue/letter_segments.h"

namespace gateway::queue {

/// A cursor as it is stored: with the retry state and the count of dead letters beside it.
struct CursorRecord {
  pipeline::Cursor cursor;
  std::uint64_t dead = 0;
  pipeline::RetryState retry;

  friend bool operator==(const CursorRecord&, const CursorRecord&) = default;
};

// Between the structs of the pipeline and proto/stored.proto. Decoding fails with
// kDataLoss on bytes that are no such record; unknown fields are ignored.

std::string EncodeLog(std::string_view tenant);
common::Result<std::string> DecodeLog(std::string_view bytes);

std::string EncodeCursor(const CursorRecord& record);
common::Result<CursorRecord> DecodeCursor(std::string_view bytes);

std::string EncodeDeadLetter(const pipeline::DeadLetter& letter);
common::Result<pipeline::DeadLetter> DecodeDeadLetter(std::string_view bytes);

std::string EncodeLetters(const LetterRecord& record);
common::Result<LetterRecord> DecodeLetters(std::string_view bytes);

std::string EncodeIds(const IdMemory& memory);
common::Result<IdMemory> DecodeIds(std::string_view bytes);

/// Little-endian u64: the format version, the highest dead letter id, when an id was accepted.
std::string EncodeNumber(std::uint64_t number);
common::Result<std::uint64_t> DecodeNumber(std::string_view bytes);

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
//
// The bytes on disk are an interface: a release must read what an older one wrote. This
// test fails when they change; see docs/storage-format.md before changing the golden file.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <map>
#include <string>

#include "gateway/queue/chunk_codec.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/stored_records.h"
#include "tests/unit/queue/texts.h"

namespace gateway::queue {
namespace {

constexpr common::WallTime kTime{std::chrono::milliseconds{1767323045678}};

std::string ToHex(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

/// Lines of "name hex"; '#' starts a comment.
std::map<std::string, std::string> ReadGolden() {
  std::ifstream file(GW_GOLDEN_DIR "/queue_records.txt");
  EXPECT_TRUE(file) << "golden file is missing";
  std::map<std::string, std::string> golden;
  std::string name;
  std::string hex;
  while (file >> name) {
    if (name.front() == '#') {
      std::getline(file, hex);
    } else if (file >> hex) {
      golden[name] = hex;
    }
  }
  return golden;
}

std::string GoldenChunk() {
  return Record(Encoded(7, 4096, {R"({"type":"track"})", R"({"type":"page"})"}, kTime));
}

CursorRecord GoldenCursor() {
  return {.cursor = {.chunk = 4096, .index = 1},
          .dead = 2,
          .retry = {.attempts = 3,
                    .first_attempt = kTime,
                    .not_before = kTime + std::chrono::seconds(30),
                    .hold = pipeline::HoldReason::kEndpointWrong}};
}

pipeline::DeadLetter GoldenLetter() {
  return {.stage = pipeline::DeadLetterStage::kDelivery,
          .code = "segment_rejected",
          .message = "bad",
          .event = "{}",
          .http_status = 400,
          .attempts = 1,
          .accepted_at = kTime,
          .dead_at = kTime + std::chrono::seconds(1)};
}

LetterRecord GoldenLetters() {
  return {.segments = {{.first_id = 1767323045678000, .bytes = 4194313, .count = 8192},
                       {.first_id = 1767323046000001, .bytes = 61, .count = 1}},
          .last_id = 1767323046000001,
          .evicted = 300};
}

IdMemory GoldenIds() {
  return {.window_ms = 86400000,
          .forget_before_ms = 1767323045678,
          .buckets = {{.start_ms = 1767323045678, .count = 4096},
                      {.start_ms = 1767326645678, .count = 1}}};
}

TEST(Golden, EveryRecordHasTheBytesOfTheFormat) {
  const std::map<std::string, std::string> written{
      {"entry_key", ToHex(EncodeKey(EntryKey{7, 4096}))},
      {"quarantine_key", ToHex(EncodeKey(QuarantineKey{7, 4096, 4098}))},
      {"log_key", ToHex(EncodeMetaKey(kLogPrefix, 7))},
      {"cursor_key", ToHex(EncodeMetaKey(kCursorPrefix, 7))},
      {"id_key", ToHex(EncodeKey(IdKey{.log = 7, .id = {.high = 1, .low = 4096}}))},
      {"id", ToHex(EncodeNumber(1767323045678))},
      {"ids_key", ToHex(EncodeMetaKey(kIdsPrefix, 7))},
      {"ids", ToHex(EncodeIds(GoldenIds()))},
      {"rejected_key", ToHex(EncodeMetaKey(kRejectedPrefix, 7))},
      {"tail_key", ToHex(EncodeMetaKey(kTailPrefix, 7))},
      {"tail", ToHex(EncodeNumber(4098))},
      {"version_key", ToHex(std::string(kVersionKey))},
      {"version", ToHex(EncodeNumber(2))},
      {"dead_id_key", ToHex(std::string(kDeadIdKey))},
      {"dead_id", ToHex(EncodeNumber(1767323045678000))},
      {"chunk", ToHex(GoldenChunk())},
      {"log", ToHex(EncodeLog("acme"))},
      {"cursor", ToHex(EncodeCursor(GoldenCursor()))},
      {"dead_letter", ToHex(EncodeDeadLetter(GoldenLetter()))},
      {"dead_letters_key", ToHex(EncodeMetaKey(kDeadPrefix, 7))},
      {"letters", ToHex(EncodeLetters(GoldenLetters()))},
  };
  EXPECT_EQ(written, ReadGolden());
}

TEST(Golden, StoredBytesAreRead) {
  auto golden = ReadGolden();
  const auto chunk = DecodeChunk(7, 4096, FromHex(golden["chunk"]));
  ASSERT_TRUE(chunk) << chunk.error().message;
  EXPECT_EQ((*chunk)->events, R"({"type":"track"},{"type":"page"})");
  EXPECT_EQ((*chunk)->accepted_at, kTime);
  EXPECT_EQ(*DecodeCursor(FromHex(golden["cursor"])), GoldenCursor());
  EXPECT_EQ(*DecodeLog(FromHex(golden["log"])), "acme");
  EXPECT_EQ(*DecodeLetters(FromHex(golden["letters"])), GoldenLetters());
  EXPECT_EQ(*DecodeIds(FromHex(golden["ids"])), GoldenIds());
  EXPECT_EQ(DecodeDeadLetter(FromHex(golden["dead_letter"]))->code, "segment_rejected");
}

}  // namespace
}  // namespace gateway::queue

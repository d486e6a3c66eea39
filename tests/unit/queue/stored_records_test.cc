// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/stored_records.h"

#include <gtest/gtest.h>

#include <chrono>
#include <limits>

namespace gateway::queue {
namespace {

using std::chrono::milliseconds;

TEST(StoredRecords, CursorRoundTrip) {
  const CursorRecord record{
      .cursor = {.chunk = std::numeric_limits<std::uint64_t>::max() - 1, .index = 7},
      .dead = 3,
      .retry = {.attempts = 5,
                .first_attempt = common::WallTime(milliseconds(1000)),
                .not_before = common::WallTime(milliseconds(-5)),
                .hold = pipeline::HoldReason::kWriteKeyRefused,
                .refused_in_a_row = 7}};
  const auto read = DecodeCursor(EncodeCursor(record));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, record);
  EXPECT_EQ(*DecodeCursor(EncodeCursor({})), CursorRecord{});
}

TEST(StoredRecords, UnknownHoldReasonStillHolds) {
  const std::string hold_99("\x38\x63", 2);  // field 7, varint 99
  const auto read = DecodeCursor(hold_99);
  ASSERT_TRUE(read);
  EXPECT_NE(read->retry.hold, pipeline::HoldReason::kNone);
}

TEST(StoredRecords, DeadLetterRoundTrip) {
  const pipeline::DeadLetter letter{.stage = pipeline::DeadLetterStage::kIngest,
                                    .code = "too_large",
                                    .message = "39 KB is above the limit",
                                    .event = std::string("{\"x\":\"\xff\0\"}", 9),
                                    .http_status = 400,
                                    .attempts = 2,
                                    .accepted_at = common::WallTime(milliseconds(11)),
                                    .dead_at = common::WallTime(milliseconds(12))};
  const auto read = DecodeDeadLetter(EncodeDeadLetter(letter));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->stage, letter.stage);
  EXPECT_EQ(read->code, letter.code);
  EXPECT_EQ(read->message, letter.message);
  EXPECT_EQ(read->event, letter.event);
  EXPECT_EQ(read->http_status, letter.http_status);
  EXPECT_EQ(read->attempts, letter.attempts);
  EXPECT_EQ(read->accepted_at, letter.accepted_at);
  EXPECT_EQ(read->dead_at, letter.dead_at);
}

TEST(StoredRecords, LettersComeBack) {
  const LetterRecord record{.segments = {{.first_id = 7, .bytes = 100, .count = 2},
                                         {.first_id = 9, .bytes = 1, .count = 1}},
                            .last_id = 11,
                            .evicted = 5};
  EXPECT_EQ(*DecodeLetters(EncodeLetters(record)), record);
  EXPECT_EQ(*DecodeLetters(EncodeLetters({})), LetterRecord{});
  EXPECT_FALSE(DecodeLetters("?"));
  // An older release did not write the last id.
  LetterRecord old = record;
  old.last_id = 0;
  EXPECT_EQ(DecodeLetters(EncodeLetters(old))->last_id, 9U);
}

TEST(StoredRecords, IdsRoundTrip) {
  const IdMemory memory{
      .window_ms = 1,
      .forget_before_ms = -5,
      .buckets = {{.start_ms = -5, .count = 1}, {.start_ms = 9, .count = 1ULL << 40}}};
  EXPECT_EQ(*DecodeIds(EncodeIds(memory)), memory);
  EXPECT_EQ(*DecodeIds(EncodeIds({})), IdMemory());
}

TEST(StoredRecords, ADeadLetterIsReadableWhateverSegmentAnswered) {
  pipeline::DeadLetter letter;
  letter.message = "ung\xFCltig \xFF";
  letter.event = "{}";
  const auto read = DecodeDeadLetter(EncodeDeadLetter(letter));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->message, letter.message);
}

TEST(StoredRecords, DamagedBytesAreDataLoss) {
  const std::string bad = "\x0a\xff";  // A text that is longer than the message.
  EXPECT_EQ(DecodeLog(bad).error().code, common::ErrorCode::kDataLoss);
  EXPECT_EQ(DecodeCursor(bad).error().code, common::ErrorCode::kDataLoss);
  EXPECT_EQ(DecodeDeadLetter(bad).error().code, common::ErrorCode::kDataLoss);
  EXPECT_EQ(DecodeIds("\x1a\xff").error().code, common::ErrorCode::kDataLoss);
  EXPECT_EQ(DecodeLetters(bad).error().code, common::ErrorCode::kDataLoss);
  EXPECT_EQ(DecodeNumber("1234").error().code, common::ErrorCode::kDataLoss);
  EXPECT_EQ(*DecodeNumber(EncodeNumber(42)), 42U);
}

}  // namespace
}  // namespace gateway::queue

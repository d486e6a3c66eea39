// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/record_key.h"

#include <gtest/gtest.h>

#include <limits>

namespace gateway::queue {
namespace {

TEST(RecordKey, EntryKeyRoundTrip) {
  const EntryKey key{.log = 0x01020304, .number = 0x05060708090a0b0c};
  EXPECT_EQ(EncodeKey(key), "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c");
  EXPECT_EQ(DecodeEntryKey(EncodeKey(key)), key);
}

TEST(RecordKey, QuarantineKeyRoundTrip) {
  const QuarantineKey key{.log = 7, .first = 1000, .end = 2000};
  EXPECT_EQ(EncodeKey(key).size(), 20U);
  EXPECT_EQ(DecodeQuarantineKey(EncodeKey(key)), key);
}

TEST(RecordKey, BytesSortAsNumbersDo) {
  const EntryKey ordered[] = {{1, 0},         {1, 1}, {1, 255}, {1, 256},
                              {1, 1UL << 40}, {2, 0}, {256, 0}, {0xffffffff, 5}};
  for (std::size_t i = 1; i < std::size(ordered); ++i) {
    EXPECT_LT(EncodeKey(ordered[i - 1]), EncodeKey(ordered[i])) << i;
  }
}

TEST(RecordKey, UpperBoundLiesBetweenLogs) {
  constexpr auto kLast = std::numeric_limits<std::uint64_t>::max();
  for (const pipeline::LogId log : {0U, 1U, 255U, 65535U, 0xfffffffeU}) {
    EXPECT_LT(EncodeKey(EntryKey{log, kLast}), LogUpperBound(log)) << log;
    EXPECT_LE(LogUpperBound(log), EncodeKey(EntryKey{log + 1, 0})) << log;
  }
  EXPECT_LT(EncodeKey(EntryKey{0xffffffff, kLast}), LogUpperBound(0xffffffff));
}

TEST(RecordKey, WrongLengthsAreRefused) {
  EXPECT_FALSE(DecodeEntryKey("short"));
  EXPECT_FALSE(DecodeEntryKey(std::string(13, 'x')));
  EXPECT_FALSE(DecodeQuarantineKey(std::string(12, 'x')));
  EXPECT_FALSE(DecodeMetaKey(kLogPrefix, "L"));
  EXPECT_FALSE(DecodeMetaKey(kLogPrefix, EncodeMetaKey(kCursorPrefix, 1)));
  EXPECT_EQ(DecodeMetaKey(kLogPrefix, EncodeMetaKey(kLogPrefix, 9)), 9U);
}

TEST(RecordKey, IdKeyIsTheLogAndTheId) {
  const IdKey key{.log = 3, .id = {.high = 0x0102030405060708, .low = 9}};
  const std::string bytes = EncodeKey(key);
  EXPECT_EQ(bytes.size(), kIdKeyBytes);
  EXPECT_EQ(*DecodeIdKey(bytes), key);
  EXPECT_FALSE(DecodeIdKey(bytes.substr(1)));
}

}  // namespace
}  // namespace gateway::queue

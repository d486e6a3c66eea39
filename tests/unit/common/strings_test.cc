// SPDX-License-Identifier: Apache-2.0
#include "common/strings.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace common {
namespace {

using std::chrono::milliseconds;

WallTime At(std::int64_t millis) { return WallTime(milliseconds(millis)); }

struct TimestampCase {
  const char* text;
  std::int64_t millis;
};

class ParseTimestampTest : public testing::TestWithParam<TimestampCase> {};

TEST_P(ParseTimestampTest, ReadsWhatClientsWrite) {
  const auto time = ParseTimestamp(GetParam().text);
  ASSERT_TRUE(time.has_value()) << GetParam().text;
  EXPECT_EQ(time->time_since_epoch().count(), GetParam().millis) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Formats, ParseTimestampTest,
    testing::Values(TimestampCase{"1970-01-01T00:00:00.000Z", 0},
                    TimestampCase{"2026-01-02T03:04:05.678Z", 1767323045678},
                    TimestampCase{"2026-01-02T03:04:05Z", 1767323045000},
                    TimestampCase{"2026-01-02T03:04Z", 1767323040000},
                    TimestampCase{"2026-01-02", 1767312000000},
                    TimestampCase{"2026-01-02T03:04:05.678912+00:00", 1767323045678},
                    TimestampCase{"2026-01-02T05:04:05.6789123+02:00", 1767323045678},
                    TimestampCase{"2026-01-01T21:34:05.678-0530", 1767323045678},
                    TimestampCase{"2026-01-02T03:04:05.678", 1767323045678},
                    TimestampCase{"2026-01-02 03:04:05,678Z", 1767323045678},
                    TimestampCase{"2026-01-02t03:04:05.6z", 1767323045600},
                    TimestampCase{"2026-01-02T03:04:05.123456789Z", 1767323045123},
                    TimestampCase{"2015-2-02T00:30:08.276Z", 1422837008276},
                    TimestampCase{"2016-12-31T23:59:60Z", 1483228800000},
                    TimestampCase{"2024-02-29", 1709164800000},
                    TimestampCase{"1969-12-31T23:59:59.999Z", -1}));

TEST(ParseTimestamp, RefusesEverythingElse) {
  for (const char* text : {"",
                           "garbage",
                           "2026",
                           "2026-01",
                           "26-01-02",
                           "2026-13-01",
                           "2026-00-01",
                           "2026-02-30",
                           "2023-02-29",
                           "2026-01-02T",
                           "2026-01-02T24:00:00Z",
                           "2026-01-02T03:60:00Z",
                           "2026-01-02T03:04:61Z",
                           "2026-01-02T03:04:05.Z",
                           "2026-01-02T03:04:05.1234567890Z",
                           "2026-01-02T03:04:05Zx",
                           "2026-01-02T03:04:05+2",
                           "2026-01-02T03:04:05+24:00",
                           "2026-01-02T03:04:05+02:60",
                           "2026-01-02T3:04:05Z",
                           " 2026-01-02",
                           "1767323045678"}) {
    EXPECT_FALSE(ParseTimestamp(text).has_value()) << text;
  }
}

TEST(FormatTimestamp, AlwaysUtcAndMilliseconds) {
  EXPECT_EQ(FormatTimestamp(At(0)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(FormatTimestamp(At(1767323045678)), "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(FormatTimestamp(At(-1)), "1969-12-31T23:59:59.999Z");
}

TEST(FormatTimestamp, ReadsBackAsItself) {
  for (std::int64_t millis = -100'000'000'000; millis < 4'000'000'000'000;
       millis += 98'765'432'101) {
    EXPECT_EQ(ParseTimestamp(FormatTimestamp(At(millis))), At(millis));
  }
}

TEST(Base64, EncodesWithPadding) {
  EXPECT_EQ(Base64Encode(""), "");
  EXPECT_EQ(Base64Encode("f"), "Zg==");
  EXPECT_EQ(Base64Encode("fo"), "Zm8=");
  EXPECT_EQ(Base64Encode("foo"), "Zm9v");
  EXPECT_EQ(Base64Encode(std::string_view("\0\xff\x10", 3)), "AP8Q");
}

TEST(Base64, DecodesWithAndWithoutPadding) {
  for (const char* text : {"a2V5Og==", "a2V5Og"}) EXPECT_EQ(Base64Decode(text), "key:") << text;
  EXPECT_EQ(Base64Decode("Zm8="), "fo");
  EXPECT_EQ(Base64Decode("AP8Q"), std::string("\0\xff\x10", 3));
  EXPECT_EQ(Base64Decode(""), "");
  EXPECT_EQ(Base64Decode("+/+/"), "\xfb\xff\xbf");
}

TEST(Base64, RefusesOtherBytesAndLengths) {
  for (const char* text : {"Z", "Zm9vZ", "Zm 9", "Zm9\n", "Zm9_", "Zm9-", "Z=m9",
                           "\xc3\xa4"
                           "aa"}) {
    EXPECT_FALSE(Base64Decode(text).has_value()) << text;
  }
}

TEST(Base64, RoundTripsEveryByte) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    bytes += static_cast<char>(i);
    EXPECT_EQ(Base64Decode(Base64Encode(bytes)), bytes);
  }
}

std::string JsonString(std::string_view text) {
  std::string out = ">";
  AppendJsonString(out, text);
  return out;
}

TEST(AppendJsonString, EscapesWhatJsonRequires) {
  EXPECT_EQ(JsonString(""), R"(>"")");
  EXPECT_EQ(JsonString("plain"), R"(>"plain")");
  EXPECT_EQ(JsonString("a\"b\\c/"), R"(>"a\"b\\c/")");
  EXPECT_EQ(JsonString("\n\t\x01\x1f\x7f"), R"(>"\n\u0009\u0001\u001f\u007f")");
  EXPECT_EQ(JsonString(std::string_view("\0", 1)), R"(>"\u0000")");
}

TEST(AppendJsonString, KeepsUtf8AndReplacesTheRest) {
  EXPECT_EQ(JsonString("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
            ">\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
  EXPECT_EQ(JsonString("a\xff"
                       "b"),
            R"(>"a\ufffdb")");
  EXPECT_EQ(JsonString("\xc3"), R"(>"\ufffd")");                                // Cut off.
  EXPECT_EQ(JsonString("\xc0\x80"), R"(>"\ufffd\ufffd")");                      // Overlong.
  EXPECT_EQ(JsonString("\xed\xa0\x80"), R"(>"\ufffd\ufffd\ufffd")");            // Surrogate.
  EXPECT_EQ(JsonString("\xf4\x90\x80\x80"), R"(>"\ufffd\ufffd\ufffd\ufffd")");  // > U+10FFFF.
}

TEST(EqualsIgnoreCase, AsciiOnly) {
  EXPECT_TRUE(EqualsIgnoreCase("Content-TYPE", "content-type"));
  EXPECT_TRUE(EqualsIgnoreCase("", ""));
  EXPECT_FALSE(EqualsIgnoreCase("a", "ab"));
  EXPECT_FALSE(EqualsIgnoreCase("a", "b"));
  EXPECT_FALSE(EqualsIgnoreCase("[", "{"));  // 32 apart, but no letters.
}

TEST(RepairUtf8, ReplacesWhatIsNoText) {
  EXPECT_EQ(RepairUtf8(""), "");
  EXPECT_EQ(RepairUtf8("a\xe2\x82\xac"), "a\xe2\x82\xac");
  EXPECT_EQ(RepairUtf8("ung\xfcltig\xff"), "ung\xef\xbf\xbdltig\xef\xbf\xbd");
  EXPECT_EQ(RepairUtf8("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(Truncate, NeverCutsACharacter) {
  EXPECT_EQ(Truncate("abc", 5), "abc");
  EXPECT_EQ(Truncate("abc", 3), "abc");
  EXPECT_EQ(Truncate("abc", 2), "ab");
  EXPECT_EQ(Truncate("abc", 0), "");
  const std::string text = "a\xe2\x82\xac\xf0\x9f\x98\x80";
  EXPECT_EQ(Truncate(text, 1), "a");
  EXPECT_EQ(Truncate(text, 3), "a");
  EXPECT_EQ(Truncate(text, 4), "a\xe2\x82\xac");
  EXPECT_EQ(Truncate(text, 7), "a\xe2\x82\xac");
  EXPECT_EQ(Truncate(text, 8), text);
}

}  // namespace
}  // namespace common

// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/timestamp.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/strings.h"
#include "tests/unit/normalize/normalize_fixture.h"

namespace gateway::normalize {
namespace {

struct SkewCase {
  const char* timestamp;  ///< As JSON; "" for none.
  const char* sent_at;
  const char* expected;  ///< As JSON.
};

class SkewTest : public testing::TestWithParam<SkewCase> {};

TEST_P(SkewTest, AppliesToSingleCallsAndBatches) {
  const SkewCase& c = GetParam();
  const auto member = [](const char* key, const char* value) {
    return *value == '\0' ? std::string() : fmt::format(R"(,"{}":{})", key, value);
  };
  const std::string time = member("timestamp", c.timestamp);
  const std::string sent = member("sentAt", c.sent_at);
  const auto single =
      NormalizeBody(Route::kPage, fmt::format(R"({{"userId":"u"{}{}}})", sent, time));
  ASSERT_TRUE(single);
  EXPECT_EQ(nlohmann::json::parse(single->events.bytes)["timestamp"].dump(), c.expected);
  // In a batch the item's own sentAt says nothing.
  const auto batch = NormalizeBody(
      Route::kBatch,
      fmt::format(R"({{"batch":[{{"type":"page","userId":"u","sentAt":"2001-01-01"{}}}]{}}})", time,
                  sent));
  ASSERT_TRUE(batch);
  EXPECT_EQ(nlohmann::json::parse(batch->events.bytes)["timestamp"].dump(), c.expected);
}

// Received at 2026-01-02T03:04:05.678Z.
INSTANTIATE_TEST_SUITE_P(
    Cases, SkewTest,
    testing::Values(SkewCase{"", "", R"("2026-01-02T03:04:05.678Z")"},
                    SkewCase{"null", "null", R"("2026-01-02T03:04:05.678Z")"},
                    SkewCase{"", R"("2020-01-01T00:00:00Z")", R"("2026-01-02T03:04:05.678Z")"},
                    SkewCase{R"("2026-01-02T02:00:00.000Z")", R"("2026-01-02T02:00:05.000Z")",
                             R"("2026-01-02T03:04:00.678Z")"},
                    SkewCase{R"("2030-01-01T00:00:00.000Z")", R"("2030-01-01T00:00:01.000Z")",
                             R"("2026-01-02T03:04:04.678Z")"},
                    SkewCase{R"("2026-01-02T04:00:00+02:00")", R"("2026-01-02T02:00:05.1234567Z")",
                             R"("2026-01-02T03:04:00.555Z")"},
                    // No skew: the text stays as it came.
                    SkewCase{R"("2012-02-03T04:05:06+01:00")", R"("2026-01-02T03:04:05.678Z")",
                             R"("2012-02-03T04:05:06+01:00")"},
                    // No sentAt, or none to understand.
                    SkewCase{R"("2015-2-02T00:30:08.276Z")", "", R"("2015-2-02T00:30:08.276Z")"},
                    SkewCase{R"("2026-01-02T02:00:00.000Z")", R"("soon")",
                             R"("2026-01-02T02:00:00.000Z")"},
                    SkewCase{R"("2026-01-02T02:00:00.000Z")", "5", R"("2026-01-02T02:00:00.000Z")"},
                    // No time to understand.
                    SkewCase{R"("garbage")", R"("2026-01-02T02:00:05.000Z")", R"("garbage")"},
                    SkewCase{R"("")", "", R"("")"}, SkewCase{"1767323045678", "", "1767323045678"},
                    // Out of what four digits can write.
                    SkewCase{R"("0000-01-01")", R"("9999-01-01")", R"("0000-01-01")"}));

TEST(Timestamp, ReadsLikeTheCommonParser) {
  for (const char* text :
       {"2026-01-02T03:04:05.678Z", "2024-02-29T23:59:60.000Z", "2023-02-29T00:00:00.000Z",
        "2026-13-01T00:00:00.000Z", "2026-01-00T00:00:00.000Z", "2026-01-02T24:00:00.000Z",
        "2026-01-02T00:60:00.000Z", "2026-01-02T00:00:61.000Z", "0000-01-01T00:00:00.000Z",
        "2026-01-02T03:04:05.678z", "2026-01-02 03:04:05.678Z", "2026-01-02T03:04:05.67:Z",
        "2026-01-02T03:04:05.67/Z", "2026-01-02T03:04:05.6789", "2026-01-02", ""}) {
    TimestampCodec codec;
    EXPECT_EQ(codec.Read(text), common::ParseTimestamp(text)) << text;
    EXPECT_EQ(codec.Read(text), common::ParseTimestamp(text)) << text << " again";
  }
}

TEST(Timestamp, RemembersOneDayAndNoOther) {
  TimestampCodec codec;
  for (const char* text :
       {"2026-01-02T03:04:05.678Z", "2026-01-02T23:59:60.999Z", "2026-01-03T03:04:05.678Z",
        "2026-02-30T03:04:05.678Z", "2026-01-03T24:04:05.678Z", "2026-01-03T00:00:00.000Z",
        "2026-02-30T03:04:05.678Z", "2027-01-03T00:00:00.000Z"}) {
    const auto time = common::ParseTimestamp(text);
    EXPECT_EQ(codec.Read(text), time) << text;
    if (!time) continue;
    std::string out;
    codec.Append(out, *time);
    EXPECT_EQ(out, '"' + common::FormatTimestamp(*time) + '"');
  }
}

TEST(Timestamp, WritesLikeTheCommonFormatter) {
  TimestampCodec codec;
  for (std::int64_t millis = -62'167'219'200'000; millis < 253'402'300'800'000;
       millis += 987'654'321'012) {
    const common::WallTime time{std::chrono::milliseconds(millis)};
    ASSERT_TRUE(InRange(time));
    std::string out;
    codec.Append(out, time);
    EXPECT_EQ(out, '"' + common::FormatTimestamp(time) + '"');
    EXPECT_EQ(codec.Read(out.substr(1, 24)), time);
  }
}

TEST(Timestamp, KnowsItsRange) {
  const auto in_range = [](std::int64_t millis) {
    return InRange(common::WallTime{std::chrono::milliseconds(millis)});
  };
  EXPECT_TRUE(in_range(-62'167'219'200'000));  // 0000-01-01
  EXPECT_FALSE(in_range(-62'167'219'200'001));
  EXPECT_TRUE(in_range(253'402'300'799'999));  // 9999-12-31T23:59:59.999Z
  EXPECT_FALSE(in_range(253'402'300'800'000));
}

}  // namespace
}  // namespace gateway::normalize

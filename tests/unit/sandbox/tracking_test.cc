// SPDX-License-Identifier: Apache-2.0
#include "gateway/sandbox/tracking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/net/http_server.h"
#include "common/strings.h"

namespace gateway::sandbox {
namespace {

using ::testing::HasSubstr;

const common::WallTime kNow = *common::ParseTimestamp("2026-01-02T03:04:05.678Z");
constexpr std::string_view kEvent = R"({"type":"track","userId":"u","event":"e"})";

Reading Read(std::string_view path, std::string body, ReadOptions options = {.header_key = "wk"}) {
  body.reserve(body.size() + common::net::kBodyPadding);
  return ReadRequest(*FindRoute(path), body, kNow, options);
}

std::string Batch(std::string_view items, std::string_view rest = "") {
  return "{\"batch\":[" + std::string(items) + "]" + std::string(rest) + "}";
}

TEST(FindRoute, KnowsSegmentsPathsAndNoOthers) {
  for (const char* path : {"/v1/track", "/v1/t", "/v1/track/"}) {
    ASSERT_TRUE(FindRoute(path)) << path;
    EXPECT_EQ(FindRoute(path)->type, "track");
  }
  for (const char* path : {"/v1/batch", "/v1/b", "/v1/import", "/v1/import/"}) {
    ASSERT_TRUE(FindRoute(path)) << path;
    EXPECT_EQ(FindRoute(path)->kind, Route::Kind::kBatch);
  }
  EXPECT_EQ(FindRoute("/v1/m")->kind, Route::Kind::kMetrics);
  for (const char* path : {"", "/", "/v1", "/v1/", "/v1//", "/v2/track", "/v1/tracks", "/v1/Track",
                           "/v1/track//", "/v1/v1/track"}) {
    EXPECT_FALSE(FindRoute(path)) << path;
  }
}

TEST(KeyFromAuthorization, ReadsTheUserOfBasic) {
  EXPECT_EQ(KeyFromAuthorization("Basic " + common::Base64Encode("key:")), "key");
  EXPECT_EQ(KeyFromAuthorization("basic " + common::Base64Encode("key:secret:x")), "key");
  EXPECT_EQ(KeyFromAuthorization("Basic " + common::Base64Encode("key")), "key");
  EXPECT_EQ(KeyFromAuthorization("Basic " + common::Base64Encode(":")), "");
  EXPECT_EQ(KeyFromAuthorization("Basic !!!"), std::nullopt);
  EXPECT_EQ(KeyFromAuthorization("Bearer token"), std::nullopt);
  EXPECT_EQ(KeyFromAuthorization(""), std::nullopt);
}

TEST(IsWellFormedKey, LenientAndStrict) {
  const std::string real(32, 'a');
  EXPECT_TRUE(IsWellFormedKey(real, true));
  EXPECT_FALSE(IsWellFormedKey(real + "a", true));
  EXPECT_FALSE(IsWellFormedKey("-" + real.substr(1), true));
  EXPECT_TRUE(IsWellFormedKey("acme-key-1", false));
  EXPECT_FALSE(IsWellFormedKey("acme-key-1", true));
  for (const std::string& bad : {std::string(), std::string("a b"), std::string("a\n"),
                                 std::string("\u00e9"), std::string(257, 'a')}) {
    EXPECT_FALSE(IsWellFormedKey(bad, false)) << bad;
  }
}

TEST(ReadRequest, RefusesWhatSegmentRefuses) {
  const std::string event(kEvent);
  const auto padded = [](std::size_t total) {
    const std::string start = R"({"type":"track","userId":"u","event":"e","p":")";
    return start + std::string(total - start.size() - 2, 'x') + "\"}";
  };
  const struct {
    const char* path;
    std::string body;
    const char* error;
  } cases[] = {
      {"/v1/track", event, ""},
      {"/v1/track", "", "Malformed JSON"},
      {"/v1/track", "{", "Malformed JSON"},
      {"/v1/track", "{} x", "Malformed JSON"},
      {"/v1/track", "{\"a\":01}", "Malformed JSON"},
      {"/v1/track", "{\"a\":\"\xff\"}", "Malformed JSON"},
      {"/v1/track", "{'a':1}", "Malformed JSON"},
      {"/v1/track", "[]", "not an object"},
      {"/v1/track", "7", "not an object"},
      {"/v1/batch", "{}", "'batch' is not an array"},
      {"/v1/batch", R"({"batch":{}})", "'batch' is not an array"},
      {"/v1/batch", R"({"batch":[{]})", "Malformed JSON"},
      {"/v1/batch", Batch(""), ""},
      {"/v1/track", padded(kMaxEventBytes), ""},
      {"/v1/track", padded(kMaxEventBytes + 1), "Exceed payload limit"},
      {"/v1/batch", Batch(event + "," + padded(kMaxEventBytes)), ""},
      {"/v1/batch", Batch(event + "," + padded(kMaxEventBytes + 1)), "Exceed payload limit"},
      {"/v1/batch", Batch(event) + std::string(kMaxRequestBytes - Batch(event).size(), ' '), ""},
      {"/v1/batch", Batch(event) + std::string(kMaxRequestBytes + 1 - Batch(event).size(), ' '),
       "Exceed payload limit"},
  };
  for (const auto& c : cases) {
    const Reading reading = Read(c.path, c.body);
    if (*c.error == '\0') {
      EXPECT_EQ(reading.error, "") << c.body.substr(0, 80);
    } else {
      EXPECT_THAT(reading.error, HasSubstr(c.error)) << c.body.substr(0, 80);
      EXPECT_TRUE(reading.events.empty());
    }
  }
}

TEST(ReadRequest, SurvivesDeepNesting) {
  const std::string deep = std::string(30'000, '[') + std::string(30'000, ']');
  EXPECT_NE(Read("/v1/batch", Batch(R"({"a":)" + deep)).error, "");
  const Reading reading = Read("/v1/batch", Batch(deep.substr(29'000, 2'000)));
  EXPECT_EQ(reading.events.size() + (reading.error.empty() ? 0 : 1), 1U);
}

TEST(ReadRequest, TakesTheKeyOfTheHeaderElseOfTheBody) {
  const std::string with_key = Batch(kEvent, R"(,"writeKey":"body-key")");
  const Reading both = Read("/v1/batch", with_key, {.header_key = "header-key"});
  EXPECT_EQ(both.write_key, "header-key");
  EXPECT_TRUE(both.key_in_body);
  EXPECT_EQ(Read("/v1/batch", with_key, {}).write_key, "body-key");
  for (const std::string& body :
       {Batch(kEvent), Batch(kEvent, R"(,"writeKey":"")"), Batch(kEvent, R"(,"writeKey":5)"),
        Batch(kEvent, R"(,"writeKey":"two words")")}) {
    EXPECT_EQ(Read("/v1/batch", body, {}).error, "An invalid write key was provided") << body;
  }
  EXPECT_EQ(Read("/v1/batch", with_key, {.strict_write_keys = true}).error,
            "An invalid write key was provided");
}

TEST(ReadRequest, KeepsTheTextOfEachEvent) {
  const std::string items =
      R"({"type":"track", "userId":"u","event":"e","properties":{"a":1e21,"b":9007199254740993,)"
      R"("c":-0.0,"d":1.10,"e":"\u00e9\/"}})"
      ", \n 7 ,\"text\", null,[1, 2] , true";
  const Reading reading = Read("/v1/batch", Batch(items));
  ASSERT_EQ(reading.error, "");
  ASSERT_EQ(reading.events.size(), 6U);
  EXPECT_EQ(reading.event_count, 6U);
  EXPECT_EQ(reading.events[0].raw, items.substr(0, items.find(", \n")));
  const char* others[] = {"7", "\"text\"", "null", "[1, 2]", "true"};
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(reading.events[i + 1].raw, others[i]);
    EXPECT_EQ(reading.events[i + 1].verdict, Verdict::kEventNotObject);
  }
}

TEST(ReadRequest, PutsAnEventOnOneLine) {
  const Reading reading =
      Read("/v1/track", "\r\n{\r\n \"userId\": \"a\\nb\",\n \"event\": \"e\"\n}\n");
  ASSERT_EQ(reading.events.size(), 1U);
  EXPECT_EQ(reading.events[0].raw, "{   \"userId\": \"a\\nb\",  \"event\": \"e\" }");
  EXPECT_EQ(reading.events[0].user_id, "a\nb");
}

TEST(ReadRequest, FlagsWhatSegmentDropsSilently) {
  EXPECT_EQ(Read("/v1/batch", Batch("")).batch_code, "empty_batch");
  std::string many;
  for (std::size_t i = 0; i < kMaxBatchEvents; ++i) {
    many += (i == 0 ? "" : ",") + std::string(R"({"type":"track","userId":"u","event":"e"})");
  }
  EXPECT_EQ(Read("/v1/batch", Batch(many)).batch_code, "");
  many += "," + std::string(kEvent);
  const Reading reading = Read("/v1/batch", Batch(many));
  EXPECT_EQ(reading.error, "");
  EXPECT_EQ(reading.batch_code, "batch_too_large");
  for (const ReceivedEvent& event : reading.events) {
    EXPECT_EQ(event.verdict, Verdict::kBatchTooLarge);
  }
}

TEST(ReadRequest, ComputesTheTimestampThatSegmentWouldStore) {
  const struct {
    const char* timestamp;
    const char* sent_at;
    const char* stored;  // Received at 2026-01-02T03:04:05.678Z.
  } cases[] = {
      {R"("2026-01-01T00:00:00.000Z")", R"("2026-01-01T00:00:10.000Z")",
       "2026-01-02T03:03:55.678Z"},
      {R"("2026-01-01T00:00:00.000Z")", "null", "2026-01-01T00:00:00.000Z"},
      {R"("2026-01-01T00:00:00.000Z")", R"("no date")", "2026-01-01T00:00:00.000Z"},
      {"null", R"("2026-01-01T00:00:10.000Z")", "2026-01-02T03:04:05.678Z"},
      {R"("no date")", R"("2026-01-01T00:00:10.000Z")", ""},
      {"5", R"("2026-01-01T00:00:10.000Z")", ""},
  };
  for (const auto& c : cases) {
    const std::string event =
        R"({"type":"track","userId":"u","event":"e","timestamp":)" + std::string(c.timestamp) + "}";
    const Reading reading =
        Read("/v1/batch", Batch(event, ",\"sentAt\":" + std::string(c.sent_at)));
    ASSERT_EQ(reading.events.size(), 1U);
    const auto& stored = reading.events[0].timestamp;
    EXPECT_EQ(stored ? common::FormatTimestamp(*stored) : "", c.stored) << c.timestamp << c.sent_at;
  }
}

TEST(ReadRequest, CountsWithoutReadingWhenAsked) {
  const Reading reading = Read("/v1/batch", Batch(std::string(kEvent) + "," + std::string(kEvent)),
                               {.header_key = "wk", .count_only = true});
  EXPECT_EQ(reading.error, "");
  EXPECT_EQ(reading.event_count, 2U);
  EXPECT_TRUE(reading.events.empty());
  EXPECT_EQ(
      Read("/v1/track", std::string(kEvent), {.header_key = "wk", .count_only = true}).event_count,
      1U);
}

}  // namespace
}  // namespace gateway::sandbox

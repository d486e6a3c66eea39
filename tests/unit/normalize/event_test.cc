// SPDX-License-Identifier: Apache-2.0
// Single calls: what goes in, and byte for byte what comes out.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/normalize/normalize_fixture.h"

namespace gateway::normalize {
namespace {

struct Case {
  const char* name;
  Route route;
  const char* body;
  /// The event; {id}, {now} and {lib} stand for a generated id, the time of arrival and
  /// the gateway's library. Or "rejected <code>", or "error <code>".
  const char* expected;
};

std::string Expand(std::string text) {
  const auto replace = [&text](std::string_view mark, const std::string& value) {
    const std::size_t at = text.find(mark);
    if (at != std::string::npos) text.replace(at, mark.size(), value);
  };
  replace("{id}", fmt::format("\"{}\"", kTestId));
  replace("{now}", "\"2026-01-02T03:04:05.678Z\"");
  replace("{lib}", R"("library":{"name":"segment-gateway","version":")" GW_VERSION R"("})");
  return text;
}

class EventTest : public testing::TestWithParam<Case> {};

TEST_P(EventTest, BecomesExactly) {
  EXPECT_EQ(One(GetParam().route, GetParam().body), Expand(GetParam().expected));
}

std::string NameOf(const testing::TestParamInfo<Case>& info) { return info.param.name; }

constexpr char kKeep[] =
    R"({"messageId":"m","timestamp":"t","userId":"u","event":"e","context":{"library":0}})";

INSTANTIATE_TEST_SUITE_P(
    Golden, EventTest,
    testing::Values(
        Case{
            "Minimal", Route::kTrack, R"({"userId":"u","event":"e"})",
            R"({"type":"track","messageId":{id},"timestamp":{now},"userId":"u","event":"e","context":{{lib}}})"},
        Case{
            "KeepsEveryOtherByte", Route::kTrack,
            R"({ "messageId" : "m" , "event":"e", "x" : [ 1e21 , -0.0,9007199254740993 ], )"
            R"("userId":"\u00e4\/", "total billed":14.990 ,"_metadata":{"a" :null},"context":{"library":{}}, "options":{}})",
            R"({"type":"track","messageId":"m","timestamp":{now},"event":"e", "x" : [ 1e21 , -0.0,9007199254740993 ], )"
            R"("userId":"\u00e4\/", "total billed":14.990 ,"_metadata":{"a" :null},"context":{"library":{}}, "options":{}})"},
        Case{
            "StripsServerOwned", Route::kTrack,
            R"({"writeKey":"K","event":"e","sentAt":null,"receivedAt":1,"userId":"u","originalTimestamp":"x",)"
            R"("projectId":"p","version":2,"context":{"library":0},"channel":"server"})",
            R"({"type":"track","messageId":{id},"timestamp":{now},"event":"e","userId":"u","context":{"library":0},"channel":"server"})"},
        Case{
            "ComparesKeysUnescaped", Route::kTrack,
            R"({"write\u004bey":"K","\u0065vent":"e","userId":"u","context":{"lib\u0072ary":1},"m\u0065ssageId":"m"})",
            R"({"type":"track","messageId":"m","timestamp":{now},"\u0065vent":"e","userId":"u","context":{"lib\u0072ary":1}})"},
        Case{
            "LastOfEqualKeysWins", Route::kTrack,
            R"({"userId":5,"messageId":"1","userId":"u","event":"a","event":"e","messageId":"2","context":[],"context":{"library":0},"z":1,"z":2})",
            R"({"type":"track","messageId":"2","timestamp":{now},"userId":"u","event":"e","context":{"library":0},"z":1,"z":2})"},
        Case{
            "PathBeatsType", Route::kIdentify,
            R"({"type":"track","userId":"u","context":{"library":0}})",
            R"({"type":"identify","messageId":{id},"timestamp":{now},"userId":"u","context":{"library":0}})"},
        Case{
            "AddsLibraryToContext", Route::kTrack,
            R"({"userId":"u","event":"e","context": { "ip":"1.2.3.4"} })",
            R"({"type":"track","messageId":{id},"timestamp":{now},"userId":"u","event":"e","context":{{lib}, "ip":"1.2.3.4"}})"},
        Case{
            "AddsLibraryToEmptyContext", Route::kTrack,
            R"({"context":{},"userId":"u","event":"e"})",
            R"({"type":"track","messageId":{id},"timestamp":{now},"context":{{lib}},"userId":"u","event":"e"})"},
        Case{
            "NullContextIsNone", Route::kTrack,
            R"({"context":null,"integrations":null,"userId":"u","event":"e"})",
            R"({"type":"track","messageId":{id},"timestamp":{now},"userId":"u","event":"e","context":{{lib}}})"},
        Case{
            "NullLibraryIsKept", Route::kTrack,
            R"({"context":{"library":null},"userId":"u","event":"e"})",
            R"({"type":"track","messageId":{id},"timestamp":{now},"context":{"library":null},"userId":"u","event":"e"})"},
        Case{
            "NumberIdsBecomeStrings", Route::kGroup,
            R"({"userId" : 12,"anonymousId":1.50,"groupId":-3e2,"messageId":77,"context":{"library":0}})",
            R"({"type":"group","messageId":"77","timestamp":{now},"userId" : "12","anonymousId":"1.50","groupId":"-3e2","context":{"library":0}})"},
        Case{
            "GroupIdOfATrackIsData", Route::kTrack,
            R"({"userId":"u","event":"e","groupId":5,"previousId":[],"name":"","context":{"library":0}})",
            R"({"type":"track","messageId":{id},"timestamp":{now},"userId":"u","event":"e","groupId":5,"previousId":[],"name":"","context":{"library":0}})"},
        Case{
            "TenantIdIsDataWithoutServiceKey", Route::kTrack,
            R"({"userId":"u","event":"e","tenantId":"t","context":{"library":0}})",
            R"({"type":"track","messageId":{id},"timestamp":{now},"userId":"u","event":"e","tenantId":"t","context":{"library":0}})"},
        Case{
            "EmptyNamesAreDropped", Route::kPage,
            R"({"name":"","category":null,"userId":"u","properties":null,"context":{"library":0}})",
            R"({"type":"page","messageId":{id},"timestamp":{now},"userId":"u","context":{"library":0}})"},
        Case{
            "NullIdsAndTraitsStay", Route::kIdentify,
            R"({"userId":null,"anonymousId":"a","traits":{"plan":null},"context":{"library":0}})",
            R"({"type":"identify","messageId":{id},"timestamp":{now},"userId":null,"anonymousId":"a","traits":{"plan":null},"context":{"library":0}})"},
        Case{
            "LoneSurrogatesAreReplaced", Route::kTrack,
            R"({"userId":"u","event":"e\ud83d","p":"\ud83d\ude00\ude00","context":{"library":0}})",
            R"({"type":"track","messageId":{id},"timestamp":{now},"userId":"u","event":"e\ufffd","p":"\ud83d\ude00\ufffd","context":{"library":0}})"},
        Case{
            "AliasWithoutPreviousId", Route::kAlias, R"({"userId":"u","context":{"library":0}})",
            R"({"type":"alias","messageId":{id},"timestamp":{now},"userId":"u","context":{"library":0}})"},
        Case{
            "GroupWithoutUser", Route::kGroup, R"({"groupId":"g","context":{"library":0}})",
            R"({"type":"group","messageId":{id},"timestamp":{now},"groupId":"g","context":{"library":0}})"},
        Case{
            "Screen", Route::kScreen,
            R"({"anonymousId":"a","name":"n","category":"c","properties":{},"context":{"library":0}})",
            R"({"type":"screen","messageId":{id},"timestamp":{now},"anonymousId":"a","name":"n","category":"c","properties":{},"context":{"library":0}})"}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Refused, EventTest,
    testing::Values(
        Case{"NoIdentity", Route::kTrack, R"({"event":"e"})", "rejected no_user_anon_id"},
        Case{"NullIdentity", Route::kPage, R"({"userId":null,"anonymousId":null})",
             "rejected no_user_anon_id"},
        Case{"EmptyUser", Route::kTrack, R"({"userId":"","event":"e"})", "rejected id_not_string"},
        Case{"EmptyUserBesideAnonymous", Route::kTrack,
             R"({"userId":"","anonymousId":"a","event":"e"})", "rejected id_not_string"},
        Case{"BoolUser", Route::kTrack, R"({"userId":true,"event":"e"})", "rejected id_not_string"},
        Case{"ObjectAnonymous", Route::kTrack, R"({"userId":"u","anonymousId":{},"event":"e"})",
             "rejected id_not_string"},
        Case{"NoEvent", Route::kTrack, R"({"userId":"u"})", "rejected event_not_defined"},
        Case{"NullEvent", Route::kTrack, R"({"userId":"u","event":null})",
             "rejected event_not_defined"},
        Case{"EmptyEvent", Route::kTrack, R"({"userId":"u","event":""})",
             "rejected event_not_defined"},
        Case{"NumberEvent", Route::kTrack, R"({"userId":"u","event":5})",
             "rejected event_not_string"},
        Case{"ArrayProperties", Route::kTrack, R"({"userId":"u","event":"e","properties":[]})",
             "rejected properties_not_object"},
        Case{"StringProperties", Route::kScreen, R"({"userId":"u","properties":"x"})",
             "rejected properties_not_object"},
        Case{"ArrayTraits", Route::kIdentify, R"({"userId":"u","traits":[]})",
             "rejected traits_not_object"},
        Case{"NumberTraits", Route::kGroup, R"({"groupId":"g","traits":0})",
             "rejected traits_not_object"},
        Case{"NumberName", Route::kPage, R"({"userId":"u","name":5})", "rejected name_not_string"},
        Case{"ObjectCategory", Route::kPage, R"({"userId":"u","category":{}})",
             "rejected category_not_string"},
        Case{"ArrayContext", Route::kTrack, R"({"userId":"u","event":"e","context":[]})",
             "rejected context_not_object"},
        Case{"StringIntegrations", Route::kTrack,
             R"({"userId":"u","event":"e","integrations":"All"})",
             "rejected integrations_not_object"},
        Case{"NoGroup", Route::kGroup, R"({"userId":"u"})", "rejected group_id_missing"},
        Case{"EmptyGroup", Route::kGroup, R"({"userId":"u","groupId":""})",
             "rejected id_not_string"},
        Case{"AliasWithoutUser", Route::kAlias, R"({"previousId":"p"})",
             "rejected user_id_missing"},
        Case{"AliasOfAnonymous", Route::kAlias, R"({"anonymousId":"a","previousId":"p"})",
             "rejected user_id_missing"},
        Case{"BoolPrevious", Route::kAlias, R"({"userId":"u","previousId":false})",
             "rejected id_not_string"},
        Case{"Empty", Route::kTrack, "", "error invalid_json"},
        Case{"Blank", Route::kTrack, " \n", "error invalid_json"},
        Case{"Array", Route::kTrack, "[]", "error not_an_object"},
        Case{"Scalar", Route::kTrack, "5", "error not_an_object"},
        Case{"Cut", Route::kTrack, R"({"userId":"u")", "error invalid_json"},
        Case{"InvalidUtf8", Route::kTrack, "{\"userId\":\"\xff\"}", "error invalid_utf8"}),
    NameOf);

TEST(Event, DeadLetterHoldsNoKey) {
  const auto out = NormalizeBody(
      Route::kTrack,
      R"({"writeKey":"K1","event":"e","writeKey":"K2","sentAt":"x","a":1,"write\u004bey":"K3"})");
  ASSERT_TRUE(out);
  ASSERT_EQ(out->rejected.size(), 1u);
  EXPECT_EQ(out->rejected[0].index, 0u);
  EXPECT_EQ(out->rejected[0].event, R"({"event":"e","a":1})");
  EXPECT_EQ(out->events.count(), 0u);
}

testing::Matcher<std::string> AHash() { return testing::MatchesRegex("sha256:[0-9a-f]+"); }

TEST(Event, MessageIdsAreKeptUpToAHundredCharacters) {
  const auto id_of = [](const std::string& id) {
    const std::string event =
        One(Route::kTrack, R"({"userId":"u","event":"e","messageId":)" + id + "}");
    return nlohmann::json::parse(event)["messageId"].get<std::string>();
  };
  const std::string hundred(100, 'x');
  EXPECT_EQ(id_of('"' + hundred + '"'), hundred);
  EXPECT_THAT(id_of('"' + hundred + "y\""), AHash());
  // Characters, however many bytes or escapes each takes.
  const std::string ninety_nine(99, 'x');
  EXPECT_EQ(id_of('"' + ninety_nine + R"(\u00e4")"), ninety_nine + "\xc3\xa4");
  EXPECT_EQ(id_of('"' + ninety_nine + R"(\ud83d\ude00")"), ninety_nine + "\xf0\x9f\x98\x80");
  EXPECT_THAT(id_of('"' + hundred + R"(\u00e4")"), AHash());
  std::string euros;
  for (int i = 0; i < 100; ++i) euros += "\xe2\x82\xac";
  EXPECT_EQ(id_of('"' + euros + '"'), euros);
  EXPECT_THAT(id_of('"' + euros + "x\""), AHash());
  for (const char* odd : {"\"\"", "null", "{}", "true", "[1]"}) EXPECT_EQ(id_of(odd), kTestId);
  EXPECT_EQ(id_of("12"), "12");
  EXPECT_THAT(id_of(std::string(101, '1')), AHash());
}

TEST(Event, AnIdThatIsTooLongIsTheSameAtEachAttempt) {
  const auto body = [](char last) {
    return R"({"userId":"u","event":"e","messageId":")" + std::string(100, 'x') + last + "\"}";
  };
  EXPECT_EQ(One(Route::kTrack, body('a')), One(Route::kTrack, body('a')));
  EXPECT_NE(One(Route::kTrack, body('a')), One(Route::kTrack, body('b')));
}

TEST(Event, GeneratedIdsDiffer) {
  std::string body =
      R"({"batch":[{"type":"identify","userId":"u"},{"type":"identify","userId":"u"}]})";
  Normalizer normalizer(kTestLimits);
  common::FastRandom random(1);
  const auto out =
      normalizer.Normalize(Route::kBatch, body, {.received_at = kTestNow, .random = random});
  ASSERT_TRUE(out);
  const auto events = Events(*out);
  ASSERT_EQ(events.size(), 2u);
  const auto id = [](const std::string& event) {
    return nlohmann::json::parse(event)["messageId"].get<std::string>();
  };
  EXPECT_NE(id(events[0]), id(events[1]));
  EXPECT_EQ(id(events[0]).size(), 36u);
  EXPECT_EQ(id(events[0]).substr(0, 15), kTestId.substr(0, 15));
}

TEST(Event, ServiceKeyStripsTenantId) {
  EXPECT_EQ(
      One(Route::kTrack,
          R"({"messageId":"m","userId":"u","event":"e","tenantId":"t","context":{"library":0}})",
          kTestLimits, true),
      Expand(
          R"({"type":"track","messageId":"m","timestamp":{now},"userId":"u","event":"e","context":{"library":0}})"));
}

TEST(Event, NotesWhatItMended) {
  const auto note = [](Route route, const char* body, Note which) {
    const auto out = NormalizeBody(route, body);
    return out && out->Count(which) == 1;
  };
  EXPECT_TRUE(note(Route::kPage, R"({"type":"track","userId":"u"})", Note::kTypeOverridden));
  EXPECT_TRUE(note(Route::kPage, R"({"messageId":"","userId":"u"})", Note::kMessageIdReplaced));
  EXPECT_TRUE(note(Route::kPage, R"({"timestamp":"garbage","userId":"u"})", Note::kTimestampKept));
  EXPECT_TRUE(note(Route::kPage, R"({"sentAt":5,"userId":"u"})", Note::kSentAtIgnored));
  EXPECT_TRUE(note(Route::kPage, R"({"userId":5})", Note::kNumberId));
  EXPECT_TRUE(note(Route::kPage, R"({"userId":"u","name":""})", Note::kEmptyFieldDropped));
  EXPECT_TRUE(note(Route::kGroup, R"({"groupId":"g"})", Note::kGroupWithoutUser));
  EXPECT_TRUE(note(Route::kAlias, R"({"userId":"u"})", Note::kAliasWithoutPrevious));
  const auto plain = NormalizeBody(Route::kTrack, kKeep);
  ASSERT_TRUE(plain);
  std::array<std::uint32_t, kNotes> expected{};
  expected[static_cast<std::size_t>(Note::kTimestampKept)] = 1;
  EXPECT_EQ(plain->notes, expected);
}

TEST(Event, SizeIsMeasuredInBytes) {
  const auto body = [](std::size_t size, std::string_view fill) {
    std::string text = R"({"userId":"u","event":"e","properties":{"p":")";
    while (text.size() + fill.size() + 3 <= size) text += fill;
    return text + std::string(size - text.size() - 3, '.') + "\"}}";
  };
  const auto exact = NormalizeBody(Route::kTrack, body(32768, "x"));
  ASSERT_TRUE(exact);
  EXPECT_EQ(exact->events.count(), 1u);
  EXPECT_EQ(exact->events.bytes.find("segment-gateway"), std::string::npos);  // No room.
  EXPECT_EQ(One(Route::kTrack, body(32769, "x")), "error payload_too_large");
  EXPECT_EQ(One(Route::kTrack, body(32769, "\xe2\x82\xac")), "error payload_too_large");
  const auto roomy = NormalizeBody(Route::kTrack, body(32000, "x"));
  ASSERT_TRUE(roomy);
  EXPECT_NE(roomy->events.bytes.find("segment-gateway"), std::string::npos);
}

TEST(Event, PaddingIsMadeWhenItIsMissing) {
  std::string body = R"({"userId":"u","event":"e"})";
  body.shrink_to_fit();
  EXPECT_NE(One(Route::kTrack, body).find("track"), std::string::npos);
}

TEST(WriteKey, IsFoundWhereverItStands) {
  const auto key = [](Route route, std::string body) -> std::string {
    Normalizer normalizer(kTestLimits);
    if (!normalizer.Parse(route, body)) return "refused";
    return std::string(normalizer.write_key().value_or("none"));
  };
  EXPECT_EQ(key(Route::kTrack, R"({"userId":"u","writeKey":"K"})"), "K");
  EXPECT_EQ(key(Route::kTrack, R"({"writeKey":"A","write\u004bey":"\u004b"})"), "K");
  EXPECT_EQ(key(Route::kBatch, R"({"batch":[{"writeKey":"X"}],"writeKey":"K"})"), "K");
  EXPECT_EQ(key(Route::kBatch, R"({"writeKey":"K","batch":[]})"), "K");
  EXPECT_EQ(key(Route::kBatch, R"({"batch":[{"writeKey":"X"}]})"), "none");
  for (const char* odd : {"\"\"", "null", "5", "{}"}) {
    EXPECT_EQ(key(Route::kTrack, std::string(R"({"writeKey":)") + odd + "}"), "none");
  }
  EXPECT_EQ(key(Route::kTrack, R"({"writeKey":"K"})"
                               "x"),
            "refused");
}

TEST(WriteKey, IsForgottenWithTheBody) {
  Normalizer normalizer(kTestLimits);
  std::string good = R"({"writeKey":"K"})";
  ASSERT_TRUE(normalizer.Parse(Route::kTrack, good));
  std::string bad = R"({"writeKey":"K")";
  ASSERT_FALSE(normalizer.Parse(Route::kTrack, bad));
  EXPECT_FALSE(normalizer.write_key().has_value());
}

}  // namespace
}  // namespace gateway::normalize

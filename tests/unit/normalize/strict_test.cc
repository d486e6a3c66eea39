// SPDX-License-Identifier: Apache-2.0
//
// What a strict destination refuses and compat mode does not.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/normalize/normalize_fixture.h"

namespace gateway::normalize {
namespace {

const Destination kStrict{.strict = true};

std::string Strictly(Route route, std::string body) {
  RequestContext request = TestRequest();
  request.own = &kStrict;
  return OneOf(NormalizeAs(request, route, std::move(body)));
}

struct StrictCase {
  const char* name;
  Route route;
  const char* body;
  const char* code;
};

class StrictTest : public testing::TestWithParam<StrictCase> {};

TEST_P(StrictTest, RefusesWhatCompatForwards) {
  const StrictCase& c = GetParam();
  EXPECT_EQ(Strictly(c.route, c.body), std::string("rejected ") + c.code);
  EXPECT_TRUE(One(c.route, c.body).starts_with("{")) << One(c.route, c.body);
}

// The name of a case: the number in the contract's table, and what it is about.
INSTANTIATE_TEST_SUITE_P(
    Contract, StrictTest,
    testing::Values(
        StrictCase{"C35NumberUser", Route::kTrack, R"({"userId":12,"event":"e"})", "id_not_string"},
        StrictCase{"C35NumberAnonymous", Route::kPage, R"({"anonymousId":1.5})", "id_not_string"},
        StrictCase{"C35NumberGroup", Route::kGroup, R"({"userId":"u","groupId":7})",
                   "id_not_string"},
        StrictCase{"C35NumberPrevious", Route::kAlias, R"({"userId":"u","previousId":7})",
                   "id_not_string"},
        StrictCase{"C39EmptyPageName", Route::kPage, R"({"userId":"u","name":""})",
                   "name_not_string"},
        StrictCase{"C39EmptyScreenCategory", Route::kScreen, R"({"userId":"u","category":""})",
                   "category_not_string"},
        StrictCase{"C42GroupWithoutUser", Route::kGroup, R"({"groupId":"g"})", "no_user_anon_id"},
        StrictCase{"C42GroupOfNulls", Route::kGroup,
                   R"({"groupId":"g","userId":null,"anonymousId":null})", "no_user_anon_id"},
        StrictCase{"C43AliasWithoutPrevious", Route::kAlias, R"({"userId":"u"})",
                   "previous_id_missing"},
        StrictCase{"C43AliasOfNull", Route::kAlias, R"({"userId":"u","previousId":null})",
                   "previous_id_missing"},
        StrictCase{"C45EmptyMessageId", Route::kPage, R"({"userId":"u","messageId":""})",
                   "message_id_not_string"},
        StrictCase{"C45NumberMessageId", Route::kPage, R"({"userId":"u","messageId":5})",
                   "message_id_not_string"},
        StrictCase{"C45ObjectMessageId", Route::kPage, R"({"userId":"u","messageId":{}})",
                   "message_id_not_string"},
        StrictCase{"C53GarbageTimestamp", Route::kPage, R"({"userId":"u","timestamp":"garbage"})",
                   "timestamp_not_date"},
        StrictCase{"C53NumberTimestamp", Route::kPage, R"({"userId":"u","timestamp":1767323045})",
                   "timestamp_not_date"},
        StrictCase{"C53EmptyTimestamp", Route::kPage, R"({"userId":"u","timestamp":""})",
                   "timestamp_not_date"},
        StrictCase{"GarbageSentAt", Route::kPage, R"({"userId":"u","sentAt":"soon"})",
                   "sent_at_not_date"}),
    [](const testing::TestParamInfo<StrictCase>& info) { return info.param.name; });

TEST(Strict, MessageIdMayHaveAHundredCharacters) {
  const auto with_id = [](const std::string& id) {
    return Strictly(Route::kPage, fmt::format(R"({{"userId":"u","messageId":"{}"}})", id));
  };
  std::string umlauts;
  for (int i = 0; i < 100; ++i) umlauts += "\xc3\xa4";
  EXPECT_TRUE(with_id(umlauts).starts_with("{"));
  EXPECT_EQ(with_id(umlauts + "x"), "rejected message_id_too_long");
  EXPECT_EQ(with_id(std::string(101, 'x')), "rejected message_id_too_long");
}

TEST(Strict, AcceptsWhatIsRightAndWhatClientsWriteForNothing) {
  for (const auto& [route, body] : std::initializer_list<std::pair<Route, const char*>>{
           {Route::kTrack, R"({"userId":null,"anonymousId":"a","event":"e"})"},
           {Route::kTrack,
            R"({"userId":"u","event":"e","messageId":null,"timestamp":null,"sentAt":null})"},
           {Route::kTrack, R"({"userId":"u","event":"e","context":null,"properties":null})"},
           {Route::kTrack, R"({"userId":"u","event":"e","name":"","groupId":5,"previousId":5})"},
           {Route::kPage, R"({"userId":"u","name":null,"timestamp":"2015-2-02T00:30:08.276Z"})"},
           {Route::kGroup, R"({"anonymousId":"a","groupId":"g"})"},
           {Route::kAlias, R"({"userId":"u","previousId":"p"})"}}) {
    EXPECT_TRUE(Strictly(route, body).starts_with("{")) << body << Strictly(route, body);
  }
}

TEST(Strict, StillNamesWhatCompatRefuses) {
  EXPECT_EQ(Strictly(Route::kTrack, R"({"event":"e"})"), "rejected no_user_anon_id");
  EXPECT_EQ(Strictly(Route::kTrack, R"({"userId":"u","event":5})"), "rejected event_not_string");
  EXPECT_EQ(Strictly(Route::kPage, R"({"userId":"u","name":5})"), "rejected name_not_string");
}

TEST(Strict, AnUnreadableSentAtSpoilsEachEventOfABatch) {
  RequestContext request = TestRequest();
  const std::string body =
      R"({"sentAt":5,"batch":[{"type":"page","userId":"1"},{"type":"page","userId":"2"}]})";
  const auto compat = NormalizeAs(request, Route::kBatch, body);
  ASSERT_TRUE(compat);
  EXPECT_EQ(compat->events.count(), 2u);
  EXPECT_EQ(compat->Count(Note::kSentAtIgnored), 1u);
  request.own = &kStrict;
  const auto strict = NormalizeAs(request, Route::kBatch, body);
  ASSERT_TRUE(strict);
  ASSERT_EQ(strict->rejected.size(), 2u);
  EXPECT_EQ(strict->rejected[1].code, "sent_at_not_date");
}

TEST(Strict, IsAMatterOfEachEventsTenant) {
  const Destination lax{.slot = 1};
  const TenantResolver directory = [&](std::string_view id) {
    return id == "lax" ? &lax : nullptr;
  };
  RequestContext request = TestRequest();
  request.own = &kStrict;
  request.tenant_of = &directory;
  const auto out = NormalizeAs(request, Route::kBatch,
                               R"({"batch":[{"type":"page","userId":1,"tenantId":"lax"},)"
                               R"({"type":"page","userId":2},{"type":"page","userId":"3"}]})");
  ASSERT_TRUE(out);
  ASSERT_EQ(out->rejected.size(), 1u);
  EXPECT_EQ(out->rejected[0].index, 1u);
  EXPECT_EQ(out->rejected[0].slot, 0u);
  EXPECT_EQ(out->events.count(), 1u);
  ASSERT_EQ(out->elsewhere.size(), 1u);
  EXPECT_EQ(out->elsewhere[0].events.count(), 1u);
  EXPECT_EQ(out->Count(Note::kNumberId), 1u) << "what is refused for it is not mended";
}

}  // namespace
}  // namespace gateway::normalize

// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/normalize/normalize_fixture.h"

namespace gateway::normalize {
namespace {

using nlohmann::json;

json EventOf(std::string body) {
  const auto out = NormalizeBody(Route::kBatch, std::move(body));
  if (!out || out->events.count() != 1) return "not one event";
  return json::parse(out->events.bytes);
}

std::string ErrorOf(std::string body, const Limits& limits = kTestLimits) {
  const auto out = NormalizeBody(Route::kBatch, std::move(body), limits);
  if (out) return "accepted";
  EXPECT_EQ(out.error().http_status, 400);
  EXPECT_FALSE(out.error().message.empty());
  return std::string(out.error().code);
}

/// A batch whose only item and envelope hold these members.
std::string Batch(std::string_view item, std::string_view envelope) {
  return fmt::format(R"({{"batch":[{{"type":"track","userId":"u","event":"e"{}}}]{}}})", item,
                     envelope);
}

TEST(Batch, TakesAllSixTypesInOrder) {
  const auto out =
      NormalizeBody(Route::kBatch, R"({"batch":[{"type":"track","event":"e","userId":"u"},
      {"type":"identify","userId":"u"},{"type":"group","groupId":"g"},{"type":"page","userId":"u"},
      {"type":"screen","userId":"u"},{"type":"alias","userId":"u","previousId":"p"}]})");
  ASSERT_TRUE(out);
  EXPECT_TRUE(out->rejected.empty());
  for (const auto n : out->by_type) EXPECT_EQ(n, 1u);
  std::string types;
  for (const auto& event : Events(*out)) {
    types += json::parse(event)["type"].get<std::string>() + ' ';
  }
  EXPECT_EQ(types, "track identify group page screen alias ");
  EXPECT_TRUE(json::accept('[' + out->events.bytes + ']'));
}

TEST(Batch, KeepsTheGoodAndNamesTheBad) {
  const auto out = NormalizeBody(Route::kBatch, R"({"batch":[
      {"type":"track","userId":"u"}, {"type":"page","userId":"1"}, {"userId":"u"}, 5,
      {"type":"Track","userId":"u"}, {"type":7}, {"type":null}, {"type":"page","userId":"2"}, "x", [[]]]})");
  ASSERT_TRUE(out);
  ASSERT_EQ(out->events.count(), 2u);
  EXPECT_EQ(json::parse(Events(*out)[1])["userId"], "2");
  std::string seen;
  for (const auto& r : out->rejected) seen += fmt::format("{}:{} ", r.index, r.code);
  EXPECT_EQ(seen,
            "0:event_not_defined 2:type_missing 3:event_not_object 4:type_unknown "
            "5:type_unknown 6:type_missing 8:event_not_object 9:event_not_object ");
  EXPECT_EQ(out->rejected[7].event, "[[]]");
}

TEST(Batch, ANumberOutOfRangeRefusesItsEventAlone) {
  for (const std::string& huge :
       {std::string("1e400"), std::string("-1e999"), std::string(400, '9')}) {
    const std::string good = R"({"type":"track","userId":"u","event":"e"})";
    const std::string bad = fmt::format(
        R"({{"type":"track","userId":"u","event":"e","x":{0},"properties":{{"a":[{0},1,{0}],"b":{0},)"
        R"("c":{{"d":1,"e":{0}}}}}}})",
        huge);
    const auto out = NormalizeBody(
        Route::kBatch, fmt::format(R"({{"batch":[{0},{1},{2},{0}]}})", good, bad, huge));
    ASSERT_TRUE(out) << huge;
    EXPECT_EQ(out->count(), 2U);
    ASSERT_EQ(out->rejected.size(), 2U);
    EXPECT_EQ(out->rejected[0].index, 1U);
    EXPECT_EQ(out->rejected[0].code, "number_out_of_range");
    EXPECT_EQ(out->rejected[1].code, "event_not_object");
    const auto single = NormalizeBody(
        Route::kTrack, R"({"userId":"u","event":"e","properties":{"a":)" + huge + "}}");
    ASSERT_TRUE(single);
    EXPECT_EQ(single->rejected.at(0).code, "number_out_of_range");
    for (const std::string& envelope :
         {R"({"batch":[],"context":{"a":)" + huge + "}}", R"({"x":)" + huge + R"(,"batch":[]})",
          R"({"batch":[)" + huge + R"(],"batch":[]})"}) {
      const auto refused = NormalizeBody(Route::kBatch, envelope);
      ASSERT_FALSE(refused) << envelope;
      EXPECT_EQ(refused.error().code, "number_out_of_range");
    }
  }
}

TEST(Batch, RefusesWhatIsNoBatch) {
  EXPECT_EQ(ErrorOf("{}"), "batch_not_array");
  EXPECT_EQ(ErrorOf(R"({"batch":{}})"), "batch_not_array");
  EXPECT_EQ(ErrorOf(R"({"batch":[],"batch":null})"), "batch_not_array");
  EXPECT_EQ(ErrorOf("[]"), "not_an_object");
  EXPECT_EQ(ErrorOf(R"({"batch":[],"context":5})"), "context_not_object");
  EXPECT_EQ(ErrorOf(R"({"batch":[],"integrations":[]})"), "integrations_not_object");
  EXPECT_EQ(ErrorOf(R"({"batch":[{"type":"page","userId":"u","a":tru}]})"), "invalid_json");
}

TEST(Batch, EmptyIsNothing) {
  const auto out = NormalizeBody(Route::kBatch, R"({"batch":[]})");
  ASSERT_TRUE(out);
  EXPECT_EQ(out->events.count(), 0u);
  EXPECT_TRUE(out->events.bytes.empty());
  EXPECT_TRUE(out->rejected.empty());
  EXPECT_EQ(out->Count(Note::kEmptyBatch), 1u);
}

TEST(Batch, TheLastOfTwoBatchesCounts) {
  EXPECT_EQ(
      EventOf(R"({"batch":[{"type":"page","userId":"1"}],"batch":[{"type":"page","userId":"2"}]})")
          ["userId"],
      "2");
}

TEST(Batch, CountsEvents) {
  Limits limits = kTestLimits;
  limits.max_batch_events = 2;
  const std::string one = R"({"type":"page","userId":"u"})";
  EXPECT_EQ(ErrorOf(fmt::format(R"({{"batch":[{0},{0}]}})", one), limits), "accepted");
  EXPECT_EQ(ErrorOf(fmt::format(R"({{"batch":[{0},{0},{0}]}})", one), limits), "batch_too_large");
}

TEST(Batch, MeasuresTheBody) {
  Limits limits = kTestLimits;
  std::string body = Batch("", "");
  limits.max_batch_bytes = body.size();
  EXPECT_EQ(ErrorOf(body, limits), "accepted");
  EXPECT_EQ(ErrorOf(body + " ", limits), "payload_too_large");
}

TEST(Batch, OneLargeEventDoesNotHarmTheOthers) {
  const std::string large(40000, 'x');
  const auto out = NormalizeBody(
      Route::kBatch,
      fmt::format(
          R"({{"batch":[{{"type":"page","userId":"1"}},{{"type":"page","userId":"2","writeKey":"K","p":"{}"}},)"
          R"({{"type":"page","userId":"3"}}]}})",
          large));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->events.count(), 2u);
  ASSERT_EQ(out->rejected.size(), 1u);
  EXPECT_EQ(out->rejected[0].code, "event_too_large");
  EXPECT_EQ(out->rejected[0].index, 1u);
  EXPECT_EQ(out->rejected[0].event.find("writeKey"), std::string::npos);
  EXPECT_EQ(json::parse(out->rejected[0].event)["p"], large);
}

TEST(Batch, SizeCountsAfterTheMerge) {
  const std::string context = fmt::format(R"(,"context":{{"c":"{}"}})", std::string(20000, 'c'));
  const std::string small = R"({"type":"page","userId":"1"})";
  const std::string large =
      fmt::format(R"({{"type":"page","userId":"2","p":"{}"}})", std::string(20000, 'p'));
  const auto out = NormalizeBody(
      Route::kBatch, fmt::format(R"({{"batch":[{},{},{}]{}}})", small, large, small, context));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->events.count(), 2u);
  ASSERT_EQ(out->rejected.size(), 1u);
  EXPECT_EQ(out->rejected[0].code, "event_too_large");
  const auto events = Events(*out);
  EXPECT_EQ(out->events.bytes, events[0] + ',' + events[1]);
  EXPECT_EQ(json::parse(events[1])["userId"], "1");
  EXPECT_EQ(out->rejected[0].event, large);
}

TEST(Batch, EnvelopeCannotBlowUpTheRequest) {
  std::string items;
  for (int i = 0; i < 200; ++i) {
    items += R"({"type":"page","userId":"u"},)";
  }
  items.pop_back();
  const std::string context = fmt::format(R"({{"c":"{}"}})", std::string(20000, 'c'));
  EXPECT_EQ(ErrorOf(fmt::format(R"({{"batch":[{}],"context":{}}})", items, context)),
            "payload_too_large");
  const std::string huge = fmt::format(R"({{"c":"{}"}})", std::string(33000, 'c'));
  EXPECT_EQ(ErrorOf(fmt::format(R"({{"batch":[],"integrations":{}}})", huge)), "payload_too_large");
}

struct MergeCase {
  const char* name;
  const char* item;
  const char* envelope;
  const char* merged;  ///< Of the same field, by value.
};

class MergeTest : public testing::TestWithParam<MergeCase> {};

TEST_P(MergeTest, ItemWins) {
  const MergeCase& c = GetParam();
  for (const char* field : {"context", "integrations"}) {
    SCOPED_TRACE(field);
    const auto member = [field](const char* value) {
      return *value == '\0' ? std::string() : fmt::format(R"(,"{}":{})", field, value);
    };
    json event = EventOf(Batch(member(c.item), member(c.envelope)));
    event["context"].erase("library");
    EXPECT_EQ(event[field], json::parse(c.merged));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Deep, MergeTest,
    testing::Values(
        MergeCase{"OnlyEnvelope", "", R"({"a":1})", R"({"a":1})"},
        MergeCase{"OnlyItem", R"({"a":1})", "", R"({"a":1})"},
        MergeCase{"NullItem", "null", R"({"a":1})", R"({"a":1})"},
        MergeCase{"NullEnvelope", R"({"a":1})", "null", R"({"a":1})"},
        MergeCase{"BothEmpty", "{}", "{}", "{}"},
        MergeCase{"EmptyItem", "{ }", R"({"a":1})", R"({"a":1})"},
        MergeCase{"EmptyEnvelope", R"({"a":1})", "{ }", R"({"a":1})"},
        MergeCase{"Sibling", R"({"Mixpanel":true})", R"({"All":false})",
                  R"({"All":false,"Mixpanel":true})"},
        MergeCase{"Nested", R"({"device":{"type":"item","id":7}})",
                  R"({"device":{"type":"envelope","name":"n"},"os":{}})",
                  R"({"device":{"type":"item","id":7,"name":"n"},"os":{}})"},
        MergeCase{"ItemScalarOverObject", R"({"a":null})", R"({"a":{"b":1}})", R"({"a":null})"},
        MergeCase{"ItemObjectOverScalar", R"({"a":{"b":1}})", R"({"a":5})", R"({"a":{"b":1}})"},
        MergeCase{"ArraysAreValues", R"({"a":[1]})", R"({"a":[2,3]})", R"({"a":[1]})"},
        MergeCase{"KeysUnescaped", R"({"\u0061":{"x":1}})", R"({"a":{"\u0078":2,"y":3}})",
                  R"({"a":{"x":1,"y":3}})"},
        MergeCase{"RepeatedInEnvelope", R"({"b":1})", R"({"a":1,"a":2})", R"({"a":2,"b":1})"},
        MergeCase{"RepeatedInItem", R"({"a":5,"a":{"x":1}})", R"({"a":{"y":2}})",
                  R"({"a":{"x":1,"y":2}})"},
        MergeCase{"Blanks", R"( { "a" : { "x" : 1 } , "c" : 2 } )",
                  R"( { "a" : { "y" : [ ] } , "d" : "," } )",
                  R"({"a":{"x":1,"y":[]},"c":2,"d":","})"}),
    [](const testing::TestParamInfo<MergeCase>& info) { return info.param.name; });

TEST(Merge, KeepsBytesAndOrder) {
  const auto out = NormalizeBody(
      Route::kBatch,
      Batch(R"(,"messageId":"m","context":{"z":1e21,"d":{"t":1},"a":-0.0})",
            R"(,"context":{"library":{"name":"go"},"d":{"n":9007199254740993},"b":"\u00e4"})"));
  ASSERT_TRUE(out);
  EXPECT_EQ(
      out->events.bytes,
      R"({"type":"track","messageId":"m","timestamp":"2026-01-02T03:04:05.678Z","userId":"u",)"
      R"("event":"e","context":{"z":1e21,"d":{"t":1,"n":9007199254740993},"a":-0.0,)"
      R"("library":{"name":"go"},"b":"\u00e4"}})");
}

TEST(Merge, LibraryComesFromItemThenEnvelopeThenGateway) {
  const auto library = [](const char* item, const char* envelope) {
    return EventOf(Batch(item, envelope))["context"]["library"]["name"];
  };
  constexpr char kItem[] = R"(,"context":{"library":{"name":"item"}})";
  constexpr char kEnvelope[] = R"(,"context":{"library":{"name":"envelope"}})";
  constexpr char kOther[] = R"(,"context":{"whatever":"here"})";
  EXPECT_EQ(library(kItem, kEnvelope), "item");
  EXPECT_EQ(library(kOther, kEnvelope), "envelope");
  EXPECT_EQ(library("", kEnvelope), "envelope");
  EXPECT_EQ(library(kOther, kOther), "segment-gateway");
  EXPECT_EQ(library("", kOther), "segment-gateway");
  EXPECT_EQ(library(kOther, ""), "segment-gateway");
}

TEST(Merge, EnvelopeExtrasAreNotEventFields) {
  const json event =
      EventOf(Batch("", R"(,"messageId":"batch-1","sequence":4,"timestamp":"2001-01-01","x":1)"));
  EXPECT_EQ(event["messageId"], kTestId);
  EXPECT_EQ(event["timestamp"], "2026-01-02T03:04:05.678Z");
  EXPECT_FALSE(event.contains("sequence"));
  EXPECT_FALSE(event.contains("x"));
}

TEST(Batch, ScratchCarriesNothingOver) {
  Normalizer normalizer(kTestLimits);
  ZeroRandom random;
  const RequestContext context{.received_at = kTestNow, .random = random};
  std::string first =
      Batch(R"(,"context":{"a":1})", R"(,"context":{"secret":1},"sentAt":"2020-01-01")");
  ASSERT_TRUE(normalizer.Normalize(Route::kBatch, first, context));
  std::string bad = R"({"batch":[{"type":"page"},)";
  ASSERT_FALSE(normalizer.Normalize(Route::kBatch, bad, context));
  std::string second = R"({"userId":"u","event":"e","timestamp":"2026-01-01"})";
  const auto out = normalizer.Normalize(Route::kTrack, second, context);
  ASSERT_TRUE(out);
  EXPECT_EQ(out->events.bytes,
            One(Route::kTrack, R"({"userId":"u","event":"e","timestamp":"2026-01-01"})"));
}

TEST(Merge, OfEqualKeysTheLastCounts) {
  const auto out =
      NormalizeBody(Route::kBatch, Batch(R"(,"context":{"a":{"x":1},"\u0061":{"y":2},"library":0})",
                                         R"(,"context":{"a":{"z":3}})"));
  ASSERT_TRUE(out);
  EXPECT_NE(out->events.bytes.find(R"("context":{"a":{"x":1},"\u0061":{"y":2,"z":3},"library":0})"),
            std::string::npos)
      << out->events.bytes;
}

TEST(Merge, AKeyThatComesOftenMakesNothingLarge) {
  // Once the envelope's object was read and written again for each: 32 MB, of 30 KB.
  std::string item = R"(,"context":{)";
  for (int i = 0; i < 2'300; ++i) item += R"("a":{},)";
  item.back() = '}';
  std::string envelope = R"(,"context":{"a":{)";
  for (int i = 0; i < 1'000; ++i) envelope += fmt::format(R"("\u0061{:x}":1,)", i);
  envelope.back() = '}';
  envelope += '}';
  const std::string body = Batch(item, envelope);
  const auto out = NormalizeBody(Route::kBatch, body);
  ASSERT_TRUE(out);
  ASSERT_EQ(out->events.count(), 1u);
  EXPECT_LT(out->events.bytes.size(), body.size() + 500);
}

}  // namespace
}  // namespace gateway::normalize

// SPDX-License-Identifier: Apache-2.0
// What is JSON and what is not, on every code path the processor offers.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gateway/normalize/json_escape.h"
#include "tests/unit/normalize/normalize_fixture.h"

namespace gateway::normalize {
namespace {

/// Values that are JSON.
const std::vector<std::string> kValid = {"0",
                                         "-0",
                                         "-0.0",
                                         "10",
                                         "1.5",
                                         "1e5",
                                         "1E+5",
                                         "1e-400",
                                         "123456789012345678901234567890",
                                         "1e308",
                                         "true",
                                         "false",
                                         "null",
                                         "{}",
                                         "[]",
                                         "[ ]",
                                         "{ }",
                                         "[[]]",
                                         "[{}]",
                                         R"({"a":{}})",
                                         R"([1,"a",null,[],{}])",
                                         R"("")",
                                         R"("\"\\\/\b\f\n\r\t")",
                                         R"("\u0000\uD83D\uDE00")",
                                         "\"\xc3\xa4\xf0\x9f\x98\x80\x7f\"",
                                         R"("[{,:}]")",
                                         R"("\\")",
                                         R"("\\\"")",
                                         " 1",
                                         "\n[\t1\r]",
                                         std::string(300, '9'),
                                         R"({"":1,"a":2,"a":3})"};

/// Texts that look like values and are none.
const std::vector<std::string> kInvalid = {"",
                                           "tru",
                                           "truee",
                                           "true1",
                                           "trueabc",
                                           "nul",
                                           "nulll",
                                           "NULL",
                                           "fals",
                                           "falsee",
                                           "undefined",
                                           "NaN",
                                           "Infinity",
                                           "-",
                                           "+1",
                                           "01",
                                           "-01",
                                           "00",
                                           "1.",
                                           ".5",
                                           "1.e5",
                                           "1e",
                                           "1e+",
                                           "1.2.3",
                                           "1-2",
                                           "0x10",
                                           "1_000",
                                           "1a",
                                           "1\"a\"",
                                           "'a'",
                                           "[",
                                           "]",
                                           "[1",
                                           "[1,",
                                           "[1,]",
                                           "[,1]",
                                           "[1,,2]",
                                           "[1 2]",
                                           "[1:2]",
                                           "{",
                                           "{]",
                                           "[}",
                                           R"({"a"})",
                                           R"({"a":})",
                                           R"({"a":1,})",
                                           R"({,"a":1})",
                                           R"({"a" 1})",
                                           R"({"a","b"})",
                                           R"({"a"{1})",
                                           R"({"a"::1})",
                                           R"({"a":1 "b":2})",
                                           R"({"a":1;"b":2})",
                                           "{a:1}",
                                           "{1:1}",
                                           "{null:1}",
                                           R"({"a":1}})",
                                           R"("a" "b")",
                                           R"("a"b)",
                                           R"("a"1)",
                                           R"(a"b")",
                                           R"("\x")",
                                           R"("\u12")",
                                           R"("\u12g4")",
                                           R"("\")",
                                           "\"a",
                                           "\"\n\"",
                                           "\"\t\"",
                                           "\"\x01\"",
                                           "\"\x1f\"",
                                           "\\",
                                           "\\n",
                                           "1\\",
                                           R"(\"a\")",
                                           "\x0c",
                                           "1\x0c",
                                           "[1\x0c]",
                                           "[\x1a]",
                                           "\x1a",
                                           "[1]\x1a",
                                           "/**/1",
                                           "1//",
                                           "\xef\xbb\xbf"
                                           "1",
                                           "[1\xc2\xa0]"};

/// Byte sequences that are not UTF-8; wrong inside and outside of strings.
const std::vector<std::string> kInvalidUtf8 = {
    "\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80", "\xe2\x82"};

class JsonTest : public testing::TestWithParam<const simdjson::implementation*> {
 protected:
  JsonTest() : before_(simdjson::get_active_implementation()) {
    simdjson::get_active_implementation() = GetParam();
  }
  ~JsonTest() override { simdjson::get_active_implementation() = before_; }

  /// The verdict on `value` in each place where a value can stand.
  static void Expect(const std::string& value, bool valid) {
    for (const char* place :
         {R"({{"userId":"u","event":"e","properties":{{"p":{}}}}})",
          R"({{"userId":"u","event":"e","x":{}}})", R"({{"userId":"u","event":"e","x":[0,{},1]}})",
          R"({{"userId":"u","event":"e","context":{{"a":{},"b":1}}}})",
          R"({{"userId":"u","event":"e","x":{{"y":[[{{"z":{}}}]]}}}})"}) {
      const std::string body = fmt::format(fmt::runtime(place), value);
      EXPECT_EQ(nlohmann::json::accept(body), valid) << body;
      const std::string result = One(Route::kTrack, body);
      EXPECT_EQ(result.starts_with("{"), valid) << body << " -> " << result;
      if (valid) EXPECT_NE(result.find(value), std::string::npos) << result;
      const std::string batch = fmt::format(R"({{"batch":[{}],"sentAt":null}})", body);
      EXPECT_EQ(NormalizeBody(Route::kBatch, batch).has_value(), valid) << batch;
    }
  }

 private:
  const simdjson::implementation* before_;
};

TEST_P(JsonTest, AcceptsJson) {
  for (const std::string& value : kValid) Expect(value, true);
}

TEST_P(JsonTest, RefusesEverythingElse) {
  for (const std::string& value : kInvalid) Expect(value, false);
}

TEST_P(JsonTest, RefusesWhatIsNotUtf8) {
  for (const std::string& bytes : kInvalidUtf8) {
    Expect(bytes, false);
    Expect('"' + bytes + '"', false);
    Expect(fmt::format(R"({{"{}":1}})", bytes), false);
  }
}

TEST_P(JsonTest, RefusesTextBehindTheObject) {
  for (const char* tail : {"}", "{}", ",", "1", "x", "\"\"", "]", "\xef\xbb\xbf"}) {
    const std::string body = R"({"userId":"u","event":"e"})" + std::string(tail);
    EXPECT_TRUE(One(Route::kTrack, body).starts_with("error invalid")) << body;
  }
  EXPECT_TRUE(One(Route::kTrack, R"({"userId":"u","event":"e"})"
                                 " \n\t\r")
                  .starts_with("{"));
  EXPECT_EQ(One(Route::kTrack, std::string("{\"userId\":\"u\",\"event\":\"e\"}\0", 27)),
            "error invalid_json");
}

TEST_P(JsonTest, RefusesBadSeparatorsOnEveryLevel) {
  for (const char* body :
       {R"({"userId":"u" "event":"e"})", R"({"userId":"u","event":"e"])", R"({"userId","event"})",
        R"({"userId":"u",})", R"({"userId":"u","event":"e",,"x":1})", R"({:"u"})",
        R"({"userId":"u","event":"e","context":{"a":1]})",
        R"({"userId":"u","event":"e","context":{"a":1 "b":2}})",
        R"({"userId":"u","event":"e","context":{"a":1,}})",
        R"({"userId":"u","event":"e","context":{"a","b"}})"}) {
    EXPECT_EQ(One(Route::kTrack, body), "error invalid_json") << body;
  }
  for (const char* body : {R"({"batch":[{}{}]})", R"({"batch":[{},]})", R"({"batch":[{}})",
                           R"({"batch":[{}:{}]})", R"({"batch":[,]})", R"({"batch":[{}] "x":1})",
                           R"({"batch":[{}:})", R"({"batch":[{}"x"})", R"({"batch":[{"a":1]]})"}) {
    EXPECT_EQ(One(Route::kBatch, body), "error invalid_json") << body;
  }
}

TEST_P(JsonTest, RefusesEveryTruncation) {
  const std::string body =
      R"({"userId":"u","event":"e","x":{"a":[1,true,"s\n"],"b":{}},"context":{"library":{}}})";
  for (std::size_t n = 0; n < body.size(); ++n) {
    EXPECT_TRUE(One(Route::kTrack, body.substr(0, n)).starts_with("error")) << n;
  }
  EXPECT_TRUE(One(Route::kTrack, body).starts_with("{"));
}

TEST_P(JsonTest, HoldsAcrossBlockBorders) {
  // Whatever the vector width, each token once stands across each border.
  for (std::size_t blanks = 0; blanks < 130; ++blanks) {
    const std::string pad(blanks, ' ');
    const std::string good =
        R"({"userId":"u","event":"e","x":[)" + pad + R"(true,"\\\"",-1.5e3,{"k":null}]})";
    EXPECT_TRUE(One(Route::kTrack, good).starts_with("{")) << blanks;
    const std::string bad =
        R"({"userId":"u","event":"e","x":[)" + pad + R"(true,"\\\"",-1.5e3,{"k":nul}]})";
    EXPECT_EQ(One(Route::kTrack, bad), "error invalid_json") << blanks;
  }
}

INSTANTIATE_TEST_SUITE_P(Processors, JsonTest, testing::ValuesIn([] {
                           std::vector<const simdjson::implementation*> usable;
                           for (const auto* implementation :
                                simdjson::get_available_implementations()) {
                             if (implementation->supported_by_runtime_system())
                               usable.push_back(implementation);
                           }
                           return usable;
                         }()),
                         [](const testing::TestParamInfo<const simdjson::implementation*>& info) {
                           return info.param->name();
                         });

TEST(Json, SkipsAByteOrderMark) {
  EXPECT_TRUE(One(Route::kTrack,
                  "\xef\xbb\xbf"
                  R"({"userId":"u","event":"e"})")
                  .starts_with("{"));
  EXPECT_EQ(One(Route::kTrack, "\xef\xbb\xbf"), "error invalid_json");
}

TEST(Json, BoundsDepth) {
  Limits limits = kTestLimits;
  limits.max_depth = 5;
  const auto nested = [](std::size_t levels) {
    return fmt::format(R"({{"userId":"u","event":"e","x":{}{}}})", std::string(levels, '['),
                       std::string(levels, ']'));
  };
  EXPECT_TRUE(One(Route::kTrack, nested(4), limits).starts_with("{"));
  EXPECT_EQ(One(Route::kTrack, nested(5), limits), "error too_deep");
  EXPECT_EQ(One(Route::kTrack, R"({"context":{"a":{"b":{"c":{"d":{}}}}}})", limits),
            "error too_deep");
  limits.max_depth = 2;
  EXPECT_EQ(One(Route::kBatch, R"({"batch":[{}]})", limits), "error too_deep");
  EXPECT_EQ(One(Route::kTrack, R"({"context":{"a":{}}})", limits), "error too_deep");
  EXPECT_EQ(One(Route::kTrack, nested(15000)), "error too_deep");
}

TEST(Json, SaysWhere) {
  const auto out = NormalizeBody(Route::kTrack, R"({"userId":"u","x":[1,,2]})");
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().message, "Invalid JSON at byte 21");
}

TEST(Escapes, RepairsOnlyLoneSurrogates) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"(\ud83d\ude00)", R"(\ud83d\ude00)"},
      {R"(\ud83d)", R"(\ufffd)"},
      {R"(\ude00)", R"(\ufffd)"},
      {R"(\ud83dx)", R"(\ufffdx)"},
      {R"(\ud83d\n)", R"(\ufffd\n)"},
      {R"(\ud83d\ud83d\ude00)", R"(\ufffd\ud83d\ude00)"},
      {R"(\\ud83d)", R"(\\ud83d)"},
      {R"(\ude00\ud83d)", R"(\ufffd\ufffd)"},
      {R"(\uD83D\u0041)", R"(\ufffd\u0041)"},
  };
  for (auto [text, expected] : cases) {
    const std::string before = text;
    const EscapeCheck check = CheckEscapes(text.data(), text.size());
    EXPECT_TRUE(check.found && !check.invalid) << before;
    EXPECT_EQ(text, expected) << before;
  }
}

TEST(Escapes, FindsTheFirstBadOne) {
  for (std::string text : {R"(ab\x)", R"(ab\u12)", R"(ab\u00g0)", "ab\\", R"(ab\ud83)"}) {
    EXPECT_EQ(CheckEscapes(text.data(), text.size()).invalid, 2u) << text;
  }
  std::string none = "plain";
  const EscapeCheck check = CheckEscapes(none.data(), none.size());
  EXPECT_TRUE(!check.found && !check.invalid);
}

TEST(Escapes, UnescapesAsAnyReader) {
  for (const char* raw : {R"()", R"(abc)", R"(\"\\\/\b\f\n\r\t)", R"(\u0041\u00e4\u20AC)",
                          R"(x\ud83d\ude00y)", R"(\\u0041)"}) {
    std::string text;
    AppendUnescaped(raw, text);
    EXPECT_EQ(text, nlohmann::json::parse('"' + std::string(raw) + '"').get<std::string>());
  }
}

}  // namespace
}  // namespace gateway::normalize

// SPDX-License-Identifier: Apache-2.0
#include "gateway/sandbox/verdict.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace gateway::sandbox {
namespace {

struct Case {
  const char* implied_type;
  std::string event;
  const char* code;
};

TEST(Verdict, IsSegmentsDiscardCode) {
  const std::string long_id(101, 'x');
  const std::string utf8_id = [] {
    std::string id;
    for (int i = 0; i < 100; ++i) id += "\u00e9";
    return id;
  }();
  const Case cases[] = {
      {"track", R"({"userId":"u","event":"e"})", "accepted"},
      {"track", R"({"anonymousId":"a","event":"e","userId":null})", "accepted"},
      {"", R"({"type":"track","userId":"u","event":"e","properties":{}})", "accepted"},
      {"", R"({"type":"track","userId":"u","event":"e","properties":null})", "accepted"},
      {"", R"({"type":"identify","userId":"u","traits":{"a":null}})", "accepted"},
      {"", R"({"type":"page","userId":"u"})", "accepted"},
      {"", R"({"type":"screen","userId":"u","name":"n","category":"c"})", "accepted"},
      {"", R"({"type":"group","userId":"u","groupId":"g"})", "accepted"},
      {"", R"({"type":"alias","userId":"u","previousId":"p"})", "accepted"},
      {"", R"({"type":"alias","userId":"u"})", "accepted"},
      {"identify", R"({"type":"nonsense","userId":"u"})", "accepted"},

      {"track", R"({"event":"e"})", "no_user_anon_id"},
      {"track", R"({"event":"e","userId":null,"anonymousId":null})", "no_user_anon_id"},
      {"group", R"({"groupId":"g"})", "no_user_anon_id"},
      {"track", R"({"event":"e","userId":""})", "id_not_string"},
      {"track", R"({"event":"e","userId":7})", "id_not_string"},
      {"track", R"({"event":"e","userId":"u","anonymousId":{}})", "id_not_string"},
      {"track", R"({"userId":"u"})", "event_not_defined"},
      {"track", R"({"userId":"u","event":""})", "event_not_defined"},
      {"track", R"({"userId":"u","event":null})", "event_not_defined"},
      {"track", R"({"userId":"u","event":5})", "event_not_string"},
      {"track", R"({"userId":"u","event":"e","properties":[1]})", "properties_not_object"},
      {"page", R"({"userId":"u","properties":"p"})", "properties_not_object"},
      {"identify", R"({"userId":"u","traits":1})", "traits_not_object"},
      {"page", R"({"userId":"u","name":""})", "name_not_string"},
      {"screen", R"({"userId":"u","name":3})", "name_not_string"},
      {"page", R"({"userId":"u","name":"n","category":""})", "category_not_string"},
      {"group", R"({"userId":"u"})", "group_id_missing"},
      {"group", R"({"userId":"u","groupId":1})", "group_id_missing"},

      {"", R"({"userId":"u","event":"e"})", "type_invalid"},
      {"", R"({"type":"Track","userId":"u","event":"e"})", "type_invalid"},
      {"", R"({"type":1,"userId":"u","event":"e"})", "type_invalid"},
      {"", R"("text")", "event_not_object"},
      {"", "null", "event_not_object"},
      {"track", R"({"userId":"u","event":"e","messageId":")" + long_id + "\"}",
       "message_id_too_long"},
      {"track", R"({"userId":"u","event":"e","messageId":")" + utf8_id + "\"}", "accepted"},
      {"track", R"({"userId":"u","event":"e","messageId":5})", "message_id_too_long"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(VerdictName(CheckEvent(nlohmann::json::parse(c.event), c.implied_type)), c.code)
        << c.implied_type << " " << c.event;
  }
}

TEST(Verdict, EveryOneHasItsOwnNameAndHelp) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Verdict::kUnknownWriteKey); ++i) {
    const auto verdict = static_cast<Verdict>(i);
    EXPECT_FALSE(VerdictName(verdict).empty()) << i;
    EXPECT_FALSE(VerdictHelp(verdict).empty()) << i;
    EXPECT_TRUE(names.insert(VerdictName(verdict)).second) << VerdictName(verdict);
  }
}

}  // namespace
}  // namespace gateway::sandbox

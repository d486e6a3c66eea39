// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/message_id.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "tests/unit/normalize/normalize_fixture.h"

namespace gateway::normalize {
namespace {

using nlohmann::json;

/// The outgoing messageId of an event of tenant `scope`; `id` is JSON.
std::string Outgoing(const std::string& id, std::string_view scope) {
  const Destination to{.scope = scope};
  RequestContext request = TestRequest();
  request.own = &to;
  const auto out = NormalizeAs(
      request, Route::kTrack,
      fmt::format(R"({{"userId":"u","event":"e","messageId":{},"context":{{"library":0}}}})", id));
  return out ? json::parse(out->events.bytes)["messageId"].get<std::string>() : "refused";
}

TEST(ScopedIds, NameTheTenantWhereThereIsRoom) {
  EXPECT_EQ(Outgoing(R"("m-1")", "acme"), "m-1~acme");
  EXPECT_EQ(Outgoing(R"("m-1")", ""), "m-1");
  EXPECT_EQ(Outgoing("12", "acme"), "12~acme");
  const std::string longest(94, 'x');
  EXPECT_EQ(Outgoing('"' + longest + '"', "acme"), longest + "~acme");
  EXPECT_EQ(Outgoing('"' + longest + "x\"", "acme").substr(0, 7), "sha256:");
}

TEST(ScopedIds, HashTenantNulIdWhereThereIsNot) {
  // printf 'acme\0%s' xxx… | sha256sum
  EXPECT_EQ(Outgoing('"' + std::string(100, 'x') + '"', "acme"),
            "sha256:b6c1ff0329d106d10f4b1b931ed591824ac3c1cfe8e03300f3d10f9000a9ed11");
  // A tenant's id may be longer than any messageId.
  EXPECT_EQ(Outgoing(R"("m")", std::string(128, 't')),
            "sha256:0190c8f03f3b89c7dd5391822c5507ff05c846aab7c760ea670de6a5644ef9b1");
}

TEST(ScopedIds, CountBytesAndKeepEscapes) {
  // 32 characters of 3 bytes: 96 bytes and no room for 3 more; 31: 93 and room.
  std::string euros;
  for (int i = 0; i < 31; ++i) euros += R"(\u20ac)";
  const std::string fits = Outgoing('"' + euros + '"', "abcde");
  EXPECT_EQ(fits.size(), 99u);
  EXPECT_TRUE(fits.ends_with("~abcde")) << fits;
  EXPECT_TRUE(Outgoing('"' + euros + R"(\u20ac")", "abc").starts_with("sha256:"));
  EXPECT_EQ(Outgoing(R"("a\"\\\n\u0000b")", "acme"), std::string("a\"\\\n\0b~acme", 11));
  EXPECT_EQ(Outgoing(R"("\u006d")", "acme"), Outgoing(R"("m")", "acme"));
}

TEST(ScopedIds, DifferForDifferentPairs) {
  std::set<std::string> seen;
  std::size_t pairs = 0;
  for (const std::string& tenant : {std::string("a"), std::string("b"), std::string("a.b"),
                                    std::string(97, 'a'), std::string(128, 'a')}) {
    for (const std::string& id :
         {std::string("m"), std::string("m~a"), std::string("m~b"), std::string("~"),
          std::string("a"), std::string(100, 'm'), std::string(99, 'm')}) {
      const std::string outgoing = Outgoing('"' + id + '"', tenant);
      EXPECT_LE(outgoing.size(), 99u);
      EXPECT_EQ(outgoing, Outgoing('"' + id + '"', tenant));
      seen.insert(outgoing);
      ++pairs;
    }
  }
  EXPECT_EQ(seen.size(), pairs);
}

TEST(ScopedIds, LeaveGeneratedOnesAlone) {
  for (const char* id : {"null", R"("")", "{}", "[]", "true"}) {
    EXPECT_EQ(Outgoing(id, "acme"), kTestId) << id;
  }
}

TEST(ScopedIds, AreHashedWhenTheyAreTooLong) {
  const std::string id = '"' + std::string(101, 'x') + '"';
  EXPECT_EQ(Outgoing(id, "acme"), Outgoing(id, "acme"));
  EXPECT_NE(Outgoing(id, "acme"), Outgoing(id, "globex"));
  EXPECT_EQ(Outgoing(id, "acme").size(), 71u);
}

constexpr char kIds[] =
    R"({"batch":[{"type":"page","userId":"u","messageId":"m"},{"type":"page","userId":"u"},)"
    R"({"type":"page"},{"type":"page","userId":"u","messageId":""},)"
    R"({"type":"page","userId":"u","messageId":"\u006d"},{"type":"page","userId":"u","messageId":7}]})";

TEST(CollectedIds, StandForWhatTheClientGave) {
  const Destination to{.scope = "acme", .collect_ids = true};
  RequestContext request = TestRequest();
  request.own = &to;
  const auto out = NormalizeAs(request, Route::kBatch, kIds);
  ASSERT_TRUE(out);
  const std::vector<pipeline::EventId>& ids = out->events.ids;
  ASSERT_EQ(ids.size(), 5u);
  ASSERT_EQ(out->events.count(), 5u);
  EXPECT_EQ(ids[0], EventIdOf("m"));
  EXPECT_TRUE(ids[1].made_here());
  EXPECT_TRUE(ids[2].made_here());
  EXPECT_EQ(ids[3], EventIdOf("m"));
  EXPECT_EQ(ids[4], EventIdOf("7"));
  EXPECT_NE(EventIdOf("m"), EventIdOf("7"));
  EXPECT_FALSE(EventIdOf("m").made_here());
}

TEST(CollectedIds, AreAMatterOfEachDestination) {
  const Destination off{};
  const Destination on{.slot = 1, .collect_ids = true};
  const TenantResolver directory = [&](std::string_view) { return &on; };
  RequestContext request = TestRequest();
  request.own = &off;
  request.tenant_of = &directory;
  const auto out = NormalizeAs(request, Route::kBatch,
                               R"({"batch":[{"type":"page","userId":"u","messageId":"a"},)"
                               R"({"type":"page","userId":"u","messageId":"b","tenantId":"t"},)"
                               R"({"type":"page","userId":"u","messageId":"c","tenantId":"t"}]})");
  ASSERT_TRUE(out);
  EXPECT_TRUE(out->events.ids.empty());
  ASSERT_EQ(out->elsewhere.size(), 1u);
  EXPECT_EQ(out->elsewhere[0].events.ids,
            (std::vector<pipeline::EventId>{EventIdOf("b"), EventIdOf("c")}));
}

}  // namespace
}  // namespace gateway::normalize

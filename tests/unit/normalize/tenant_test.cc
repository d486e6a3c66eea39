// SPDX-License-Identifier: Apache-2.0
//
// Events of a service key, each for the tenant it names.
#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/normalize/normalize_fixture.h"

namespace gateway::normalize {
namespace {

const Destination kGlobex{.slot = 1};
const Destination kInitech{.slot = 2};
const TenantResolver kDirectory = [](std::string_view id) -> const Destination* {
  if (id == "own") return &kPlainDestination;
  if (id == "globex") return &kGlobex;
  if (id == "initech") return &kInitech;
  return nullptr;
};

Normalized Build(std::string body, bool has_own_tenant, Route route = Route::kBatch,
                 const TenantResolver* tenant_of = &kDirectory) {
  Normalizer normalizer(kTestLimits);
  ZeroRandom random;
  auto out = normalizer.Normalize(route, body,
                                  {.received_at = kTestNow,
                                   .random = random,
                                   .own = has_own_tenant ? &kPlainDestination : nullptr,
                                   .tenant_of = tenant_of});
  EXPECT_TRUE(out.has_value());
  return out ? std::move(*out) : Normalized{};
}

/// The values of "n" in a block, in order.
std::string Numbers(const pipeline::EventBlock& block) {
  std::string numbers;
  for (std::size_t at = block.bytes.find("\"n\":"); at != std::string::npos;
       at = block.bytes.find("\"n\":", at + 1)) {
    numbers += block.bytes[at + 4];
  }
  EXPECT_EQ(numbers.size(), block.count());
  std::size_t bytes = block.count() == 0 ? 0 : block.count() - 1;
  for (const std::uint32_t size : block.sizes) bytes += size;
  EXPECT_EQ(bytes, block.bytes.size());
  return numbers;
}

std::string Item(const std::string& tenant, int n) {
  return R"({"type":"track","userId":"u","event":"e")" + tenant + R"(,"n":)" + std::to_string(n) +
         "}";
}

TEST(Tenants, EachEventGoesToTheTenantItNamesInOrder) {
  const Normalized out =
      Build(R"({"batch":[)" + Item(R"(,"tenantId":"globex")", 1) + "," + Item("", 2) + "," +
                Item(R"(,"tenantId":"initech")", 3) + "," + Item(R"(,"tenantId":"globex")", 4) +
                "," + Item(R"(,"tenantId":"own")", 5) + "," + Item(R"(,"tenantId":null)", 6) + "]}",
            true);
  EXPECT_TRUE(out.rejected.empty());
  EXPECT_EQ(out.count(), 6U);
  EXPECT_EQ(out.Count(EventType::kTrack), 6U);
  EXPECT_EQ(Numbers(out.events), "256");
  ASSERT_EQ(out.elsewhere.size(), 2U);
  EXPECT_EQ(out.elsewhere[0].slot, 1U);
  EXPECT_EQ(Numbers(out.elsewhere[0].events), "14");
  EXPECT_EQ(out.elsewhere[1].slot, 2U);
  EXPECT_EQ(Numbers(out.elsewhere[1].events), "3");
  EXPECT_EQ(out.events.bytes.find("tenantId"), std::string::npos);
  EXPECT_EQ(out.elsewhere[0].events.bytes.find("tenantId"), std::string::npos);
}

TEST(Tenants, AnEventWithoutATenantIsRefusedAlone) {
  const Normalized out = Build(
      R"({"batch":[)" + Item("", 1) + "," + Item(R"(,"tenantId":"globex")", 2) + "," +
          Item(R"(,"tenantId":"nobody")", 3) + "," + Item(R"(,"tenantId":7)", 4) + "," +
          Item(R"(,"tenantId":"")", 5) + R"(,{"type":"track","event":"e","tenantId":"globex"}]})",
      false);
  EXPECT_EQ(out.count(), 1U);
  ASSERT_EQ(out.rejected.size(), 5U);
  const std::pair<std::string_view, std::optional<std::uint32_t>> expected[] = {
      {"tenant_missing", std::nullopt},
      {"tenant_unknown", std::nullopt},
      {"tenant_unknown", std::nullopt},
      {"tenant_unknown", std::nullopt},
      {"no_user_anon_id", 1U}};
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(out.rejected[i].code, expected[i].first) << i;
    EXPECT_EQ(out.rejected[i].slot, expected[i].second) << i;
  }
  EXPECT_NE(out.rejected[1].event.find(R"("tenantId":"nobody")"), std::string::npos)
      << "who sent it for whom";
  EXPECT_EQ(out.rejected[4].event.find("tenantId"), std::string::npos);
}

TEST(Tenants, ATenantIdMayComeAsANumberAndAsNothingElse) {
  const Destination numbered{.slot = 1};
  const TenantResolver by_number = [&](std::string_view id) {
    return id == "42" ? &numbered : nullptr;
  };
  RequestContext request = TestRequest();
  request.tenant_of = &by_number;
  request.ignore_unknown_tenant = true;
  const auto out = NormalizeAs(request, Route::kBatch,
                               R"({"batch":[)" + Item(R"(,"tenantId":42)", 1) + "," +
                                   Item(R"(,"tenantId":true)", 2) + "," +
                                   Item(R"(,"tenantId":["42"])", 3) + "]}");
  ASSERT_TRUE(out);
  ASSERT_EQ(out->elsewhere.size(), 1U);
  EXPECT_EQ(out->elsewhere[0].events.count(), 1U);
  ASSERT_EQ(out->rejected.size(), 2U) << "rubbish is no tenant that nobody configured";
  EXPECT_EQ(out->rejected[0].code, "tenant_unknown");
}

TEST(Tenants, UnknownOnesMayBePassedOver) {
  RequestContext request = TestRequest();
  request.own = nullptr;
  request.tenant_of = &kDirectory;
  request.ignore_unknown_tenant = true;
  const auto out =
      NormalizeAs(request, Route::kBatch,
                  R"({"batch":[)" + Item(R"(,"tenantId":"nobody")", 1) + "," +
                      Item(R"(,"tenantId":"globex")", 2) + "," + Item("", 3) + "," +
                      Item(R"(,"tenantId":7)", 4) + R"(,{"type":"rubbish","tenantId":"nobody"}]})");
  ASSERT_TRUE(out);
  EXPECT_EQ(out->count(), 1U);
  EXPECT_EQ(out->Count(Note::kUnknownTenantIgnored), 3U);
  ASSERT_EQ(out->rejected.size(), 1U) << "an event without a tenantId is a mistake all the same";
  EXPECT_EQ(out->rejected[0].code, "tenant_missing");
  EXPECT_EQ(out->rejected[0].index, 2U);
}

TEST(Tenants, ARejectionNamesTheTenantWheneverItIsKnown) {
  const std::string large =
      R"({"type":"track","userId":"u","p":")" + std::string(40'000, 'x') + R"(","tenantId":)";
  const Normalized out =
      Build(R"({"batch":[5,)" + large + R"("globex"},)" + large + R"("nobody"}]})", false);
  ASSERT_EQ(out.rejected.size(), 3U);
  EXPECT_EQ(out.rejected[0].code, "event_not_object");
  EXPECT_EQ(out.rejected[0].slot, std::nullopt);
  EXPECT_EQ(out.rejected[1].code, "event_too_large");
  EXPECT_EQ(out.rejected[1].slot, 1U);
  EXPECT_EQ(out.rejected[2].code, "tenant_unknown");
  EXPECT_EQ(out.rejected[2].slot, std::nullopt);
}

TEST(Tenants, ASingleCallMayNameItsTenant) {
  const Normalized out =
      Build(R"({"userId":"u","event":"e","n":1,"tenantId":"glob\u0065x"})", false, Route::kTrack);
  ASSERT_EQ(out.elsewhere.size(), 1U);
  EXPECT_EQ(out.elsewhere[0].slot, 1U);
  EXPECT_EQ(Numbers(out.elsewhere[0].events), "1");
  EXPECT_EQ(out.events.count(), 0U);
  EXPECT_TRUE(out.events.bytes.empty());
}

TEST(Tenants, ToAnIngestKeyATenantIdIsData) {
  const Normalized out = Build(R"({"batch":[)" + Item(R"(,"tenantId":"globex")", 1) + "]}", true,
                               Route::kBatch, nullptr);
  EXPECT_TRUE(out.elsewhere.empty());
  EXPECT_NE(out.events.bytes.find(R"("tenantId":"globex")"), std::string::npos);
}

TEST(Tenants, ManyOfThemKeepTheirOrder) {
  std::deque<Destination> tenants;
  const TenantResolver directory = [&](std::string_view id) -> const Destination* {
    for (const Destination& known : tenants) {
      if (std::to_string(known.slot) == id) return &known;
    }
    return &tenants.emplace_back(
        Destination{.slot = static_cast<std::uint32_t>(std::stoul(std::string(id)))});
  };
  std::string body = R"({"batch":[)";
  for (int i = 0; i < 600; ++i) {
    body += (i == 0 ? "" : ",") +
            Item(R"(,"tenantId":")" + std::to_string(1 + i * 7 % 200) + '"', i / 200);
  }
  const Normalized out = Build(body + "]}", false, Route::kBatch, &directory);
  EXPECT_TRUE(out.rejected.empty());
  ASSERT_EQ(out.elsewhere.size(), 200U);
  for (std::uint32_t i = 0; i < 200; ++i) {
    EXPECT_EQ(out.elsewhere[i].slot, i + 1);
    EXPECT_EQ(Numbers(out.elsewhere[i].events), "012");
  }
}

TEST(Observer, SeesWhatBecomesOfEachItemInOrder) {
  std::vector<std::string> seen;
  const ItemObserver observer = [&seen](const ItemReport& report) {
    std::string line = std::to_string(report.index) + ' ';
    line += report.destination != nullptr ? std::to_string(report.destination->slot) : "nobody";
    for (const Note note : report.notes) line += " n" + std::to_string(static_cast<int>(note));
    if (report.rejection != nullptr) {
      EXPECT_EQ(report.rejection->index, report.index);
      line += " " + std::string(report.rejection->code);
    }
    line += " " + std::string(report.event);
    seen.push_back(line);
  };
  RequestContext request = TestRequest();
  request.tenant_of = &kDirectory;
  request.ignore_unknown_tenant = true;
  request.observer = &observer;
  constexpr char kTail[] = R"(,"timestamp":"2026-01-02T03:04:05.678Z","userId":)";
  const auto out = NormalizeAs(
      request, Route::kBatch,
      R"({"batch":[{"type":"page","userId":1,"messageId":"a","context":{"library":0}},)"
      R"({"type":"page"},7,{"type":"page","tenantId":"nobody"},)"
      R"({"type":"page","userId":"u","messageId":"b","tenantId":"globex","context":{"library":0}},)"
      R"({"type":"group","groupId":5,"messageId":"c","context":{"library":0}}]})");
  ASSERT_TRUE(out);
  const auto note = [](Note which) { return " n" + std::to_string(static_cast<int>(which)); };
  const std::string_view context = R"(,"context":{"library":0}})";
  ASSERT_EQ(seen.size(), 6U);
  EXPECT_EQ(seen[0], "0 0" + note(Note::kNumberId) + R"( {"type":"page","messageId":"a")" + kTail +
                         "\"1\"" + std::string(context));
  EXPECT_EQ(seen[1], "1 0 no_user_anon_id ");
  EXPECT_EQ(seen[2], "2 0 event_not_object ");
  EXPECT_EQ(seen[3], "3 nobody" + note(Note::kUnknownTenantIgnored) + " ");
  EXPECT_EQ(seen[4], R"(4 1 {"type":"page","messageId":"b")" + std::string(kTail) + "\"u\"" +
                         std::string(context));
  EXPECT_EQ(seen[5],
            "5 0" + note(Note::kNumberId) + note(Note::kGroupWithoutUser) +
                R"( {"type":"group","messageId":"c","timestamp":"2026-01-02T03:04:05.678Z",)" +
                R"("groupId":"5")" + std::string(context));
  EXPECT_EQ(out->Count(Note::kNumberId), 2U);
}

TEST(Merging, AnEnvelopeOfEqualKeysIsChargedForEveryEventThatReadsIt) {
  std::string context = R"({"k":1)";
  while (context.size() < 30'000) context += R"(,"k":1)";
  context += '}';
  std::string body = R"({"context":)" + context + R"(,"batch":[)";
  const int items = static_cast<int>(kTestLimits.max_merged_bytes / context.size()) + 2;
  for (int i = 0; i < items; ++i) {
    body += i == 0 ? "" : ",";
    body += R"({"type":"track","userId":"u","event":"e","context":{}})";
  }
  body += "]}";
  Normalizer normalizer(kTestLimits);
  ZeroRandom random;
  const auto out =
      normalizer.Normalize(Route::kBatch, body, {.received_at = kTestNow, .random = random});
  ASSERT_FALSE(out) << "each event is small, and the work for it is not";
  EXPECT_EQ(out.error().code, "payload_too_large");
}

}  // namespace
}  // namespace gateway::normalize

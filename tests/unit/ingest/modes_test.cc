// SPDX-License-Identifier: Apache-2.0
//
// What tenants and keys may ask of the ingest: strictness, limits, ids, repetitions.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/unit/ingest/ingest_fixture.h"

namespace gateway::ingest {
namespace {

using namespace std::chrono_literals;

const char* const kOneBadOfThree = R"({"batch":[
    {"type":"track","userId":"u","event":"one"},
    {"type":"track","event":"nobody"},
    {"type":"track","userId":"u","event":"three"}]})";

TEST_F(IngestServiceTest, AStrictTenantsBatchIsRefusedWhole) {
  Tenant("acme").strict = true;
  const Response response = Send(With("/v1/batch", kOneBadOfThree));
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(CodeOf(response), "events_refused");
  EXPECT_EQ(Json::parse(response.body).at("rejected")[0].at("index"), 1);
  EXPECT_EQ(queue_.State(LogOf("acme")).tail, 0U);
  EXPECT_TRUE(queue_.DeadLetters(LogOf("acme")).empty()) << "the client still has it";
  EXPECT_EQ(Counter("ingest_rejected_events_total", {{"reason", "no_user_anon_id"}}), 1);
  EXPECT_EQ(Counter("ingest_events_total", {{"type", "track"}}), 0);
  EXPECT_EQ(Send(With("/v1/track", R"({"userId":"u","event":"e"})")).status, 200);
}

TEST_F(IngestServiceTest, AStrictTenantsSingleCallIsRefusedWithItsCode) {
  Tenant("acme").strict = true;
  const Response response = Send(With("/v1/track", R"({"event":"e"})"));
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(CodeOf(response), "no_user_anon_id");
}

TEST_F(IngestServiceTest, CompatAnswers200AndKeepsWhatSegmentWouldDrop) {
  const Response response = Send(With("/v1/track", R"({"event":"e"})"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(Json::parse(response.body).at("accepted"), 0);
  EXPECT_EQ(queue_.DeadLetters(LogOf("acme")).size(), 1U);
}

TEST_F(IngestServiceTest, AKeysRateIsHeldBeforeTheBody) {
  Tenant("acme").ingest_keys.push_back(
      {.key = common::Secret("slow-key"), .rate = {.events_per_second = 2, .burst_events = 3}});
  Request slow;
  slow.headers["Authorization"] = Basic("slow-key");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Send(slow).status, 200) << i;
  Request over = slow;
  over.body = "not even JSON";
  const Response response = Send(over);
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(CodeOf(response), "key_rate");
  EXPECT_EQ(HeaderOf(response, "Retry-After"), "1");
  EXPECT_EQ(HeaderOf(response, "X-RateLimit-Reset"), "1");
  EXPECT_EQ(Send(Request{}).status, 200) << "the tenant's other key goes on";
  clock_.Advance(500ms);
  EXPECT_EQ(Send(slow).status, 200);
  EXPECT_EQ(Send(slow).status, 429);
  EXPECT_EQ(Counter("ingest_throttled_requests_total", {{"limit", "key_rate"}}), 2);
}

TEST_F(IngestServiceTest, ATenantsRateCountsEventsAndDebtsArePaid) {
  Tenant("acme").rate = {.events_per_second = 1, .burst_events = 2};
  EXPECT_EQ(Send(With("/v1/batch", kOneBadOfThree)).status, 200) << "anything is left";
  EXPECT_EQ(HeaderOf(Send(Request{}), "Retry-After"), "2") << "one too many, and one to come";
  clock_.Advance(1s);
  EXPECT_EQ(Send(Request{}).status, 429);
  clock_.Advance(1s);
  EXPECT_EQ(Send(Request{}).status, 200);
  Request other;
  other.headers["Authorization"] = Basic("paused-key");
  EXPECT_EQ(Send(other).status, 200) << "nobody else is held";
}

TEST_F(IngestServiceTest, AKeyInTheBodyIsLimitedToo) {
  Tenant("acme").rate = {.events_per_second = 1, .burst_events = 1};
  Request request = With("/v1/track", R"({"writeKey":"acme-key","userId":"u","event":"e"})");
  request.headers.clear();
  EXPECT_EQ(Send(request).status, 200);
  EXPECT_EQ(Send(request).status, 429);
  EXPECT_EQ(queue_.State(LogOf("acme")).tail, 1U);
}

TEST_F(IngestServiceTest, AWaitIsNeverLongerThanClientsWait) {
  Tenant("acme").rate = {.events_per_second = 1, .burst_events = 1};
  std::string batch = R"({"batch":[)";
  for (int i = 0; i < 1'000; ++i) {
    batch += R"({"type":"track","userId":"u","event":"e"},)";
  }
  batch.back() = ']';
  EXPECT_EQ(Send(With("/v1/batch", batch + "}")).status, 200);
  EXPECT_EQ(HeaderOf(Send(Request{}), "Retry-After"), "300");
}

TEST_F(IngestServiceTest, ABacklogThatIsFullTakesNoMore) {
  Tenant("acme").max_backlog_bytes = 50;
  EXPECT_EQ(Send(Request{}).status, 200);
  const Response response = Send(Request{});
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(CodeOf(response), "tenant_backlog");
  EXPECT_EQ(queue_.State(LogOf("acme")).tail, 1U);
}

Request FromService(std::string path, std::string body) {
  Request request = With(std::move(path), std::move(body));
  request.headers["Authorization"] = Basic("service-key");
  return request;
}

const char* const kOfTwoTenants = R"({"batch":[
    {"type":"track","userId":"u","event":"1","tenantId":"acme"},
    {"type":"track","userId":"u","event":"2","tenantId":"paused"}]})";

TEST_F(IngestServiceTest, ATenantOverItsRateStopsNobodyElseOfAServicesBatch) {
  Tenant("paused").rate = {.events_per_second = 1, .burst_events = 1};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Send(FromService("/v1/batch", kOfTwoTenants)).status, 200);
  EXPECT_EQ(queue_.State(LogOf("acme")).tail, 3U);
  EXPECT_EQ(queue_.State(LogOf("paused")).tail, 3U);
  Request own;
  own.headers["Authorization"] = Basic("paused-key");
  EXPECT_EQ(CodeOf(Send(own)), "tenant_rate");
  clock_.Advance(1s);
  EXPECT_EQ(Send(own).status, 200) << "the service made no debt for it";
}

TEST_F(IngestServiceTest, ATenantWhoseBacklogIsFullStopsNobodyElseOfAServicesBatch) {
  Tenant("paused").max_backlog_bytes = 50;
  EXPECT_EQ(Send(FromService("/v1/batch", kOfTwoTenants)).body, R"({"success":true})");
  const Json json = Json::parse(Send(FromService("/v1/batch", kOfTwoTenants)).body);
  EXPECT_EQ(json.at("accepted"), 1);
  EXPECT_EQ(json.at("rejected")[0].at("code"), "tenant_backlog");
  EXPECT_EQ(queue_.State(LogOf("acme")).tail, 2U);
  EXPECT_EQ(queue_.State(LogOf("paused")).tail, 1U);
  EXPECT_EQ(queue_.DeadLetters(LogOf("paused")).size(), 1U) << "kept, as what is refused is";
}

TEST_F(IngestServiceTest, ARequestAllOfOneTenantThatIsOverIsRefused) {
  Tenant("paused").rate = {.events_per_second = 1, .burst_events = 1};
  Tenant("acme").max_backlog_bytes = 50;
  const char* const kFor = R"({"userId":"u","event":"e","tenantId":")";
  for (const auto& [tenant, code] :
       {std::pair{"paused", "tenant_rate"}, std::pair{"acme", "tenant_backlog"}}) {
    const Request request = FromService("/v1/track", std::string(kFor) + tenant + R"("})");
    EXPECT_EQ(Send(request).status, 200);
    const Response response = Send(request);
    EXPECT_EQ(response.status, 429);
    EXPECT_EQ(CodeOf(response), code);
    EXPECT_EQ(queue_.State(LogOf(tenant)).tail, 1U);
    EXPECT_TRUE(queue_.DeadLetters(LogOf(tenant)).empty());
  }
}

TEST_F(IngestServiceTest, AStrictTenantCostsNobodyElseOfAServicesBatchItsEvents) {
  Tenant("paused").strict = true;
  const Json mixed = Json::parse(Send(FromService("/v1/batch", R"({"batch":[
      {"type":"track","userId":"u","event":"1","tenantId":"acme"},
      {"type":"track","userId":2,"event":"2","tenantId":"paused"}]})"))
                                     .body);
  EXPECT_EQ(mixed.at("accepted"), 1);
  EXPECT_EQ(mixed.at("rejected")[0].at("code"), "id_not_string");
  EXPECT_EQ(queue_.State(LogOf("acme")).tail, 1U);
  const Response alone = Send(FromService("/v1/batch", R"({"batch":[
      {"type":"track","userId":"u","event":"1","tenantId":"paused"},
      {"type":"track","userId":2,"event":"2","tenantId":"paused"}]})"));
  EXPECT_EQ(alone.status, 400);
  EXPECT_EQ(queue_.State(LogOf("paused")).tail, 0U);
}

TEST_F(IngestServiceTest, AServicesRateIsItsOwn) {
  services_[0].rate = {.events_per_second = 1, .burst_events = 1};
  Request request;
  request.headers["Authorization"] = Basic("service-key");
  request.headers["X-Tenant-Id"] = "acme";
  EXPECT_EQ(Send(request).status, 200);
  EXPECT_EQ(CodeOf(Send(request)), "key_rate");
  EXPECT_EQ(Send(Request{}).status, 200);
}

TEST_F(IngestServiceTest, AServiceMayIgnoreTenantsThatAreNotConfigured) {
  services_[0].unknown_tenant = pipeline::UnknownTenant::kIgnore;
  Request by_header;
  by_header.headers["Authorization"] = Basic("service-key");
  by_header.headers["X-Tenant-Id"] = "nobody";
  EXPECT_EQ(Send(by_header).body, R"({"success":true})");
  Request by_event = With("/v1/batch", R"({"batch":[
      {"type":"track","userId":"u","event":"1","tenantId":"nobody"},
      {"type":"track","userId":"u","event":"2","tenantId":"acme"}]})");
  by_event.headers["Authorization"] = Basic("service-key");
  EXPECT_EQ(Send(by_event).body, R"({"success":true})");
  EXPECT_EQ(queue_.State(LogOf("acme")).tail, 1U);
  EXPECT_EQ(Counter("events_unknown_tenant_total"), 2);
  EXPECT_TRUE(queue_.DeadLetters(services_[0].log).empty());
}

TEST_F(IngestServiceTest, OneIdForTwoTenantsGoesOutAsTwo) {
  Request request = With("/v1/batch", R"({"batch":[
      {"type":"track","userId":"u","event":"1","tenantId":"acme","messageId":"m"},
      {"type":"track","userId":"u","event":"2","tenantId":"paused","messageId":"m"}]})");
  request.headers["Authorization"] = Basic("service-key");
  EXPECT_EQ(Send(request).status, 200);
  const auto id = [&](const char* tenant) {
    return Json::parse(queue_.PendingEvents(LogOf(tenant)).at(0))
        .at("messageId")
        .get<std::string>();
  };
  EXPECT_NE(id("acme"), id("paused"));
  EXPECT_EQ(Send(Request{}).status, 200);
  EXPECT_EQ(Json::parse(queue_.PendingEvents(LogOf("acme")).at(1)).at("messageId"), "m")
      << "a tenant's own key keeps it";
}

TEST_F(IngestServiceTest, ARepeatedIdIsAnsweredAndNotStoredAgainWhereTheTenantSaysSo) {
  Tenant("acme").dedupe = {.window = 1h, .max_ids = 1'000};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Send(Request{}).body, R"({"success":true})");
  EXPECT_EQ(queue_.State(LogOf("acme")).tail, 1U);
  Request paused;
  paused.headers["Authorization"] = Basic("paused-key");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Send(paused).status, 200);
  EXPECT_EQ(queue_.State(LogOf("paused")).tail, 2U) << "off unless asked for";
}

TEST_F(IngestServiceTest, ADryRunTellsWhatWouldHappenAndStoresNothing) {
  Request request = With("/v1/validate", R"({"batch":[
      {"type":"track","userId":7,"event":"e","messageId":"m","timestamp":"2026-01-01T00:00:00.000Z"},
      {"type":"track","event":"e"}]})");
  const Response response = Send(request);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(held_bytes_, response.body.size()) << "accounted for until it has been sent";
  const Json json = Json::parse(response.body);
  EXPECT_EQ(json.at("would_answer"), 200);
  EXPECT_EQ(json.at("accepted"), 1);
  EXPECT_EQ(json.at("rejected"), 1);
  const Json& first = json.at("events")[0];
  EXPECT_EQ(first.at("outcome"), "accepted");
  EXPECT_EQ(first.at("tenant"), "acme");
  EXPECT_EQ(first.at("notes"), Json::parse(R"(["number_id"])"));
  EXPECT_EQ(first.at("event").at("userId"), "7");
  EXPECT_EQ(first.at("event").at("messageId"), "m");
  const Json& second = json.at("events")[1];
  EXPECT_EQ(second.at("index"), 1);
  EXPECT_EQ(second.at("outcome"), "rejected");
  EXPECT_EQ(second.at("code"), "no_user_anon_id");
  EXPECT_FALSE(second.contains("event"));
  EXPECT_EQ(queue_.State(LogOf("acme")).tail, 0U);
  EXPECT_TRUE(queue_.DeadLetters(LogOf("acme")).empty());
}

TEST_F(IngestServiceTest, ADryRunTakesASingleEventAndAKeyInTheBody) {
  Request request =
      With("/v1/validate", R"({"type":"track","userId":"u","event":"e","writeKey":"off-key"})");
  request.headers.clear();
  const Json json = Json::parse(Send(request).body);
  EXPECT_EQ(json.at("events")[0].at("outcome"), "not_forwarded");
  EXPECT_FALSE(json.at("events")[0].at("event").contains("writeKey"));
}

TEST_F(IngestServiceTest, ADryRunTellsAnEventWithAMemberBatchFromABatch) {
  const Json json = Json::parse(
      Send(With("/v1/validate", R"({"type":"track","userId":"u","event":"e","batch":"x"})")).body);
  EXPECT_EQ(json.at("events")[0].at("event").at("batch"), "x");
  EXPECT_EQ(CodeOf(Send(With("/v1/validate", R"({"batch":"x"})"))), "batch_not_array");
}

TEST_F(IngestServiceTest, ADryRunCountsAgainstTheRate) {
  Tenant("acme").rate = {.events_per_second = 1, .burst_events = 2};
  clock_.Advance(1s);
  const Request dry = With("/v1/validate", R"({"type":"track","userId":"u","event":"e"})");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Send(dry).status, 200);
  EXPECT_EQ(CodeOf(Send(dry)), "tenant_rate");
}

TEST_F(IngestServiceTest, ADryRunOfAStrictTenantSays400) {
  Tenant("acme").strict = true;
  const Json json = Json::parse(Send(With("/v1/validate", kOneBadOfThree)).body);
  EXPECT_EQ(json.at("would_answer"), 400);
  EXPECT_EQ(json.at("rejected"), 1);
}

/// Real path and dry run of the same request, which must say the same.
class DryRunTest : public IngestServiceTest,
                   public testing::WithParamInterface<std::pair<const char*, const char*>> {};

TEST_P(DryRunTest, SaysWhatTheRealPathDoes) {
  const auto& [path, body] = GetParam();
  Tenant("paused").strict = true;
  clock_.Advance(1s);
  for (const std::string key : {"acme-key", "paused-key", "off-key", "service-key"}) {
    Request dry = With("/v1/validate", body);
    dry.headers["Authorization"] = Basic(key);
    Request real = With(path, body);
    real.headers["Authorization"] = Basic(key);
    const Json said = Json::parse(Send(dry).body);
    const auto before = queue_.State(LogOf("acme")).tail;
    const Response answer = Send(real);
    if (!said.contains("would_answer")) {
      EXPECT_EQ(said.at("code"), CodeOf(answer)) << key << body;
      continue;
    }
    EXPECT_EQ(said.at("would_answer"), answer.status) << key << body;
    const Json got = Json::parse(answer.body);
    std::vector<std::string> codes;
    std::vector<Json> texts;
    for (const Json& event : said.at("events")) {
      if (event.contains("code")) codes.push_back(event.at("code"));
      if (event.at("outcome") == "accepted") texts.push_back(event.at("event"));
    }
    std::vector<std::string> real_codes;
    if (answer.status == 400 && !got.contains("rejected")) real_codes.push_back(got.at("code"));
    for (const Json& rejected : got.value("rejected", Json::array())) {
      real_codes.push_back(rejected.at("code"));
    }
    EXPECT_EQ(codes, real_codes) << key << body;
    if (got.contains("accepted")) {
      EXPECT_EQ(said.at("accepted"), got.at("accepted"));
    }
    if (key != "acme-key" || answer.status != 200) continue;
    const auto stored = queue_.PendingEvents(LogOf("acme"));
    ASSERT_EQ(stored.size() - before, texts.size()) << body;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(Json::parse(stored[before + i]), texts[i]) << body;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Requests, DryRunTest,
    testing::Values(
        std::pair{"/v1/track", R"({"type":"track","userId":"u","event":"e","messageId":"m"})"},
        std::pair{"/v1/track", R"({"type":"track","userId":"u","event":"batch","messageId":"m",
                                   "properties":{"batch":1}})"},
        std::pair{"/v1/track", R"({"type":"track","userId":"u","event":"e","messageId":"m",
                                   "timestamp":"2026-01-01T10:00:00.000Z",
                                   "sentAt":"2026-01-01T10:00:05.000Z"})"},
        std::pair{"/v1/track", R"({"type":"track","userId":"u","event":"e","sentAt":"x",
                                   "messageId":"m"})"},
        std::pair{"/v1/identify", R"({"type":"identify","userId":7,"messageId":"m"})"},
        std::pair{"/v1/group", R"({"type":"group","groupId":"g","messageId":"m"})"},
        std::pair{"/v1/track", R"({"type":"track","event":"e","messageId":"m"})"},
        std::pair{"/v1/track", R"({"type":"track","userId":"u","event":"e","messageId":"m",
                                   "tenantId":"nobody"})"},
        std::pair{"/v1/track", R"({"type":"track","userId":"u","event":"e","messageId":"m",
                                   "tenantId":"acme"})"},
        std::pair{"/v1/track", "{"}, std::pair{"/v1/track", "[]"},
        std::pair{"/v1/batch", R"({"batch":[]})"}, std::pair{"/v1/batch", R"({"batch":{}})"},
        std::pair{"/v1/batch",
                  R"({"batch":[{"type":"track","userId":"u","event":"e","messageId":"m",
                                   "timestamp":"2026-01-01T10:00:00.000Z"},
                                   {"type":"rubbish"},7,{"type":"page","userId":"u","name":"",
                                   "messageId":"n"}],"context":{"locale":"de"},
                                   "sentAt":"2026-01-01T10:00:05.000Z"})"},
        std::pair{"/v1/batch",
                  R"({"batch":[{"type":"track","userId":"u","event":"e","messageId":"m",
                                   "tenantId":"acme"},{"type":"track","userId":2,"event":"e",
                                   "messageId":"n","tenantId":"paused"}]})"}));

TEST_F(IngestServiceTest, ADryRunNamesWhatIsOddAboutTheRequest) {
  EXPECT_EQ(Json::parse(Send(With("/v1/validate", R"({"batch":[],"writeKey":"other"})")).body)
                .at("notes"),
            Json::parse(R"(["empty_batch","foreign_write_key"])"));
}

TEST_F(IngestServiceTest, AForeignKeyInTheBodyIsCounted) {
  EXPECT_EQ(Send(With("/v1/track", R"({"userId":"u","event":"e","writeKey":"other"})")).status,
            200);
  EXPECT_EQ(Send(With("/v1/track", R"({"userId":"u","event":"e","writeKey":"acme-key"})")).status,
            200);
  EXPECT_EQ(Counter("ingest_event_notes_total", {{"note", "foreign_write_key"}}), 1);
}

}  // namespace
}  // namespace gateway::ingest

// SPDX-License-Identifier: Apache-2.0
//
// Segment's Tracking API as one tenant's services see it.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/ingest/ingest_fixture.h"

namespace gateway::ingest {
namespace {

TEST_F(IngestServiceTest, StoresASingleCallForTheKeysTenant) {
  const Response response = Send(Request{});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"success":true})");
  const auto events = queue_.PendingEvents(LogOf("acme"));
  ASSERT_EQ(events.size(), 1U);
  const Json event = Json::parse(events[0]);
  EXPECT_EQ(event.at("type"), "track");
  EXPECT_EQ(event.at("messageId"), "m");
  EXPECT_EQ(event.at("timestamp"), common::FormatTimestamp(clock_.Wall()));
  EXPECT_EQ(Counter("ingest_acknowledged_events_total"), 1);
  EXPECT_EQ(Counter("ingest_requests_total", {{"route", "track"}, {"code", "200"}}), 1);
}

TEST_F(IngestServiceTest, TheKeyMayComeInTheBodyWhereverItStands) {
  for (const char* body : {R"({"writeKey":"acme-key","userId":"u","event":"e"})",
                           R"({"userId":"u","event":"e","write\u004bey":"acme-key"})"}) {
    Request request = With("/v1/track", body);
    request.headers.clear();
    EXPECT_EQ(Send(request).status, 200) << body;
  }
  Request batch =
      With("/v1/batch",
           R"({"batch":[{"type":"track","userId":"u","event":"e"}],"writeKey":"acme-key"})");
  batch.headers.clear();
  EXPECT_EQ(Send(batch).status, 200);
  for (const auto& event : queue_.PendingEvents(LogOf("acme"))) {
    EXPECT_EQ(event.find("acme-key"), std::string::npos) << event;
  }
  EXPECT_EQ(queue_.PendingEvents(LogOf("acme")).size(), 3U);
}

TEST_F(IngestServiceTest, TheHeaderDecidesAndTheBodysKeyIsStripped) {
  const Response response =
      Send(With("/v1/track", R"({"writeKey":"paused-key","userId":"u","event":"e"})"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(queue_.PendingEvents(LogOf("acme")).size(), 1U);
  EXPECT_TRUE(queue_.PendingEvents(LogOf("paused")).empty());
  EXPECT_EQ(queue_.PendingEvents(LogOf("acme"))[0].find("paused-key"), std::string::npos);
}

TEST_F(IngestServiceTest, RefusalsBeforeTheBody) {
  struct Case {
    const char* name;
    Request request;
    int status;
    const char* code;
  };
  Request get;
  get.method = "GET";
  Request wrong_key;
  wrong_key.headers["Authorization"] = "Basic " + common::Base64Encode("nobody:");
  Request bearer;
  bearer.headers["Authorization"] = "Bearer x";
  Request garbage;
  garbage.headers["Authorization"] = "Basic \x01";
  Request gzip;
  gzip.headers["Content-Encoding"] = "br";
  Request form;
  form.headers["Content-Type"] = "multipart/form-data; boundary=x";
  Request stranger;
  stranger.headers["Authorization"] = "Basic " + common::Base64Encode("service-key:");
  stranger.headers["X-Tenant-Id"] = "nobody";
  const Case cases[] = {
      {"path", With("/v1/nothing", "{}"), 404, "not_found"},
      {"method", get, 405, "method_not_allowed"},
      {"unknown key", wrong_key, 401, "invalid_write_key"},
      {"bearer", bearer, 401, "unsupported_authorization"},
      {"not base64", garbage, 401, "malformed_authorization"},
      {"brotli", gzip, 415, "unsupported_content_encoding"},
      {"form", form, 415, "unsupported_content_type"},
      {"service key, unknown tenant", stranger, 400, "tenant_unknown"},
      {"single too large", With("/v1/track", std::string(32'769, ' ')), 400, "payload_too_large"},
      {"batch too large", With("/v1/batch", std::string(524'289, ' ')), 400, "payload_too_large"},
  };
  for (const Case& c : cases) {
    const Response response = Send(c.request);
    EXPECT_EQ(response.status, c.status) << c.name;
    EXPECT_EQ(CodeOf(response), c.code) << c.name;
  }
  EXPECT_TRUE(queue_.PendingEvents(LogOf("acme")).empty());
}

TEST_F(IngestServiceTest, JsonIsTakenUnderAnyName) {
  for (const char* type : {"application/json; charset=utf-8", "text/plain", "x/y", "",
                           "application/x-www-form-urlencoded"}) {
    Request request;
    request.headers["Content-Type"] = type;
    EXPECT_EQ(Send(request).status, 200) << type;
  }
  Request form;
  form.headers["Content-Type"] = "application/x-www-form-urlencoded";
  form.body = "userId=u&event=e";
  const Response response = Send(form);
  EXPECT_EQ(CodeOf(response), "not_an_object");
  EXPECT_NE(response.body.find("the Content-Type says that this is a form"), std::string::npos);
}

TEST_F(IngestServiceTest, AServiceKeySendsForTheTenantItNames) {
  Request request;
  request.headers["Authorization"] = "Basic " + common::Base64Encode("service-key:");
  request.headers["X-Tenant-Id"] = "paused";
  EXPECT_EQ(Send(request).status, 200);
  EXPECT_EQ(queue_.PendingEvents(LogOf("paused")).size(), 1U);
}

TEST_F(IngestServiceTest, AServiceKeysEventsGoToTheTenantsTheyName) {
  Request request = With("/v1/batch", R"({"batch":[
      {"type":"track","userId":"u","event":"1","tenantId":"acme"},
      {"type":"track","userId":"u","event":"2","tenantId":"paused"},
      {"type":"track","userId":"u","event":"3","tenantId":"nobody"},
      {"type":"track","event":"4","tenantId":"paused"},
      {"type":"track","userId":"u","event":"5","tenantId":"off"},
      {"type":"track","userId":"u","event":"6"},
      {"type":"track","userId":"u","event":"7","tenantId":"acme"}]})");
  request.headers["Authorization"] = "Basic " + common::Base64Encode("service-key:");
  const Response response = Send(request);
  EXPECT_EQ(response.status, 200);
  const Json json = Json::parse(response.body);
  EXPECT_EQ(json.at("accepted"), 4);
  std::vector<std::pair<int, std::string>> rejected;
  for (const Json& entry : json.at("rejected")) {
    rejected.emplace_back(entry.at("index").get<int>(), entry.at("code").get<std::string>());
  }
  EXPECT_EQ(rejected, (std::vector<std::pair<int, std::string>>{
                          {2, "tenant_unknown"}, {3, "no_user_anon_id"}, {5, "tenant_missing"}}));
  const auto acme = queue_.PendingEvents(LogOf("acme"));
  ASSERT_EQ(acme.size(), 2U);
  EXPECT_NE(acme[0].find(R"("event":"1")"), std::string::npos);
  EXPECT_NE(acme[1].find(R"("event":"7")"), std::string::npos);
  EXPECT_EQ(acme[0].find("tenantId"), std::string::npos);
  EXPECT_EQ(queue_.PendingEvents(LogOf("paused")).size(), 1U);
  EXPECT_EQ(queue_.DeadLetters(LogOf("paused")).size(), 1U);
  EXPECT_TRUE(queue_.DeadLetters(LogOf("acme")).empty());
  EXPECT_EQ(queue_.DeadLetters(services_[0].log).size(), 2U) << "those that have no tenant";
  EXPECT_EQ(queue_.State(LogOf("off")).tail, 0U);
  EXPECT_EQ(Counter("events_not_forwarded_total"), 1);
  EXPECT_EQ(Counter("ingest_acknowledged_events_total"), 3);
}

TEST_F(IngestServiceTest, AnEventsOwnTenantGoesBeforeTheHeaders) {
  Request request = With("/v1/track", R"({"userId":"u","event":"e","tenantId":"acme"})");
  request.headers["Authorization"] = "Basic " + common::Base64Encode("service-key:");
  request.headers["X-Tenant-Id"] = "paused";
  EXPECT_EQ(Send(request).status, 200);
  EXPECT_EQ(queue_.PendingEvents(LogOf("acme")).size(), 1U);
  EXPECT_TRUE(queue_.PendingEvents(LogOf("paused")).empty());
}

TEST_F(IngestServiceTest, ASingleCallWithoutATenantIsRefusedAndKeptWithTheService) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"userId":"u","event":"e"})", "tenant_missing"},
      {R"({"userId":"u","event":"e","tenantId":"nobody"})", "tenant_unknown"}};
  for (const auto& [body, code] : cases) {
    Request request = With("/v1/track", body);
    request.headers["Authorization"] = "Basic " + common::Base64Encode("service-key:");
    const Response response = Send(request);
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(CodeOf(response), code);
    EXPECT_EQ(queue_.DeadLetters(services_[0].log).back().code, code);
  }
}

TEST_F(IngestServiceTest, SeveralTenantsAreAcknowledgedTogetherOrNotAtAll) {
  Request request = With("/v1/batch", R"({"batch":[
      {"type":"track","userId":"u","event":"1","tenantId":"acme"},
      {"type":"track","userId":"u","event":"2","tenantId":"paused"}]})");
  request.headers["Authorization"] = "Basic " + common::Base64Encode("service-key:");
  queue_.FailAppends(common::Error{common::ErrorCode::kIo, "why"});
  EXPECT_EQ(Send(request).status, 503);
  EXPECT_EQ(Counter("ingest_acknowledged_events_total"), 0);
}

TEST_F(IngestServiceTest, BodiesThatAreNoEventsAreRefusedWhole) {
  for (const char* body : {"", "{", "[]", "5", "{\"userId\":tru}", "\xff\xfe", "{}x"}) {
    const Response response = Send(With("/v1/track", body));
    EXPECT_EQ(response.status, 400) << body;
    CodeOf(response);
  }
  Request no_key = With("/v1/track", R"({"userId":"u","event":"e"})");
  no_key.headers.clear();
  const Response response = Send(no_key);
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(CodeOf(response), "missing_write_key");
}

TEST_F(IngestServiceTest, ABadEventIsListedAndKeptAndTheRestGoesOn) {
  const Response response = Send(With("/v1/batch", R"({"batch":[
      {"type":"track","userId":"u","event":"one"},
      {"type":"track","event":"nobody"},
      {"type":"track","userId":"u","event":"three"}]})"));
  EXPECT_EQ(response.status, 200);
  const Json json = Json::parse(response.body);
  EXPECT_EQ(json.at("success"), true);
  EXPECT_EQ(json.at("accepted"), 2);
  ASSERT_EQ(json.at("rejected").size(), 1U);
  EXPECT_EQ(json.at("rejected")[0].at("index"), 1);
  EXPECT_EQ(json.at("rejected")[0].at("code"), "no_user_anon_id");
  EXPECT_EQ(queue_.PendingEvents(LogOf("acme")).size(), 2U);
  const auto letters = queue_.DeadLetters(LogOf("acme"));
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].stage, pipeline::DeadLetterStage::kIngest);
  EXPECT_EQ(letters[0].code, "no_user_anon_id");
  EXPECT_NE(letters[0].event.find("nobody"), std::string::npos);
  EXPECT_EQ(Counter("ingest_rejected_events_total", {{"reason", "no_user_anon_id"}}), 1);
  EXPECT_EQ(Counter("ingest_acknowledged_events_total"), 2);
}

TEST_F(IngestServiceTest, WhatABatchGrowsToCountsAsBytesInHand) {
  std::string body = R"({"context":{"fill":")" + std::string(20'000, 'x') + R"("},"batch":[)";
  for (int i = 0; i < 100; ++i) body += R"({"type":"track","userId":"u","event":"e"},)";
  body.back() = ']';
  body += '}';
  EXPECT_EQ(Send(With("/v1/batch", body)).status, 200);
  Admission small(1'500'000, [] { return std::nullopt; });
  prometheus::Registry registry;
  IngestService service(options_, clock_, view_, queue_, small, registry);
  EXPECT_EQ(SendTo(service, With("/v1/batch", body)).status, 200) << "nothing else is in hand";
  ASSERT_FALSE(small.TryReserve(Admission::kServiceKeys, 100));
  for (const char* path : {"/v1/batch", "/v1/validate"}) {
    EXPECT_EQ(SendTo(service, With(path, body)).status, 503) << "2 MB is too much";
  }
  EXPECT_EQ(SendTo(service, With("/v1/track", Request{}.body)).status, 200);
  EXPECT_EQ(small.in_flight_bytes(), 100U);
}

TEST_F(IngestServiceTest, AnEmptyBatchIsFineAndStoresNothing) {
  const Response response = Send(With("/v1/batch", R"({"batch":[]})"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"success":true})");
  EXPECT_EQ(queue_.State(LogOf("acme")).tail, 0U);
}

TEST_F(IngestServiceTest, ASwitchedOffTenantIsAnsweredAndNotStored) {
  Request request;
  request.headers["Authorization"] = "Basic " + common::Base64Encode("off-key:");
  EXPECT_EQ(Send(request).body, R"({"success":true})");
  EXPECT_EQ(queue_.State(LogOf("off")).tail, 0U);
  EXPECT_EQ(Counter("events_not_forwarded_total"), 1);
  EXPECT_EQ(Counter("ingest_acknowledged_events_total"), 0);
}

TEST_F(IngestServiceTest, APausedTenantIsStored) {
  Request request;
  request.headers["Authorization"] = "Basic " + common::Base64Encode("paused-key:");
  EXPECT_EQ(Send(request).status, 200);
  EXPECT_EQ(queue_.State(LogOf("paused")).tail, 1U);
}

TEST_F(IngestServiceTest, NothingIsAcknowledgedThatTheQueueDidNotTake) {
  const std::pair<common::ErrorCode, const char*> cases[] = {
      {common::ErrorCode::kIo, "storage_unavailable"},
      {common::ErrorCode::kUnavailable, "overloaded"}};
  for (const auto& [error, code] : cases) {
    queue_.FailAppends(common::Error{error, "why"});
    const Response response = Send(Request{});
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(CodeOf(response), code);
    ASSERT_FALSE(response.headers.empty());
    EXPECT_EQ(response.headers[0], (std::pair<std::string_view, std::string>("Retry-After", "3")));
  }
  EXPECT_EQ(Counter("ingest_acknowledged_events_total"), 0);
}

TEST_F(IngestServiceTest, ADrainingGatewayRefusesBeforeTheBody) {
  admission_.StartDraining();
  const Response response = Send(Request{});
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(CodeOf(response), "shutting_down");
}

TEST_F(IngestServiceTest, ProtocolErrorsSpeakTheListenersFormat) {
  const auto exchange = Service().NewExchange();
  const std::pair<int, std::pair<int, const char*>> cases[] = {
      {400, {400, "bad_request"}},          {408, {503, "request_timeout"}},
      {413, {400, "payload_too_large"}},    {431, {431, "header_too_large"}},
      {503, {503, "too_many_connections"}},
  };
  for (const auto& [status, want] : cases) {
    const Response response = exchange->OnProtocolError(status, "why");
    EXPECT_EQ(response.status, want.first) << status;
    EXPECT_EQ(CodeOf(response), want.second) << status;
  }
}

}  // namespace
}  // namespace gateway::ingest

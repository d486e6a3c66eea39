// SPDX-License-Identifier: Apache-2.0
//
// What browsers, phones and mails need of the ingest beside the events: CORS, settings,
// pixels, compressed bodies, the client's address.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "gateway/ingest/pixel.h"
#include "gateway/ingest/query.h"
#include "tests/support/gzip.h"
#include "tests/unit/ingest/ingest_fixture.h"

namespace gateway::ingest {
namespace {

Request FromPage(std::string method, std::string path) {
  Request request = With(std::move(path), "");
  request.method = std::move(method);
  request.headers["Origin"] = "https://shop.example.com";
  return request;
}

TEST_F(IngestServiceTest, APreflightIsAnsweredAsAnalyticsJsNeedsIt) {
  Request request = FromPage("OPTIONS", "/v1/t");
  request.headers["Access-Control-Request-Headers"] = "authorization,x-retry-count,x-own";
  const Response response = Send(request);
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Methods"), "POST, OPTIONS");
  EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Headers"),
            "authorization,x-retry-count,x-own");
  EXPECT_EQ(HeaderOf(response, "Access-Control-Max-Age"), "86400");
}

TEST_F(IngestServiceTest, EveryAnswerToAPageCanBeReadByIt) {
  Request good = FromPage("POST", "/v1/t");
  good.body = Request{}.body;
  Request unknown_key = good;
  unknown_key.headers["Authorization"] = Basic("nobody");
  Request no_path = good;
  no_path.path = "/v1/nothing";
  for (const auto& [request, status] :
       {std::pair{good, 200}, std::pair{unknown_key, 401}, std::pair{no_path, 404}}) {
    const Response response = Send(request);
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(HeaderOf(response, "Access-Control-Expose-Headers"),
              "Retry-After, X-RateLimit-Reset");
  }
  EXPECT_EQ(HeaderOf(Send(Request{}), "Access-Control-Allow-Origin"), "") << "no page asks";
}

TEST_F(IngestServiceTest, OnlyPagesOfTheListedOriginsAreAllowed) {
  options_.allowed_origins = {"https://shop.example.com"};
  const Response listed = Send(FromPage("OPTIONS", "/v1/b"));
  EXPECT_EQ(HeaderOf(listed, "Access-Control-Allow-Origin"), "https://shop.example.com");
  EXPECT_EQ(HeaderOf(listed, "Vary"), "Origin");
  Request other = FromPage("OPTIONS", "/v1/b");
  other.headers["Origin"] = "https://evil.example.com";
  EXPECT_EQ(HeaderOf(Send(other), "Access-Control-Allow-Origin"), "");
  EXPECT_EQ(HeaderOf(Send(other), "Vary"), "Origin");
  EXPECT_EQ(HeaderOf(Send(Request{}), "Vary"), "Origin") << "a cache may show it to a page";
  EXPECT_EQ(Send(other).status, 204);
}

TEST_F(IngestServiceTest, HeadersThatAreNoneAreNotEchoed) {
  Request request = FromPage("OPTIONS", "/v1/t");
  request.headers["Access-Control-Request-Headers"] = "x\r\nSet-Cookie: a=b";
  EXPECT_EQ(HeaderOf(Send(request), "Access-Control-Allow-Headers"),
            "authorization, content-type, x-retry-count");
}

TEST_F(IngestServiceTest, OptionsWithoutAPageTellsTheMethods) {
  Request request = With("/v1/track", "");
  request.method = "OPTIONS";
  EXPECT_EQ(Send(request).status, 204);
  EXPECT_EQ(HeaderOf(Send(request), "Allow"), "POST, OPTIONS");
}

TEST_F(IngestServiceTest, SelfMetricsAreAnsweredAndThrownAway) {
  Request request = With("/v1/m", R"({"series":[{"type":"Counter","metric":"m","value":1}]})");
  request.headers = {{"Content-Type", "text/plain"}};
  EXPECT_EQ(Send(request).body, R"({"success":true})");
  EXPECT_EQ(queue_.State(LogOf("acme")).tail, 0U);
  request.body = std::string(32'769, ' ');
  EXPECT_EQ(CodeOf(Send(request)), "payload_too_large");
  admission_.StartDraining();
  EXPECT_EQ(Send(request).status, 400);
  request.body = "{}";
  EXPECT_EQ(Send(request).status, 200) << "nothing is stored, so the store is not asked";
  prometheus::Registry registry;
  IngestService service(options_, clock_, view_, queue_, admission_, registry);
  ASSERT_FALSE(admission_.TryGrow(Admission::kServiceKeys, 0, kInFlightBytes));
  EXPECT_EQ(SendTo(service, request).status, 503) << "bodies without a key are bounded together";
  admission_.Release(Admission::kServiceKeys, kInFlightBytes);
}

Request Settings(std::string key) {
  Request request = With("/v1/projects/" + key + "/settings", "");
  request.method = "GET";
  request.headers = {{"Host", "events.example.com:8443"}};
  return request;
}

TEST_F(IngestServiceTest, SdksAreToldToSendHere) {
  const Response response = Send(Settings("acme-key"));
  EXPECT_EQ(response.status, 200);
  const Json json = Json::parse(response.body);
  const Json& segment = json.at("integrations").at("Segment.io");
  EXPECT_EQ(segment.at("apiKey"), "acme-key");
  EXPECT_EQ(segment.at("apiHost"), "events.example.com:8443/v1");
  EXPECT_EQ(segment.at("protocol"), "http");
  EXPECT_TRUE(json.at("plan").at("track").at("__default").at("enabled"));
}

TEST_F(IngestServiceTest, SettingsAreForKeysThatExist) {
  EXPECT_EQ(Send(Settings("nobody")).status, 404);
  EXPECT_EQ(Send(Settings("service-key")).status, 404) << "no key for a page";
  EXPECT_EQ(Send(Settings("acme%2Dkey")).status, 200);
  Request post = Settings("acme-key");
  post.method = "POST";
  EXPECT_EQ(Send(post).status, 405);
}

TEST_F(IngestServiceTest, SettingsNeedToKnowWhereTheGatewayIs) {
  Request request = Settings("acme-key");
  request.headers.clear();
  EXPECT_EQ(CodeOf(Send(request)), "bad_request");
  request.headers["Host"] = R"(a","protocol":"x)";
  EXPECT_EQ(CodeOf(Send(request)), "bad_request");
}

TEST_F(IngestServiceTest, SettingsNameThePublicAddress) {
  options_.public_address = PublicAddress{.https = true, .host = "e.example.com/x"};
  const Json json = Json::parse(Send(Settings("acme-key")).body);
  const Json& segment = json.at("integrations").at("Segment.io");
  EXPECT_EQ(segment.at("apiHost"), "e.example.com/x/v1");
  EXPECT_EQ(segment.at("protocol"), "https");
}

TEST_F(IngestServiceTest, SettingsBelieveATrustedProxyAndNobodyElse) {
  options_.trusted_proxies = {*common::net::ParseNetwork("10.0.0.0/8")};
  Request request = Settings("acme-key");
  request.headers["X-Forwarded-Host"] = "public.example.com, inner.example.com";
  request.headers["X-Forwarded-Proto"] = "https , http";
  const auto segment = [&] {
    return Json::parse(Send(request).body).at("integrations").at("Segment.io");
  };
  EXPECT_EQ(segment().at("apiHost"), "events.example.com:8443/v1");
  request.remote = "10.1.2.3";
  EXPECT_EQ(segment().at("apiHost"), "public.example.com/v1");
  EXPECT_EQ(segment().at("protocol"), "https");
}

TEST_F(IngestServiceTest, CompressedBodiesAreInflatedAndBounded) {
  Request request;
  request.headers["Content-Encoding"] = "gzip";
  request.body = tests::Gzip(Request{}.body);
  EXPECT_EQ(Send(request).status, 200);
  EXPECT_EQ(queue_.State(LogOf("acme")).tail, 1U);
  request.body = "not gzip";
  EXPECT_EQ(CodeOf(Send(request)), "invalid_gzip");
  request.body = tests::Gzip(std::string(10'000'000, ' '));
  ASSERT_LT(request.body.size(), 32'768U);
  EXPECT_EQ(CodeOf(Send(request)), "payload_too_large");
}

Json OnlyEvent(tests::MemoryQueue& queue, pipeline::LogId log) {
  const auto events = queue.PendingEvents(log);
  EXPECT_EQ(events.size(), 1U);
  return Json::parse(events.at(0));
}

TEST_F(IngestServiceTest, ADevicesAddressIsThatBehindTheTrustedProxies) {
  options_.trusted_proxies = {*common::net::ParseNetwork("10.0.0.0/8")};
  Request request;
  request.path = "/v1/t";
  request.remote = "10.0.0.1";
  request.headers["X-Forwarded-For"] = "1.1.1.1, 203.0.113.9, 10.0.0.7";
  EXPECT_EQ(Send(request).status, 200);
  EXPECT_EQ(OnlyEvent(queue_, LogOf("acme")).at("context").at("ip"), "203.0.113.9");
}

TEST_F(IngestServiceTest, ABackendsAddressIsNotItsUsers) {
  Request request;
  request.remote = "198.51.100.4";
  EXPECT_EQ(Send(request).status, 200);
  EXPECT_FALSE(OnlyEvent(queue_, LogOf("acme")).at("context").contains("ip"));
}

TEST_F(IngestServiceTest, DirectAsksForTheCallersAddress) {
  Request request = With("/v1/track", R"({"userId":"u","event":"e","context":{"direct":true}})");
  request.remote = "198.51.100.4";
  EXPECT_EQ(Send(request).status, 200);
  const Json context = OnlyEvent(queue_, LogOf("acme")).at("context");
  EXPECT_EQ(context.at("ip"), "198.51.100.4");
  EXPECT_FALSE(context.contains("direct"));
}

Request PixelOf(std::string query) {
  Request request = With("/v1/pixel/track?" + std::move(query), "");
  request.method = "GET";
  request.headers.clear();
  return request;
}

void ExpectPicture(const Response& response) {
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "image/gif");
  EXPECT_TRUE(response.body.starts_with("GIF89a"));
}

TEST_F(IngestServiceTest, APixelStoresItsEventAndIsAPicture) {
  ExpectPicture(Send(PixelOf("data=" + common::Base64Encode(R"({"writeKey":"acme-key",
      "userId":"u","event":"Mail Opened","properties":{"subject":"ä"}})"))));
  const Json event = OnlyEvent(queue_, LogOf("acme"));
  EXPECT_EQ(event.at("type"), "track");
  EXPECT_EQ(event.at("properties").at("subject"), "ä");
  EXPECT_EQ(event.at("context").at("ip"), "127.0.0.1");
  EXPECT_FALSE(event.contains("writeKey"));
}

TEST_F(IngestServiceTest, APixelThatIsOnlyLookedAtIsNoEvent) {
  Request request = PixelOf("writeKey=acme-key&userId=u&event=e");
  request.method = "HEAD";
  ExpectPicture(Send(request));
  EXPECT_EQ(queue_.State(LogOf("acme")).tail, 0U);
}

TEST_F(IngestServiceTest, APixelTakesAQueryWithDots) {
  ExpectPicture(
      Send(PixelOf("writeKey=acme-key&userId=025&event=Mail%20Opened"
                   "&properties.subject=Hello+you&properties.campaign.id=7")));
  const Json event = OnlyEvent(queue_, LogOf("acme"));
  EXPECT_EQ(event.at("userId"), "025");
  EXPECT_EQ(event.at("properties"),
            Json::parse(R"({"subject":"Hello you","campaign":{"id":"7"}})"));
}

TEST_F(IngestServiceTest, APixelIsAPictureWhateverIsWrong) {
  for (const char* query : {"", "data=!!!", "data=bm90IGpzb24=", "writeKey=nobody&event=e",
                            "writeKey=acme-key&event=e"}) {
    ExpectPicture(Send(PixelOf(query)));
  }
  queue_.FailAppends(common::Error{common::ErrorCode::kIo, "why"});
  ExpectPicture(Send(PixelOf("writeKey=acme-key&event=e&userId=u")));
  EXPECT_EQ(queue_.State(LogOf("acme")).tail, 0U);
  EXPECT_EQ(Counter("ingest_requests_total", {{"route", "pixel"}, {"code", "401"}}), 2);
  EXPECT_EQ(Counter("ingest_requests_total", {{"route", "pixel"}, {"code", "503"}}), 1);
}

TEST(Pixel, HostileQueriesStaySmall) {
  EXPECT_FALSE(PixelEvent("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r=1"));
  EXPECT_EQ(*PixelEvent("a=1&a.b=2&%zz=3&&=4&bad=%ff"),
            "{\"\":\"4\",\"%zz\":\"3\",\"a\":{\"b\":\"2\"},\"bad\":\"\xEF\xBF\xBD\"}");
}

TEST(Query, DecodesWhatBrowsersEncode) {
  EXPECT_EQ(DecodeUrl("a%2Fb+c%", false), "a/b+c%");
  EXPECT_EQ(DecodeUrl("a+b%2", true), "a b%2");
  const auto pairs = ParseQuery("a=1&b&=2&c=x=y");
  ASSERT_EQ(pairs.size(), 4U);
  EXPECT_EQ(pairs[1], (std::pair<std::string, std::string>("b", "")));
  EXPECT_EQ(pairs[3].second, "x=y");
}

}  // namespace
}  // namespace gateway::ingest

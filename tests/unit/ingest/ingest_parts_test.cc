// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/strings.h"
#include "gateway/ingest/admission.h"
#include "gateway/ingest/answers.h"
#include "gateway/ingest/authenticate.h"
#include "gateway/ingest/routes.h"

namespace gateway::ingest {
namespace {

using Json = nlohmann::json;
using Kind = Credentials::Kind;

TEST(Routes, EveryPathOfTheContract) {
  using normalize::Route;
  struct Case {
    const char* path;
    Purpose purpose;
    Route call;
    bool client_side;
  };
  const Case cases[] = {
      {"/v1/track", Purpose::kEvents, Route::kTrack, false},
      {"/v1/identify", Purpose::kEvents, Route::kIdentify, false},
      {"/v1/group", Purpose::kEvents, Route::kGroup, false},
      {"/v1/page", Purpose::kEvents, Route::kPage, false},
      {"/v1/screen", Purpose::kEvents, Route::kScreen, false},
      {"/v1/alias", Purpose::kEvents, Route::kAlias, false},
      {"/v1/batch", Purpose::kEvents, Route::kBatch, false},
      {"/v1/import", Purpose::kEvents, Route::kBatch, false},
      {"/v1/t", Purpose::kEvents, Route::kTrack, true},
      {"/v1/i", Purpose::kEvents, Route::kIdentify, true},
      {"/v1/g", Purpose::kEvents, Route::kGroup, true},
      {"/v1/p", Purpose::kEvents, Route::kPage, true},
      {"/v1/s", Purpose::kEvents, Route::kScreen, true},
      {"/v1/a", Purpose::kEvents, Route::kAlias, true},
      {"/v1/b", Purpose::kEvents, Route::kBatch, true},
      {"/v1/m", Purpose::kSelfMetrics, Route::kBatch, true},
      {"/v1/validate", Purpose::kValidate, Route::kAny, false},
      {"/v1/pixel/track", Purpose::kPixel, Route::kTrack, true},
      {"/v1/pixel/alias", Purpose::kPixel, Route::kAlias, true},
  };
  for (const Case& c : cases) {
    for (const std::string& path : {std::string(c.path), std::string(c.path) + "/"}) {
      const auto target = FindTarget(path);
      ASSERT_TRUE(target) << path;
      EXPECT_EQ(target->purpose, c.purpose) << path;
      EXPECT_EQ(target->call, c.call) << path;
      EXPECT_EQ(target->client_side, c.client_side) << path;
    }
  }
  EXPECT_EQ(FindTarget("/v1/projects/acme%2Fkey/settings")->key, "acme%2Fkey");
  for (const char* path :
       {"/v1/Track", "/v1/track//", "/v1", "/", "", "//", "/v2/track", "/v1/pixel", "/v1/x",
        "/v1/projects//settings", "/v1/projects/a/b/settings", "/v1/projects/settings"}) {
    EXPECT_FALSE(FindTarget(path)) << path;
  }
}

TEST(Routes, EachHasANameForTheMetrics) {
  const std::pair<const char*, const char*> cases[] = {{"/v1/track", "track"},
                                                       {"/v1/b", "batch"},
                                                       {"/v1/a", "alias"},
                                                       {"/v1/validate", "validate"},
                                                       {"/v1/pixel/page", "pixel"},
                                                       {"/v1/m", "self_metrics"},
                                                       {"/v1/projects/k/settings", "settings"}};
  for (const auto& [path, name] : cases) {
    EXPECT_EQ(RouteName(RouteIndex(*FindTarget(path))), name) << path;
  }
}

TEST(Authorization, FormsThatClientsSend) {
  struct Case {
    std::string header;
    Kind kind;
    std::string key;
  };
  const Case cases[] = {
      {"", Kind::kNone, ""},
      {"Basic " + common::Base64Encode("key:"), Kind::kBasic, "key"},
      {"basic " + common::Base64Encode("key:"), Kind::kBasic, "key"},
      {"Basic  " + common::Base64Encode("key:"), Kind::kBasic, "key"},
      {"Basic " + common::Base64Encode("key"), Kind::kBasic, "key"},
      {"Basic " + common::Base64Encode("key:password"), Kind::kBasic, "key"},
      {"Basic " + common::Base64Encode(":"), Kind::kBasic, ""},
      {"Basic", Kind::kBasic, ""},
      {"Basic !!!", Kind::kMalformed, ""},
      {"Bearer abc", Kind::kUnsupported, ""},
      {"key", Kind::kUnsupported, ""},
  };
  for (const Case& c : cases) {
    const Credentials credentials = ParseAuthorization(c.header);
    EXPECT_EQ(credentials.kind, c.kind) << c.header;
    EXPECT_EQ(credentials.key, c.key) << c.header;
  }
}

TEST(Authorization, KeysAndTenants) {
  pipeline::Tenant acme;
  acme.id = "acme";
  acme.ingest_keys = {{.key = common::Secret("k1")}, {.key = common::Secret("k2")}};
  pipeline::Tenant globex;
  globex.id = "globex";
  globex.log = 1;
  globex.ingest_keys = {{.key = common::Secret("k3")}};
  const pipeline::TenantSnapshot tenants(
      {acme, globex}, {{.name = "backend", .log = 3, .key = common::Secret("svc")}});
  using Failure = Identity::Failure;
  struct Case {
    const char* key;
    const char* tenant_header;
    const char* tenant;
    Failure failure;
  };
  const Case cases[] = {
      {"k1", "", "acme", Failure::kNone},
      {"k2", "globex", "acme", Failure::kNone},  // An ingest key's tenant is fixed.
      {"k3", "", "globex", Failure::kNone},
      {"", "", nullptr, Failure::kUnknownKey},
      {"K1", "", nullptr, Failure::kUnknownKey},
      {"svc", "", nullptr, Failure::kNone},  // Each event says whose it is.
      {"svc", "globex", "globex", Failure::kNone},
      {"svc", "initech", nullptr, Failure::kTenantUnknown},
  };
  for (const Case& c : cases) {
    const Identity identity = Identify(tenants, c.key, c.tenant_header);
    EXPECT_EQ(identity.failure, c.failure) << c.key << "/" << c.tenant_header;
    EXPECT_EQ(identity.tenant == nullptr ? "" : identity.tenant->id, c.tenant ? c.tenant : "");
    EXPECT_EQ(identity.service != nullptr, std::string(c.key) == "svc");
    EXPECT_EQ(identity.key != nullptr, identity.tenant != nullptr && std::string(c.key) != "svc");
  }
}

TEST(Authorization, AServiceMayIgnoreTenantsThatNobodyConfigured) {
  const pipeline::TenantSnapshot tenants({},
                                         {{.name = "backend",
                                           .log = 3,
                                           .key = common::Secret("svc"),
                                           .unknown_tenant = pipeline::UnknownTenant::kIgnore}});
  const Identity identity = Identify(tenants, "svc", "initech");
  EXPECT_EQ(identity.failure, Identity::Failure::kNone);
  EXPECT_TRUE(identity.nobodys);
  EXPECT_EQ(identity.tenant, nullptr);
}

TEST(Authorization, WhoseMessageIdsAreScoped) {
  using pipeline::MessageIds;
  struct Case {
    MessageIds key;
    MessageIds tenant;
    bool tenant_key;
    bool service_key;
  };
  const Case cases[] = {
      {MessageIds::kAuto, MessageIds::kAuto, false, true},
      {MessageIds::kAuto, MessageIds::kKeep, false, false},
      {MessageIds::kAuto, MessageIds::kScoped, true, true},
      {MessageIds::kKeep, MessageIds::kScoped, false, false},
      {MessageIds::kScoped, MessageIds::kKeep, true, true},
  };
  for (const Case& c : cases) {
    pipeline::Tenant tenant{.id = "acme", .message_ids = c.tenant};
    const pipeline::IngestKey key{.message_ids = c.key};
    const pipeline::ServiceKey service{.message_ids = c.key};
    EXPECT_EQ((Identity{.tenant = &tenant, .key = &key}).ScopesIdsFor(tenant), c.tenant_key);
    EXPECT_EQ((Identity{.service = &service}).ScopesIdsFor(tenant), c.service_key);
  }
}

constexpr Admission::Account kTenant = 1;
constexpr Admission::Account kOther = 2;

Admission Always(std::uint64_t bytes) {
  return Admission(bytes, [] { return std::nullopt; });
}

TEST(Admission, BoundsTheBytesInFlightAndGivesThemBack) {
  Admission admission = Always(1'000);
  for (Admission::Account account = 1; account <= 4; ++account) {
    EXPECT_FALSE(admission.TryReserve(account, 250));
  }
  const auto refusal = admission.TryReserve(5, 1);
  ASSERT_TRUE(refusal);
  EXPECT_STREQ(refusal->code, "overloaded");
  admission.Release(4, 250);
  EXPECT_EQ(admission.in_flight_bytes(), 750U);
  {
    EXPECT_FALSE(admission.TryReserve(5, 250));
    Reservation first(admission, 5, 250);
    Reservation second = std::move(first);
    EXPECT_EQ(first.bytes(), 0U);  // NOLINT(bugprone-use-after-move): nothing is held there.
    EXPECT_EQ(second.bytes(), 250U);
    EXPECT_EQ(admission.in_flight_bytes(), 1'000U);
  }
  EXPECT_EQ(admission.in_flight_bytes(), 750U);
}

TEST(Admission, AFloodOfOneTenantLeavesRoomForTheOthers) {
  Admission admission = Always(1'000);
  int taken = 0;
  while (!admission.TryReserve(kTenant, 10)) ++taken;
  EXPECT_EQ(taken, 25) << "a quarter";
  EXPECT_FALSE(admission.TryReserve(kOther, 200));
}

TEST(Admission, BodiesThatAreAnnouncedWithoutAKeyLeaveRoomForTheOthers) {
  Admission admission = Always(1'000);
  int taken = 0;
  while (!admission.TryReserve(Admission::kNoKey, 5)) ++taken;
  EXPECT_EQ(taken, 25) << "an eighth";
  EXPECT_FALSE(admission.TryReserve(kTenant, 250));
}

TEST(Admission, OneRequestIsAlwaysLetIn) {
  Admission admission = Always(1'000);
  EXPECT_FALSE(admission.TryReserve(kTenant, 900));
  EXPECT_TRUE(admission.TryReserve(kTenant, 1));
}

TEST(Admission, AKeyInTheBodyMovesTheBytesToItsTenant) {
  Admission admission = Always(1'000);
  ASSERT_FALSE(admission.TryReserve(Admission::kNoKey, 120));
  Reservation reservation(admission, Admission::kNoKey, 120);
  ASSERT_FALSE(reservation.MoveTo(kTenant));
  EXPECT_FALSE(admission.TryReserve(Admission::kNoKey, 120)) << "that account is free again";
  EXPECT_TRUE(admission.TryReserve(kTenant, 200)) << "and this one is charged";

  Reservation late(admission, Admission::kNoKey, 120);
  ASSERT_FALSE(admission.TryReserve(kOther, 240));
  EXPECT_TRUE(late.MoveTo(kOther)) << "no room there";
  EXPECT_EQ(admission.in_flight_bytes(), 360U) << "what is refused is given back";
}

TEST(Admission, ABodyThatGrowsTakesWhatItMisses) {
  Admission admission = Always(1'000);
  ASSERT_FALSE(admission.TryReserve(kTenant, 10));
  Reservation reservation(admission, kTenant, 10);
  EXPECT_FALSE(reservation.Resize(200));
  EXPECT_EQ(admission.in_flight_bytes(), 200U);
  EXPECT_FALSE(reservation.Resize(300)) << "alone it may pass a tenant's quarter";
  ASSERT_TRUE(admission.TryReserve(kTenant, 1));
  EXPECT_FALSE(reservation.Resize(1'001)) << "or the whole, or it would be refused for ever";
  EXPECT_FALSE(reservation.Resize(300));
  ASSERT_FALSE(admission.TryReserve(kOther, 100));
  EXPECT_TRUE(reservation.Resize(901)) << "but not beside another";
  EXPECT_EQ(admission.in_flight_bytes(), 400U);
  admission.Release(kOther, 100);
  EXPECT_FALSE(reservation.Resize(50));
  EXPECT_EQ(admission.in_flight_bytes(), 50U);
  ASSERT_FALSE(admission.TryReserve(kTenant, 10));
  EXPECT_TRUE(reservation.Resize(300)) << "beside another its tenant's quarter is the bound";
  admission.Release(kTenant, 10);
  reservation.Release();
  EXPECT_EQ(admission.in_flight_bytes(), 0U);
}

TEST(Admission, RefusesWhileNothingCanBeStoredAndWhileDraining) {
  std::optional<Admission::Refusal> problem =
      Admission::Refusal{"storage_unavailable", "disk", "disk full"};
  Admission admission(1'000, [&] { return problem; });
  EXPECT_STREQ(admission.TryReserve(kTenant, 1)->code, "storage_unavailable");
  EXPECT_EQ(admission.TryReserve(kTenant, 1)->message, "disk full");
  problem.reset();
  EXPECT_FALSE(admission.TryReserve(kTenant, 1));
  admission.StartDraining();
  EXPECT_STREQ(admission.TryReserve(kTenant, 1)->code, "shutting_down");
}

TEST(Admission, HoldsItsBoundUnderConcurrency) {
  Admission admission = Always(40);
  std::atomic<int> inside{0};
  std::atomic<int> worst{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        if (admission.TryReserve(kTenant, 5)) continue;
        const int now = ++inside;
        int seen = worst.load();
        while (now > seen && !worst.compare_exchange_weak(seen, now)) {
        }
        --inside;
        admission.Release(kTenant, 5);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE(worst.load(), 2);
  EXPECT_EQ(admission.in_flight_bytes(), 0U);
}

TEST(Answers, SuccessIsExactlyWhatSegmentAnswers) {
  const auto response = Success();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(response.body, R"({"success":true})");
}

TEST(Answers, RefusedEventsAreListed) {
  const auto response = PartialSuccess(
      2, {{.index = 1, .code = "no_user_anon_id", .message = "a \"quote\"", .event = ""}});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(Json::parse(response.body), Json::parse(R"({"success":true,"accepted":2,"rejected":[
                {"index":1,"code":"no_user_anon_id","message":"a \"quote\""}]})"));
}

TEST(Answers, StrictModeSaysWhichEventsWereRefused) {
  const std::vector<normalize::Rejection> rejected = {
      {.index = 1, .code = "no_user_anon_id", .message = "why", .event = ""}};
  const auto batch = StrictRefusal(3, rejected);
  EXPECT_EQ(batch.status, 400);
  const Json json = Json::parse(batch.body);
  EXPECT_EQ(json.at("success"), false);
  EXPECT_EQ(json.at("code"), "events_refused");
  EXPECT_EQ(json.at("message"), json.at("error"));
  EXPECT_EQ(json.at("rejected"), Json::parse(R"([{"index":1,"code":"no_user_anon_id",
                                                  "message":"why"}])"));
  EXPECT_EQ(Json::parse(StrictRefusal(1, rejected).body).at("code"), "no_user_anon_id");
}

TEST(Answers, ErrorsHaveWhatEveryClientReads) {
  const auto response = Refusal(400, "payload_too_large", "Exceed payload limit");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(Json::parse(response.body), (Json{{"success", false},
                                              {"code", "payload_too_large"},
                                              {"message", "Exceed payload limit"},
                                              {"error", "Exceed payload limit"}}));
}

TEST(Answers, OverloadSaysWhenToComeBack) {
  for (const int status : {429, 503}) {
    const auto response = RefusalForNow(status, "overloaded", "later", 7);
    std::string retry_after;
    std::string reset;
    for (const auto& [name, value] : response.headers) {
      if (name == "Retry-After") retry_after = value;
      if (name == "X-RateLimit-Reset") reset = value;
    }
    EXPECT_EQ(retry_after, "7");
    EXPECT_EQ(reset, status == 429 ? "7" : "");
  }
}

}  // namespace
}  // namespace gateway::ingest

// SPDX-License-Identifier: Apache-2.0
#include "gateway/sandbox/faults.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace gateway::sandbox {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

FaultEngine EngineOf(const std::string& rules) {
  FaultEngine engine;
  auto update = ParseFaultUpdate(rules);
  EXPECT_TRUE(update) << (update ? "" : update.error().message);
  if (update) engine.Apply(*std::move(update));
  return engine;
}

TEST(FaultUpdate, SaysWhatIsWrong) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"", "not JSON"},
      {"{", "not JSON"},
      {"7", "a fault is a JSON object"},
      {"[7]", "fault 0: a fault is a JSON object"},
      {"{}", "does nothing"},
      {R"({"write_key":"k"})", "does nothing"},
      {R"({"hang":false})", "does nothing"},
      {R"({"stauts":503})", "unknown member 'stauts'; a fault has id, write_key"},
      {R"({"status":"503"})", "'status' must be an HTTP status from 200 to 599; got \"503\""},
      {R"({"status":99})", "'status' must be"},
      {R"({"status":600})", "'status' must be"},
      {R"({"status":503.5})", "'status' must be"},
      {R"({"status":503,"probability":1.5})", "'probability' must be a number from 0 to 1"},
      {R"({"status":503,"probability":"often"})", "'probability' must be"},
      {R"({"status":503,"count":0})", "'count' must be a whole number of requests, 1 or more"},
      {R"({"status":503,"count":-1})", "'count' must be"},
      {R"({"latency_ms":-5})", "'latency_ms' must be a whole number of milliseconds"},
      {R"({"latency_ms":600001})", "'latency_ms' must be"},
      {R"({"latency_ms":"30ms"})", "got \"30ms\""},
      {R"({"latency_ms":1,"latency_jitter_ms":0.5})", "'latency_jitter_ms' must be"},
      {R"({"reset":true})", "'reset' must be \"before_body\" or \"after_body\""},
      {R"({"hang":1})", "'hang' must be true or false"},
      {R"({"drop_response":"yes"})", "'drop_response' must be"},
      {R"({"status":503,"retry_after":"a\nb"})", "'retry_after' must be"},
      {R"({"status":503,"retry_after":[]})", "'retry_after' must be"},
      {R"({"status":503,"body":5})", "'body' must be"},
      {R"({"status":503,"id":""})", "'id' must be a non-empty string"},
      {R"({"status":503,"write_key":null})", "'write_key' must be"},
      {R"({"status":503,"hang":true})", "only one of"},
      {R"({"reset":"after_body","drop_response":true})", "only one of"},
      {R"({"hang":true,"retry_after":"1"})", "need a 'status'"},
      {R"({"reset":"before_body","message_id":"m"})", "'message_id' is in the body"},
      {R"([{"status":500},{"status":1}])", "fault 1: 'status' must be"},
  };
  for (const auto& c : cases) {
    const auto update = ParseFaultUpdate(c.text);
    ASSERT_FALSE(update) << c.text;
    EXPECT_EQ(update.error().code, common::ErrorCode::kInvalidArgument);
    EXPECT_THAT(update.error().message, HasSubstr(c.message)) << c.text;
  }
}

TEST(FaultEngine, TheFirstRuleThatMatchesApplies) {
  FaultEngine engine = EngineOf(R"([
      {"id":"poison","message_id":"m-5","status":400},
      {"id":"mine","write_key":"k1","status":503},
      {"id":"all","status":429,"retry_after":7}])");
  common::FastRandom random(1);
  EXPECT_EQ(engine.Decide("k1", {"m-1"}, random)->id, "mine");
  EXPECT_EQ(engine.Decide("k1", {"m-1", "m-5"}, random)->id, "poison");
  const auto all = engine.Decide("k2", {}, random);
  ASSERT_TRUE(all);
  EXPECT_EQ(all->id, "all");
  EXPECT_EQ(all->status, 429);
  EXPECT_EQ(all->retry_after, "7");
  EXPECT_FALSE(all->takes_events());
}

TEST(FaultEngine, ARuleStopsAfterItsCount) {
  FaultEngine engine = EngineOf(R"([{"status":500,"count":2},{"status":503,"count":1}])");
  common::FastRandom random(1);
  EXPECT_EQ(engine.Decide("k", {}, random)->status, 500);
  EXPECT_EQ(engine.Decide("k", {}, random)->status, 500);
  EXPECT_EQ(engine.Decide("k", {}, random)->status, 503);
  EXPECT_FALSE(engine.Decide("k", {}, random));
  const json shown = json::parse(engine.Render());
  EXPECT_EQ(shown["result"][0]["applied"], 2);
  EXPECT_EQ(shown["result"][0]["count"], 0);
}

TEST(FaultEngine, ProbabilityIsKeptAndRepeatsWithTheSeed) {
  const auto draw = [](std::uint64_t seed) {
    FaultEngine engine = EngineOf(R"([{"status":500,"probability":0.3},{"status":503}])");
    common::FastRandom random(seed);
    std::string statuses;
    for (int i = 0; i < 2000; ++i) {
      statuses += engine.Decide("k", {}, random)->status == 500 ? '1' : '0';
    }
    return statuses;
  };
  const std::string first = draw(42);
  const auto hits = std::count(first.begin(), first.end(), '1');
  EXPECT_GT(hits, 500);
  EXPECT_LT(hits, 700);
  EXPECT_EQ(first, draw(42));
  EXPECT_NE(first, draw(43));
}

TEST(FaultEngine, ProbabilityZeroNeverAppliesAndOneAlways) {
  FaultEngine never = EngineOf(R"({"status":500,"probability":0})");
  FaultEngine always = EngineOf(R"({"status":500,"probability":1})");
  common::FastRandom random(1);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(never.Decide("k", {}, random));
    EXPECT_TRUE(always.Decide("k", {}, random));
  }
}

TEST(FaultEngine, LatencyAndJitterAddUp) {
  FaultEngine engine = EngineOf(R"({"latency_ms":200,"latency_jitter_ms":50})");
  common::FastRandom random(1);
  std::int64_t least = INT64_MAX;
  std::int64_t most = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto fault = engine.Decide("k", {}, random);
    ASSERT_TRUE(fault);
    EXPECT_TRUE(fault->takes_events());
    least = std::min<std::int64_t>(least, fault->delay.count());
    most = std::max<std::int64_t>(most, fault->delay.count());
  }
  EXPECT_EQ(least, 200);
  EXPECT_EQ(most, 250);
}

TEST(FaultEngine, ActionsSayWhetherEventsAreTaken) {
  const struct {
    const char* rule;
    FaultAction action;
    bool takes;
    int delay_ms;
  } cases[] = {
      {R"({"hang":true})", FaultAction::kHang, false, 60'000},
      {R"({"hang":true,"latency_ms":5})", FaultAction::kHang, false, 5},
      {R"({"reset":"after_body"})", FaultAction::kResetAfterBody, false, 0},
      {R"({"drop_response":true})", FaultAction::kDropResponse, true, 0},
      {R"({"status":200,"body":{"success":false}})", FaultAction::kAnswer, true, 0},
      {R"({"status":302})", FaultAction::kAnswer, false, 0},
      {R"({"status":500,"latency_ms":9})", FaultAction::kAnswer, false, 9},
  };
  for (const auto& c : cases) {
    FaultEngine engine = EngineOf(c.rule);
    common::FastRandom random(1);
    const auto fault = engine.Decide("k", {}, random);
    ASSERT_TRUE(fault) << c.rule;
    EXPECT_EQ(fault->action, c.action) << c.rule;
    EXPECT_EQ(fault->takes_events(), c.takes) << c.rule;
    EXPECT_EQ(fault->delay.count(), c.delay_ms) << c.rule;
  }
}

TEST(FaultEngine, OnlyResetsBeforeTheBodyAreDecidedAtTheHead) {
  FaultEngine engine = EngineOf(
      R"([{"status":500},{"id":"early","write_key":"k1","reset":"before_body","count":1}])");
  common::FastRandom random(1);
  EXPECT_FALSE(engine.DecideAtHead("k2", random));
  EXPECT_FALSE(engine.DecideAtHead("", random));
  EXPECT_EQ(engine.DecideAtHead("k1", random)->id, "early");
  EXPECT_FALSE(engine.DecideAtHead("k1", random)) << "its count is used up";
  EXPECT_EQ(engine.Decide("k1", {}, random)->status, 500);
}

TEST(FaultEngine, AnObjectAddsOrReplacesAndAnArrayReplacesAll) {
  FaultEngine engine = EngineOf(R"({"status":500})");
  engine.Apply(*ParseFaultUpdate(R"({"id":"x","status":501})"));
  engine.Apply(*ParseFaultUpdate(R"({"id":"fault-1","status":502})"));
  json shown = json::parse(engine.Render())["result"];
  ASSERT_EQ(shown.size(), 2U);
  EXPECT_EQ(shown[0]["status"], 502) << "replaced in its place";
  EXPECT_EQ(shown[1]["id"], "x");
  EXPECT_TRUE(engine.Remove("x"));
  EXPECT_FALSE(engine.Remove("x"));
  engine.Apply(*ParseFaultUpdate(R"([{"status":503}])"));
  shown = json::parse(engine.Render())["result"];
  ASSERT_EQ(shown.size(), 1U);
  EXPECT_EQ(shown[0]["status"], 503);
  engine.Apply(*ParseFaultUpdate("[]"));
  EXPECT_TRUE(engine.empty());
}

TEST(FaultEngine, WhatIsShownCanBePutBack) {
  const std::string rules = R"([{"id":"a","write_key":"k","message_id":"m","status":503,
      "retry_after":"7","body":"text","probability":0.5,"count":3,"latency_ms":1,
      "latency_jitter_ms":2},{"id":"b","hang":true},{"id":"c","reset":"before_body"},
      {"id":"d","reset":"after_body"},{"id":"e","drop_response":true}])";
  FaultEngine engine = EngineOf(rules);
  json shown = json::parse(engine.Render())["result"];
  for (json& rule : shown) rule.erase("applied");
  FaultEngine again = EngineOf(shown.dump());
  EXPECT_EQ(again.Render(), engine.Render());
}

}  // namespace
}  // namespace gateway::sandbox

// SPDX-License-Identifier: Apache-2.0
//
// The whole delivery half in one thread and in virtual time.
#include "gateway/deliver/pump.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/strings.h"
#include "tests/unit/deliver/pump_fixture.h"

namespace gateway::deliver {
namespace {

TEST_F(PumpTest, SendsWhatIsDueWithKeyAndFreshSentAtAndSettlesIt) {
  const LogId log = AddTenant("acme", pipeline::TenantMode::kEnabled);
  Start();
  Append(log, 2);
  Append(log, 1);
  EXPECT_TRUE(transport_.in_flight.empty());
  Pass(1s);
  ASSERT_EQ(transport_.in_flight.size(), 1U);
  Pass(3s);
  const auto request = AnswerStatus(200);
  EXPECT_EQ(request.path, "/v1/batch");
  EXPECT_EQ(request.basic_user.Reveal(), "secret-of-acme");
  EXPECT_EQ(request.retry_count, 0U);
  EXPECT_EQ(request.timeout, 15s);
  EXPECT_EQ(request.body, R"({"batch":[{"messageId":"m0"},{"messageId":"m1"},{"messageId":"m2"}],)"
                          R"("writeKey":"secret-of-acme","sentAt":")" +
                              common::FormatTimestamp(tests::FakeClock::kStart + 1s) + R"("})");
  EXPECT_EQ(queue_.State(log).pending(), 0U);
  EXPECT_EQ(queue_.StoredChunks(log), 0U);
  EXPECT_EQ(Metric("delivery_events_total", "delivered"), 3);
  EXPECT_EQ(Pending(), 0);
}

TEST_F(PumpTest, ARetryKeepsTheIdsGrowsTheWaitAndCountsItself) {
  const LogId log = AddTenant("acme", pipeline::TenantMode::kEnabled);
  Start();
  Append(log, 2);
  Pass(1s);
  const auto first = AnswerStatus(503);
  EXPECT_TRUE(transport_.in_flight.empty());
  Pass(499ms);
  EXPECT_TRUE(transport_.in_flight.empty());
  Pass(1ms);
  ASSERT_EQ(transport_.in_flight.size(), 1U);
  const auto second = AnswerStatus(500);
  Pass(999ms);
  EXPECT_TRUE(transport_.in_flight.empty());
  Pass(1ms);
  const auto third = AnswerStatus(200);
  EXPECT_EQ(Ids(first), Ids(second));
  EXPECT_EQ(Ids(first), Ids(third));
  EXPECT_EQ(second.retry_count, 1U);
  EXPECT_EQ(third.retry_count, 2U);
  EXPECT_NE(first.body, second.body) << "sentAt must be fresh";
  EXPECT_EQ(queue_.State(log).pending(), 0U);
}

TEST_F(PumpTest, AThrottledTenantWaitsAndItsNeighbourDoesNot) {
  const LogId slow = AddTenant("slow", pipeline::TenantMode::kEnabled);
  const LogId calm = AddTenant("calm", pipeline::TenantMode::kEnabled);
  Start();
  Append(slow, 1, "slow");
  Pass(1s);
  pipeline::IncomingResponse throttled;
  throttled.status = 429;
  throttled.retry_after = "7";
  transport_.Answer(throttled);
  Drain();
  Append(calm, 1, "calm");
  Pass(6'999ms);
  ASSERT_EQ(transport_.in_flight.size(), 1U);
  EXPECT_EQ(AnswerStatus(200).basic_user.Reveal(), "secret-of-calm");
  Pass(1ms);
  ASSERT_EQ(transport_.in_flight.size(), 1U);
  EXPECT_EQ(AnswerStatus(200).basic_user.Reveal(), "secret-of-slow");
}

TEST_F(PumpTest, ARefusedKeyHoldsTheTenantUntilAProbeSucceeds) {
  const LogId log = AddTenant("acme", pipeline::TenantMode::kEnabled);
  Start();
  Append(log, 1);
  Pass(1s);
  AnswerStatus(401);
  EXPECT_EQ(Metric("tenants_held"), 1);
  EXPECT_EQ(queue_.State(log).retry.hold, pipeline::HoldReason::kWriteKeyRefused);
  Append(log, 500);
  Pass(59s);
  EXPECT_TRUE(transport_.in_flight.empty());
  Pass(1s);
  ASSERT_EQ(transport_.in_flight.size(), 1U);
  AnswerStatus(200);
  EXPECT_EQ(Metric("tenants_held"), 0);
  while (!transport_.in_flight.empty()) AnswerStatus(200);
  EXPECT_EQ(queue_.State(log).pending(), 0U);
}

TEST_F(PumpTest, AnEndpointThatIsDownGetsOneRequestAtATimeUntilItIsBack) {
  std::vector<LogId> logs;
  for (int i = 0; i < 20; ++i) {
    logs.push_back(AddTenant(fmt::format("t{}", i), pipeline::TenantMode::kEnabled));
  }
  Start();
  for (const LogId log : logs) Append(log, 3);
  Pass(1s);
  ASSERT_EQ(transport_.in_flight.size(), 8U);
  int failed = 0;
  for (; !transport_.in_flight.empty(); ++failed) AnswerStatus(503);
  EXPECT_EQ(Metric("endpoints_down"), 1);
  EXPECT_EQ(failed, 10) << "two more had started before the third failed";
  int probes = 0;
  for (int second = 0; second < 300; ++second) {
    Pass(1s);
    ASSERT_LE(transport_.in_flight.size(), 1U);
    if (transport_.in_flight.empty()) continue;
    ++probes;
    AnswerStatus(503);
  }
  EXPECT_GE(probes, 10) << "who has not failed asks soon";
  EXPECT_LE(probes, 10 + 300 / 30 + 5);
  while (transport_.in_flight.empty()) Pass(1s);
  AnswerStatus(200);
  EXPECT_EQ(Metric("endpoints_down"), 0);
  for (int i = 0; i < 10'000; ++i) {
    while (!transport_.in_flight.empty()) AnswerStatus(200);
    Pass(100ms);
  }
  for (const LogId log : logs) EXPECT_EQ(queue_.State(log).pending(), 0U);
}

TEST_F(PumpTest, ATenantWhoseEventsAreAllRefusedIsHeldAndNotEmptied) {
  options_.delivery.max_refused_in_a_row = 5;
  const LogId log = AddTenant("acme", pipeline::TenantMode::kEnabled);
  Start();
  Append(log, 50);
  Pass(1s);
  int sent = 0;
  while (!transport_.in_flight.empty() && ++sent < 100) AnswerStatus(400);
  EXPECT_EQ(queue_.State(log).dead, 5U);
  EXPECT_EQ(Metric("tenants_held", "events_refused"), 1);
  for (int i = 0; i < 10; ++i) {
    Pass(60s);
    ASSERT_EQ(transport_.in_flight.size(), 1U);
    EXPECT_EQ(Ids(AnswerStatus(400)), std::vector<std::string>{"m5"});
  }
  Start();
  Pass(60s);
  EXPECT_EQ(Ids(AnswerStatus(400)), std::vector<std::string>{"m5"}) << "also after a restart";
  EXPECT_EQ(queue_.State(log).dead, 5U);
  Pass(60s);
  while (!transport_.in_flight.empty()) AnswerStatus(200);
  EXPECT_EQ(queue_.State(log).delivered(), 45U);
  EXPECT_EQ(queue_.State(log).retry.hold, pipeline::HoldReason::kNone);
}

TEST_F(PumpTest, ATenantsOwnPolicyIsUsed) {
  AddTenant("usual", pipeline::TenantMode::kEnabled);
  const LogId log = AddTenant("own", pipeline::TenantMode::kEnabled);
  pipeline::DeliveryPolicy own = options_.delivery;
  own.max_batch_events = 2;
  own.backoff.initial = 7s;
  own.request_timeout = 3s;
  specs_.back().delivery = std::make_shared<const pipeline::DeliveryPolicy>(own);
  Start();
  Append(log, 2);
  ASSERT_EQ(transport_.in_flight.size(), 1U) << "a full batch goes at once";
  EXPECT_EQ(AnswerStatus(500).timeout, 3s);
  Pass(6'999ms);
  EXPECT_TRUE(transport_.in_flight.empty());
  Pass(1ms);
  EXPECT_EQ(transport_.in_flight.size(), 1U);
}

TEST_F(PumpTest, OnePoisonEventGoesToTheDeadLettersAndTheRestGetsThrough) {
  const LogId log = AddTenant("acme", pipeline::TenantMode::kEnabled);
  Start();
  Append(log, 8);
  Pass(1s);
  std::vector<std::string> delivered;
  int guard = 0;
  while (!transport_.in_flight.empty() && ++guard < 100) {
    const auto ids = Ids(transport_.in_flight.front().request);
    const bool poisoned = std::find(ids.begin(), ids.end(), "m5") != ids.end();
    AnswerStatus(poisoned ? 400 : 200, poisoned ? "bad, said secret-of-acme" : "");
    if (!poisoned) delivered.insert(delivered.end(), ids.begin(), ids.end());
  }
  EXPECT_EQ(delivered, (std::vector<std::string>{"m0", "m1", "m2", "m3", "m4", "m6", "m7"}));
  const auto letters = queue_.DeadLetters(log);
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].event, R"({"messageId":"m5"})");
  EXPECT_EQ(letters[0].message, "bad, said ***") << "an answer that quotes the key is redacted";
  EXPECT_EQ(queue_.State(log).dead, 1U);
  EXPECT_EQ(queue_.State(log).delivered(), 7U);
  EXPECT_EQ(Metric("delivery_events_total", "dead"), 1);
}

TEST_F(PumpTest, AnEventThatGrewPastSegmentsLimitIsSentAlone) {
  options_.delivery.max_batch_bytes = 500'000;
  const LogId log = AddTenant("acme", pipeline::TenantMode::kEnabled);
  Start();
  const auto sized = [](const std::string& id, std::size_t bytes) {
    std::string text = R"({"messageId":")" + id + R"(","f":""})";
    return text.insert(text.size() - 2, bytes - text.size(), 'x');
  };
  ASSERT_TRUE(queue_.AppendTexts(log,
                                 {sized("before", 32'768), sized("beside", 50),
                                  sized("grown", 32'769), sized("after", 32'768)},
                                 clock_.Wall()));
  Drain();
  Pass(1s);
  EXPECT_EQ(Ids(AnswerStatus(200)), (std::vector<std::string>{"before", "beside"}));
  EXPECT_EQ(Ids(AnswerStatus(400)), std::vector<std::string>{"grown"});
  EXPECT_EQ(Ids(AnswerStatus(200)), std::vector<std::string>{"after"});
  EXPECT_EQ(queue_.State(log).dead, 1U);
}

TEST_F(PumpTest, AnAnswerThatQuotesTheKeyIsRedactedBeforeItIsCut) {
  const std::string answers[] = {std::string(250, 'x') + "secret-of-acme",
                                 "Authorization: Basic " + common::Base64Encode("secret-of-acme:"),
                                 common::Base64Encode("secret-of-acme") + " refused"};
  const LogId log = AddTenant("acme", pipeline::TenantMode::kEnabled);
  Start();
  for (const std::string& answer : answers) {
    Append(log, 1);
    Pass(1s);
    ASSERT_EQ(transport_.in_flight.size(), 1U);
    AnswerStatus(422, answer);
    const std::string message = queue_.DeadLetters(log).back().message;
    EXPECT_NE(message.find("***"), std::string::npos) << message;
    EXPECT_EQ(message.find("secret"), std::string::npos) << message;
    EXPECT_EQ(message.find("c2VjcmV0"), std::string::npos) << message;
  }
}

TEST_F(PumpTest, APausedTenantIsStoredAndHeld) {
  const LogId log = AddTenant("acme", pipeline::TenantMode::kPaused);
  Start();
  Append(log, 500);
  Pass(1h);
  EXPECT_TRUE(transport_.in_flight.empty());
  EXPECT_EQ(Pending(), 500);
}

TEST_F(PumpTest, ATenantSwitchedOffWithABacklogIsKeptAndCounted) {
  const LogId log = AddTenant("acme", pipeline::TenantMode::kNotForwarded);
  ASSERT_TRUE(queue_.AppendTexts(log, {R"({"messageId":"m"})"}, clock_.Wall()));
  Start();
  Pass(60s);
  EXPECT_TRUE(transport_.in_flight.empty());
  EXPECT_EQ(queue_.State(log).pending(), 1U);
  EXPECT_EQ(Metric("tenants_switched_off"), 1);
}

TEST_F(PumpTest, ARestartKeepsTheRetryTimeAndTheCount) {
  const LogId log = AddTenant("acme", pipeline::TenantMode::kEnabled);
  Start();
  Append(log, 3);
  Pass(1s);
  AnswerStatus(200);
  Append(log, 2);
  Pass(1s);
  pipeline::IncomingResponse throttled;
  throttled.status = 429;
  throttled.retry_after = "30";
  transport_.Answer(throttled);
  Drain();

  prometheus::Registry fresh;
  alarm_.reset();
  pump_ = std::make_unique<Pump>(
      options_, clock_, random_, queue_, transport_, view_,
      [this](std::function<void()> f) { posted_.push_back(std::move(f)); },
      [this](common::SteadyTime at) { alarm_ = at; }, fresh);
  pump_->Start({queue_.State(log)});
  Drain();
  Pass(29s);
  EXPECT_TRUE(transport_.in_flight.empty());
  Pass(1s);
  ASSERT_EQ(transport_.in_flight.size(), 1U);
  const auto request = AnswerStatus(200);
  EXPECT_EQ(Ids(request), (std::vector<std::string>{"m3", "m4"}));
  EXPECT_EQ(request.retry_count, 1U);
}

TEST_F(PumpTest, AStoredWaitOfAClockThatWasPutBackIsOver) {
  using pipeline::HoldReason;
  const auto add = [&](const std::string& tenant, HoldReason hold, common::Duration wait) {
    pipeline::Settlement settlement;
    settlement.log = AddTenant(tenant, pipeline::TenantMode::kEnabled);
    settlement.retry.attempts = 1;
    settlement.retry.hold = hold;
    settlement.retry.not_before =
        clock_.Wall() + std::chrono::ceil<std::chrono::milliseconds>(wait);
    ASSERT_TRUE(queue_.AppendTexts(settlement.log, {R"({"messageId":"a"})"}, clock_.Wall()));
    queue_.Settle(settlement, [](const common::Status&) {});
  };
  const common::Duration backoff = options_.delivery.backoff.max * 2;
  const common::Duration probe = options_.delivery.hold_probe_interval;
  add("backoff-until-tomorrow", HoldReason::kNone, 24h);
  add("longer-than-any-backoff", HoldReason::kNone, backoff + 1ms);
  add("longer-than-any-hold", HoldReason::kWriteKeyRefused, probe + 1ms);
  add("backoff", HoldReason::kNone, backoff);
  add("hold", HoldReason::kWriteKeyRefused, probe);
  Start();
  Pass(1s);
  EXPECT_EQ(transport_.in_flight.size(), 3U) << "waits that this clock did not make";
  Pass(probe);
  EXPECT_EQ(transport_.in_flight.size(), 4U);
  Pass(backoff);
  EXPECT_EQ(transport_.in_flight.size(), 5U);
}

TEST_F(PumpTest, AQueueThatRefusesSettlementsStopsTheLaneAndIsAskedAgain) {
  const LogId log = AddTenant("acme", pipeline::TenantMode::kEnabled);
  Start();
  Append(log, 1);
  Pass(1s);
  queue_.FailSettles(common::Error{common::ErrorCode::kIo, "disk full"});
  AnswerStatus(200);
  Append(log, 200);
  Pass(10s);
  EXPECT_TRUE(transport_.in_flight.empty()) << "nothing goes while it could not be recorded";
  queue_.FailSettles(std::nullopt);
  Pass(1s);
  EXPECT_EQ(queue_.State(log).cursor.next(), 1U) << "what was delivered is recorded at last";
  ASSERT_EQ(transport_.in_flight.size(), 1U);
  EXPECT_EQ(Ids(transport_.in_flight.front().request).front(), "m1");
}

TEST_F(PumpTest, AFailedReadIsTriedAgain) {
  const LogId log = AddTenant("acme", pipeline::TenantMode::kEnabled);
  Start();
  queue_.FailReads(common::Error{common::ErrorCode::kIo, "disk"});
  Append(log, 1);
  Pass(5s);
  EXPECT_TRUE(transport_.in_flight.empty());
  queue_.FailReads(std::nullopt);
  Pass(1s);
  EXPECT_EQ(transport_.in_flight.size(), 1U);
}

TEST_F(PumpTest, ADamagedRecordIsPassedAndTheRestFlows) {
  const LogId log = AddTenant("acme", pipeline::TenantMode::kEnabled);
  Start();
  Append(log, 3);
  Append(log, 2);
  queue_.Damage(log, 0);
  Pass(1s);
  ASSERT_EQ(transport_.in_flight.size(), 1U);
  EXPECT_EQ(Ids(AnswerStatus(200)), (std::vector<std::string>{"m3", "m4"}));
  EXPECT_EQ(queue_.State(log).dead, 3U);
  EXPECT_EQ(Metric("delivery_events_total", "dead"), 3);
  EXPECT_EQ(Metric("delivery_events_total", "delivered"), 2);
}

TEST_F(PumpTest, BatchesRespectTheByteLimitEnvelopeIncluded) {
  const LogId log = AddTenant("acme", pipeline::TenantMode::kEnabled);
  Start();
  std::vector<std::string> texts(60, R"({"messageId":")" + std::string(480, 'x') + R"("})");
  ASSERT_TRUE(queue_.AppendTexts(log, texts, clock_.Wall()));
  Drain();
  Pass(1s);
  std::size_t events = 0;
  while (!transport_.in_flight.empty()) {
    const auto request = AnswerStatus(200);
    EXPECT_LE(request.body.size(), options_.delivery.max_batch_bytes);
    events += Ids(request).size();
  }
  EXPECT_EQ(events, 60U);
}

TEST_F(PumpTest, StopWaitsForTheAnswerInFlightAndItsSettlement) {
  const LogId log = AddTenant("acme", pipeline::TenantMode::kEnabled);
  Start();
  Append(log, 150);
  ASSERT_EQ(transport_.in_flight.size(), 1U);
  bool stopped = false;
  pump_->Stop([&] { stopped = true; });
  Drain();
  EXPECT_FALSE(stopped);
  AnswerStatus(200);
  EXPECT_TRUE(stopped);
  EXPECT_TRUE(transport_.in_flight.empty()) << "no further batch is started";
  EXPECT_EQ(queue_.State(log).pending(), 50U);
}

TEST_F(PumpTest, ManyTenantsUnderRandomFailuresLoseAndRepeatNothing) {
  std::vector<LogId> logs;
  for (int i = 0; i < 20; ++i) {
    logs.push_back(AddTenant(fmt::format("t{}", i), pipeline::TenantMode::kEnabled));
  }
  Start();
  std::set<std::string> delivered;
  std::uint64_t appended = 0;
  for (int round = 0; round < 400; ++round) {
    const LogId log = logs[random_.Next() % logs.size()];
    const int count = static_cast<int>(random_.Next() % 30) + 1;
    Append(log, count);
    appended += static_cast<std::uint64_t>(count);
    while (!transport_.in_flight.empty() && random_.Fraction() < 0.8) {
      const bool ok = random_.Fraction() < 0.6;
      const auto ids = Ids(transport_.in_flight.front().request);
      AnswerStatus(ok ? 200 : 503);
      for (const auto& id : ids) {
        if (ok) {
          EXPECT_TRUE(delivered.insert(id).second) << id << " delivered twice";
        }
      }
    }
    Pass(200ms);
    EXPECT_EQ(appended, Metric("delivery_events_total", "delivered") +
                            Metric("delivery_events_total", "dead") + Pending());
  }
  for (int i = 0; i < 10'000 && Pending() > 0; ++i) {
    while (!transport_.in_flight.empty()) {
      for (const auto& id : Ids(AnswerStatus(200))) delivered.insert(id);
    }
    Pass(1s);
  }
  EXPECT_EQ(delivered.size(), appended);
}

}  // namespace
}  // namespace gateway::deliver

// SPDX-License-Identifier: Apache-2.0
//
// What waits too long, in virtual time.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/deliver/pump.h"
#include "tests/unit/deliver/pump_fixture.h"

namespace gateway::deliver {
namespace {

class PumpExpiryTest : public PumpTest {
 protected:
  LogId AddPaused(const std::string& id, common::Duration max_age) {
    const LogId log = AddTenant(id, pipeline::TenantMode::kPaused);
    specs_.back().max_age = max_age;
    return log;
  }
};

TEST_F(PumpExpiryTest, EventsThatWaitTooLongBecomeDeadLetters) {
  const LogId acme = AddTenant("acme", pipeline::TenantMode::kEnabled);
  specs_.back().max_age = 1h;
  const LogId globex = AddTenant("globex", pipeline::TenantMode::kPaused);
  specs_.back().max_age = 2h;
  const LogId initech = AddTenant("initech", pipeline::TenantMode::kPaused);
  Start();
  Append(acme, 3, "old");
  Append(globex, 2, "paused");
  Append(initech, 2, "for-ever");
  Pass(1s);
  AnswerStatus(401);  // Held, and probed each minute.
  for (int minute = 0; minute < 30; ++minute) {
    Pass(1min);
    AnswerStatus(401);
  }
  Append(acme, 2, "young");
  for (int minute = 0; minute < 40; ++minute) {
    Pass(1min);
    AnswerStatus(401);
  }
  ASSERT_EQ(queue_.DeadLetters(acme).size(), 3U);
  EXPECT_EQ(queue_.DeadLetters(acme)[0].code, "expired");
  EXPECT_EQ(queue_.PendingEvents(acme).size(), 2U);
  EXPECT_TRUE(queue_.DeadLetters(globex).empty());
  EXPECT_EQ(Metric("delivery_events_total", "expired"), 3);
  EXPECT_EQ(queue_.State(acme).retry.hold, pipeline::HoldReason::kWriteKeyRefused);
  Pass(2min);
  AnswerStatus(200);
  EXPECT_EQ(queue_.PendingEvents(acme).size(), 0U);
  Pass(3h);
  EXPECT_EQ(queue_.DeadLetters(globex).size(), 2U);
  EXPECT_EQ(queue_.PendingEvents(initech).size(), 2U) << "no age is too old";
}

TEST_F(PumpExpiryTest, ABacklogFoundAtTheStartExpiresToo) {
  options_.default_max_age = 90min;
  const LogId acme = AddTenant("acme", pipeline::TenantMode::kPaused);
  specs_.back().max_age = 90min;
  const LogId gone = AddTenant("gone", pipeline::TenantMode::kPaused);
  for (int i = 0; i < 250; ++i) {
    ASSERT_TRUE(queue_.AppendTexts(acme, {R"({"messageId":"a"})"}, clock_.Wall()));
  }
  ASSERT_TRUE(queue_.AppendTexts(gone, {R"({"messageId":"b"})"}, clock_.Wall()));
  const pipeline::LogState unconfigured = queue_.State(gone);
  specs_.pop_back();
  Start();
  pump_->Stop([] {});
  pump_.reset();
  std::vector<pipeline::LogState> logs{queue_.State(acme), unconfigured};
  pump_ = std::make_unique<Pump>(
      options_, clock_, random_, queue_, transport_, view_,
      [this](std::function<void()> f) { posted_.push_back(std::move(f)); },
      [this](common::SteadyTime at) { alarm_ = at; }, registry_);
  pump_->Start(logs);
  Drain();
  Pass(89min);
  EXPECT_TRUE(queue_.DeadLetters(acme).empty());
  Pass(2min);
  EXPECT_EQ(queue_.DeadLetters(acme).size(), 250U) << "in as many steps as it takes";
  EXPECT_EQ(queue_.DeadLetters(gone).size(), 1U);
  EXPECT_EQ(Pending(), 0);
}

TEST_F(PumpExpiryTest, WhileTheCommitterStandsAFewBatchesAreInMemoryAndNoMore) {
  std::vector<LogId> logs;
  for (int i = 0; i < 6; ++i) logs.push_back(AddPaused(fmt::format("t{}", i), 1h));
  Start();
  for (const LogId log : logs) Append(log, 250);
  queue_.HoldSettles();
  Pass(61min);
  EXPECT_EQ(queue_.HeldLetters(), 400U) << "a batch of each of four logs";
  const std::size_t reads = queue_.Reads().size();
  Append(logs[0], 1);
  Pass(3h);
  EXPECT_EQ(queue_.HeldLetters(), 400U);
  EXPECT_EQ(queue_.Reads().size(), reads);
  queue_.FreeSettles();
  Drain();
  Pass(1s);
  for (const LogId log : logs) EXPECT_GE(queue_.DeadLetters(log).size(), 250U) << log;
}

TEST_F(PumpExpiryTest, ALogWhoseDeliveryIsNotSettledYetIsLookedAtAfterwards) {
  const LogId log = AddTenant("acme", pipeline::TenantMode::kEnabled);
  specs_.back().max_age = 1h;
  Start();
  Append(log, 300);
  queue_.HoldSettles();
  AnswerStatus(200);
  AnswerStatus(401);
  const std::size_t reads = queue_.Reads().size();
  for (int minute = 0; minute < 70; ++minute) {
    Pass(1min);
    AnswerStatus(401);
  }
  EXPECT_EQ(queue_.Reads().size(), reads + 70) << "probes, and no looks";
  queue_.FreeSettles();
  Drain();
  Pass(1s);
  EXPECT_EQ(queue_.DeadLetters(log).size(), 200U);
  EXPECT_EQ(queue_.State(log).pending(), 0U);
}

TEST_F(PumpExpiryTest, AQueueThatRefusesIsNotSpentOnMore) {
  const LogId log = AddPaused("acme", 1h);
  Start();
  Append(log, 150);
  queue_.FailSettles(common::Error{common::ErrorCode::kIo, "disk full"});
  Pass(62min);
  const std::size_t reads = queue_.Reads().size();
  Pass(1h);
  EXPECT_EQ(queue_.Reads().size(), reads);
  queue_.FailSettles(std::nullopt);
  Pass(2s);
  EXPECT_EQ(queue_.DeadLetters(log).size(), 150U);
}

TEST_F(PumpExpiryTest, NothingExpiresWhileTheDiskHasNoRoomForLetters) {
  bool room = false;
  options_.may_expire = [&room] { return room; };
  const LogId log = AddPaused("acme", 1h);
  Start();
  Append(log, 5);
  Pass(5h);
  EXPECT_TRUE(queue_.DeadLetters(log).empty());
  EXPECT_TRUE(queue_.Reads().empty());
  room = true;
  Pass(2s);
  EXPECT_EQ(queue_.DeadLetters(log).size(), 5U);
}

TEST_F(PumpExpiryTest, LooksAreFewAndSmallAndKeepNobodyWaiting) {
  options_.scheduler.max_in_flight = 1;
  const LogId calm = AddTenant("calm", pipeline::TenantMode::kEnabled);
  std::vector<LogId> logs;
  for (int i = 0; i < 10; ++i) logs.push_back(AddPaused(fmt::format("t{}", i), 1h));
  Start();
  for (const LogId log : logs) Append(log, 3);
  Pass(1h - 1s);
  Append(calm, 1);
  clock_.Advance(1s);
  pump_->Turn();
  const auto reads = queue_.Reads();
  ASSERT_EQ(reads.size(), 5U);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(reads[i].max_events, 1U);
  EXPECT_EQ(reads[4].log, calm) << "delivery goes on beside four looks";
  Drain();
  ASSERT_EQ(transport_.in_flight.size(), 1U);
  Pass(1min);
  for (const LogId log : logs) EXPECT_EQ(queue_.DeadLetters(log).size(), 3U);
}

TEST_F(PumpExpiryTest, BacklogsOfAStartAreNotLookedAtAllAtOnce) {
  for (int i = 0; i < 3; ++i) {
    const LogId log = AddPaused(fmt::format("t{}", i), 720h);
    ASSERT_TRUE(queue_.AppendTexts(log, {R"({"messageId":"a"})"}, clock_.Wall()));
  }
  Start();
  Pass(1h);
  for (std::size_t looked = 0; looked < 3; ++looked) {
    EXPECT_EQ(queue_.Reads().size(), looked);
    Pass(1s);
  }
  EXPECT_EQ(queue_.Reads().size(), 3U);
  Pass(1h);
  EXPECT_EQ(queue_.Reads().size(), 3U) << "what was seen is young";
  for (const auto& read : queue_.Reads()) EXPECT_EQ(read.max_events, 1U);
}

TEST_F(PumpExpiryTest, AClockThatIsMendedWithinAnHourBuriesNothing) {
  const LogId log = AddPaused("acme", 720h);
  ASSERT_TRUE(queue_.AppendTexts(log, {R"({"messageId":"a"})"}, clock_.Wall()));
  const auto jump = std::chrono::hours(24 * 120);
  Start();
  Pass(30min);
  clock_.JumpWall(jump);
  Pass(80min);
  clock_.JumpWall(-jump);
  Pass(24h);
  EXPECT_TRUE(queue_.DeadLetters(log).empty());
  EXPECT_EQ(queue_.State(log).pending(), 1U);
  Pass(720h);
  EXPECT_EQ(queue_.DeadLetters(log).size(), 1U);
}

TEST_F(PumpExpiryTest, AClockThatAgreedForAnHourIsBelieved) {
  const LogId log = AddPaused("acme", 720h);
  ASSERT_TRUE(queue_.AppendTexts(log, {R"({"messageId":"a"})"}, clock_.Wall()));
  Start();
  clock_.JumpWall(std::chrono::hours(24 * 120));
  Pass(119min);
  EXPECT_TRUE(queue_.DeadLetters(log).empty());
  Pass(3min);
  EXPECT_EQ(queue_.DeadLetters(log).size(), 1U);
}

TEST_F(PumpExpiryTest, AShortAgeNeedsAClockThatAgreedForSoLong) {
  const LogId log = AddPaused("acme", 10min);
  Start();
  Append(log, 1);
  Pass(9min);
  clock_.JumpWall(std::chrono::hours(24));
  Pass(10min);
  EXPECT_TRUE(queue_.DeadLetters(log).empty());
  Pass(2min);
  EXPECT_EQ(queue_.DeadLetters(log).size(), 1U);
}

TEST_F(PumpExpiryTest, AClockThatJumpsDuringALookBuriesNothing) {
  const LogId log = AddPaused("acme", 720h);
  ASSERT_TRUE(queue_.AppendTexts(log, {R"({"messageId":"a"})"}, clock_.Wall()));
  Start();
  clock_.Advance(2h);
  pump_->Turn();
  ASSERT_EQ(queue_.Reads().size(), 1U);
  clock_.JumpWall(std::chrono::hours(24 * 120));
  Drain();
  Pass(50min);
  EXPECT_TRUE(queue_.DeadLetters(log).empty());
}

TEST_F(PumpExpiryTest, DamageIsPassedAndTheRestExpires) {
  pipeline::Settlement held;
  held.log = AddPaused("acme", 1h);
  held.retry.attempts = 4;
  held.retry.hold = pipeline::HoldReason::kWriteKeyRefused;
  queue_.Settle(held, [](const common::Status& status) { ASSERT_TRUE(status); });
  Start();
  Append(held.log, 3);
  Append(held.log, 2);
  queue_.Damage(held.log, 0);
  Pass(61min);
  EXPECT_EQ(queue_.State(held.log).pending(), 0U);
  EXPECT_EQ(queue_.State(held.log).dead, 5U);
  EXPECT_EQ(queue_.DeadLetters(held.log).size(), 2U);
  EXPECT_EQ(queue_.State(held.log).retry, held.retry) << "nothing was sent";
  EXPECT_EQ(Metric("tenants_held"), 1);
  EXPECT_EQ(Metric("delivery_events_total", "dead"), 3);
  EXPECT_EQ(Metric("delivery_events_total", "expired"), 2);
  EXPECT_EQ(Pending(), 0);
}

TEST_F(PumpExpiryTest, StopWaitsForALook) {
  const LogId log = AddPaused("acme", 1h);
  Start();
  Append(log, 1);
  clock_.Advance(1h + 1s);
  pump_->Turn();
  bool stopped = false;
  pump_->Stop([&] { stopped = true; });
  EXPECT_FALSE(stopped) << "its read is not back";
  Drain();
  EXPECT_TRUE(stopped);
  EXPECT_EQ(queue_.State(log).pending(), 1U);
}

}  // namespace
}  // namespace gateway::deliver

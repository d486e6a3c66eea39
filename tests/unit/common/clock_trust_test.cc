// SPDX-License-Identifier: Apache-2.0
#include "common/clock_trust.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/support/fake_clock.h"

namespace common {
namespace {

using namespace std::chrono_literals;

class ClockTrustTest : public testing::Test {
 protected:
  Duration Observe() { return trust_.Observe(clock_.Steady(), clock_.Wall()); }

  tests::FakeClock clock_;
  ClockTrust trust_{clock_.Steady(), clock_.Wall()};
};

TEST_F(ClockTrustTest, ClocksThatGoTogetherAgreeSinceTheStart) {
  EXPECT_EQ(Observe(), 0s);
  clock_.Advance(30min);
  EXPECT_EQ(Observe(), 30min);
  clock_.Advance(24h);
  EXPECT_EQ(Observe(), 24h + 30min);
}

TEST_F(ClockTrustTest, AJumpInEitherDirectionStartsAnew) {
  for (const auto jump : {std::chrono::hours(24 * 120), std::chrono::hours(-24 * 120)}) {
    clock_.Advance(2h);
    EXPECT_GE(Observe(), 2h);
    clock_.JumpWall(jump);
    EXPECT_EQ(Observe(), 0s);
    clock_.Advance(10min);
    EXPECT_EQ(Observe(), 10min);
  }
}

TEST_F(ClockTrustTest, SmallStepsAreNoJumpUntilTheyAddUp) {
  clock_.Advance(1h);
  clock_.JumpWall(40s);
  EXPECT_EQ(Observe(), 1h);
  clock_.JumpWall(-80s);
  EXPECT_EQ(Observe(), 1h);
  clock_.JumpWall(-40s);
  EXPECT_EQ(Observe(), 0s);
}

TEST_F(ClockTrustTest, AJumpThatWasTakenBackUnseenDidNoHarm) {
  clock_.Advance(1h);
  clock_.JumpWall(1000h);
  clock_.JumpWall(-1000h);
  EXPECT_EQ(Observe(), 1h);
}

}  // namespace
}  // namespace common

// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/signals.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <optional>

#include "gateway/app/io_thread.h"

namespace gateway::app {
namespace {

TEST(Signals, TheFirstAsksForAStop) {
  for (const int signal : {SIGTERM, SIGINT}) {
    IoThread io("signals");
    Signals signals(io.context());
    io.Start();
    kill(getpid(), signal);
    signals.WaitForStop();
    io.Stop();
  }
}

TEST(Signals, AHangUpReadsAgainAndStopsNothing) {
  IoThread io("signals");
  Signals signals(io.context());
  std::promise<void> reloaded;
  signals.OnHangUp([&] { reloaded.set_value(); });
  io.Start();
  kill(getpid(), SIGHUP);
  reloaded.get_future().wait();
  kill(getpid(), SIGTERM);
  signals.WaitForStop();
  io.Stop();
}

TEST(SignalsDeathTest, TheSecondEndsTheProcessAtOnce) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        IoThread io("signals");
        Signals signals(io.context());
        io.Start();
        kill(getpid(), SIGTERM);
        signals.WaitForStop();
        kill(getpid(), SIGTERM);
        for (;;) pause();
      },
      testing::ExitedWithCode(1), "a second signal");
}

TEST(SignalsDeathTest, AnExitThatHangsIsCutShortWithItsStatus) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (const int status : {0, 1}) {
    EXPECT_EXIT(
        {
          ExitAtTheLatestIn(1, status);
          for (;;) pause();
        },
        testing::ExitedWithCode(status), "");
  }
}

}  // namespace
}  // namespace gateway::app

// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/signals.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "common/log.h"

namespace gateway::app {

Signals::Signals(boost::asio::io_context& context) : signals_(context, SIGTERM, SIGINT, SIGHUP) {
  std::signal(SIGPIPE, SIG_IGN);
  Wait();
}

void Signals::RequestStop() {
  if (stopping_) return;
  stopping_ = true;
  stop_.set_value();
}

void Signals::Wait() {
  signals_.async_wait([this](boost::system::error_code error, int signal) {
    if (error) return;
    if (signal == SIGHUP) {
      if (reload_) reload_();
      return Wait();
    }
    if (stopping_) {
      common::log::Warning("stopping_now",
                           "a second signal; what is in flight is sent again after the next start",
                           {{"signal", signal}});
      std::_Exit(EXIT_FAILURE);
    }
    RequestStop();
    Wait();
  });
}

namespace {

volatile std::sig_atomic_t late_exit_status = EXIT_FAILURE;

}  // namespace

void ExitAtTheLatestIn(unsigned seconds, int status) {
  late_exit_status = status;
  std::signal(SIGALRM, [](int) { _exit(late_exit_status); });
  alarm(seconds);
}

}  // namespace gateway::app

// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/signals.h"

#include <csignal>
#include <cstdlib>

#include "common/log.h"

namespace gateway::app {

Signals::Signals(boost::asio::io_context& context) : signals_(context, SIGTERM, SIGINT) {
  std::signal(SIGPIPE, SIG_IGN);
  Wait();
}

void Signals::Wait() {
  signals_.async_wait([this](boost::system::error_code error, int signal) {
    if (error) return;
    if (stopping_) {
      common::log::Warning("stopping_now",
                           "a second signal; what is in flight is sent again "
                           "after the next start",
                           {{"signal", signal}});
      std::_Exit(EXIT_FAILURE);
    }
    stopping_ = true;
    stop_.set_value();
    Wait();
  });
}

}  // namespace gateway::app

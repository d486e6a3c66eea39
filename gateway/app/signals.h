// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <functional>
#include <future>
#include <utility>

#include "common/clock.h"

namespace gateway::app {

/// SIGTERM and SIGINT: the first asks for an orderly stop, the second ends the process at
/// once (exit status 1). SIGHUP: read again what can be. SIGPIPE is ignored: a write to a closed
/// connection is an error code here.
class Signals {
 public:
  /// Handlers run on the thread of `context`, which the caller runs.
  explicit Signals(boost::asio::io_context& context);
  /// What SIGHUP does, on the thread of `context`; nothing until it is set. Set it before that
  /// thread runs, or on it.
  void OnHangUp(std::function<void()> reload) { reload_ = std::move(reload); }
  /// Blocks until the first signal, or RequestStop.
  void WaitForStop() { stopped_.wait(); }
  /// False when there was none in that time.
  bool WaitForStop(common::Duration longest) {
    return stopped_.wait_for(longest) == std::future_status::ready;
  }
  /// As a first signal. On the thread of `context`.
  void RequestStop();

 private:
  void Wait();

  boost::asio::signal_set signals_;
  std::promise<void> stop_;
  std::future<void> stopped_ = stop_.get_future();
  std::function<void()> reload_;
  bool stopping_ = false;
};

/// Ends the process with `status` in `seconds` if it is still there then. For the very end,
/// when everything is on disk and closed: a name lookup of the operating system cannot be
/// interrupted, and would hold the exit up for as long as it hangs.
void ExitAtTheLatestIn(unsigned seconds, int status);

}  // namespace gateway::app

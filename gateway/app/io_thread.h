// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>

#include "common/thread.h"

namespace gateway::app {

/// An io_context and the one thread that runs it. The context exists from the start, the
/// thread from Start() to Stop(); handlers that were never run are destroyed with it.
class IoThread {
 public:
  explicit IoThread(std::string name)
      : name_(std::move(name)), context_(1), work_(boost::asio::make_work_guard(context_)) {}
  ~IoThread() { Stop(); }
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  boost::asio::io_context& context() { return context_; }
  void Start() {
    thread_.emplace(name_, [this] { context_.run(); });
  }
  /// Ends the thread after the handler it is in. Idempotent.
  void Stop() {
    context_.stop();
    thread_.reset();
  }

 private:
  const std::string name_;
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::optional<common::Thread> thread_;
};

}  // namespace gateway::app

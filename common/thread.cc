// SPDX-License-Identifier: Apache-2.0
#include "common/thread.h"

#include <pthread.h>

#include <cstdlib>
#include <exception>
#include <utility>

#include "common/log.h"

namespace common {
namespace {

void RunNamed(const std::string& name, const std::function<void()>& body) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
  try {
    body();
    return;
  } catch (const std::exception& e) {
    log::Error("thread_failed", "a thread ended by an exception; stopping the process",
               {{"thread", name}, {"error", e.what()}});
  } catch (...) {
    log::Error("thread_failed", "a thread ended by an unknown exception; stopping the process",
               {{"thread", name}});
  }
  std::abort();
}

}  // namespace

Thread::Thread(std::string name, std::function<void()> body)
    : thread_([name = std::move(name), body = std::move(body)] { RunNamed(name, body); }) {}

Thread::~Thread() { Join(); }

void Thread::Join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace common

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace common {

/// A named thread that joins when destroyed. An exception that escapes `body` is logged
/// and ends the process: half a gateway is worse than none. Created only by gateway/app
/// (threads.cc lists them all) and by tests.
class Thread {
 public:
  /// `name` shows in top and gdb; Linux keeps its first 15 bytes.
  Thread(std::string name, std::function<void()> body);
  Thread(Thread&&) noexcept = default;
  Thread& operator=(Thread&&) = delete;
  ~Thread();
  void Join();

 private:
  std::thread thread_;
};

}  // namespace common

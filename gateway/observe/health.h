// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gateway::observe {

/// Why the process is not ready for traffic; nothing when it is. Checks are added before
/// the first question; after that everything is thread-safe.
class Health {
 public:
  /// Says what is wrong, or nothing. Called from the admin thread; must be cheap.
  using Check = std::function<std::optional<std::string>()>;

  void AddCheck(Check check) { checks_.push_back(std::move(check)); }
  void SetStarted() { started_.store(true); }
  void SetDraining() { draining_.store(true); }

  std::vector<std::string> NotReadyReasons() const {
    std::vector<std::string> reasons;
    if (!started_.load()) reasons.emplace_back("starting");
    if (draining_.load()) reasons.emplace_back("shutting down");
    for (const Check& check : checks_) {
      if (auto reason = check()) reasons.push_back(std::move(*reason));
    }
    return reasons;
  }

 private:
  std::vector<Check> checks_;
  std::atomic<bool> started_{false};
  std::atomic<bool> draining_{false};
};

}  // namespace gateway::observe

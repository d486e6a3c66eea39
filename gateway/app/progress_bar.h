// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace gateway::app {

/// "9.1 KiB".
std::string HumanSize(std::uint64_t bytes);

/// Says on standard error how far something long is. On a terminal in place, ten times a second;
/// elsewhere a line every five seconds, so that a log shows that it goes on. Not thread-safe.
class ProgressBar {
 public:
  enum class Unit { kBytes, kEvents };
  enum class Elsewhere { kLines, kNothing };  ///< What is shown where there is no terminal.

  ProgressBar(Unit unit, Elsewhere elsewhere);
  /// With a `total` of 0 how far alone, without a share of it.
  void Show(std::string_view step, std::uint64_t done, std::uint64_t total);
  /// Takes what is shown in place off the terminal again.
  void End();

 private:
  std::string Amount(std::uint64_t value) const;

  const Unit unit_;
  const bool terminal_;
  const bool lines_;
  bool shown_ = false;
  std::string step_;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace gateway::app

// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iterator>

namespace gateway::app {
namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::seconds kLine{5};
constexpr std::uint64_t kWidth = 30;

}  // namespace

std::string HumanSize(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (size >= 1024 && unit + 1 < std::size(kUnits)) {
    size /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", size, kUnits[unit]);
}

ProgressBar::ProgressBar(Unit unit, Elsewhere elsewhere)
    : unit_(unit),
      terminal_(isatty(STDERR_FILENO) == 1),
      lines_(!terminal_ && elsewhere == Elsewhere::kLines),
      last_(lines_ ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point()) {}

std::string ProgressBar::Amount(std::uint64_t value) const {
  return unit_ == Unit::kBytes ? HumanSize(value) : fmt::format("{} events", value);
}

void ProgressBar::Show(std::string_view step, std::uint64_t done, std::uint64_t total) {
  if (!terminal_ && !lines_) return;
  const auto now = std::chrono::steady_clock::now();
  const bool new_step = terminal_ && step != step_;
  if (!new_step && now - last_ < (terminal_ ? std::chrono::steady_clock::duration(kRedraw)
                                            : std::chrono::steady_clock::duration(kLine))) {
    return;
  }
  last_ = now;
  step_ = step;
  std::string text = done == 0 && total == 0 ? std::string() : Amount(done);
  if (total != 0) {
    // An estimate may be passed; the bar never is.
    done = std::min(done, total);
    text = fmt::format("{} of {}", Amount(done), Amount(total));
  }
  if (lines_) {
    fmt::print(stderr, "{}{}{}\n", step, text.empty() ? "" : ": ", text);
    return;
  }
  shown_ = true;
  const auto share = total == 0 ? 0.0 : static_cast<double>(done) / static_cast<double>(total);
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(kWidth));
  const std::string bar = total == 0 ? std::string()
                                     : fmt::format("[{}{}] {:3.0f} %  ", std::string(filled, '#'),
                                                   std::string(kWidth - filled, '-'), share * 100);
  fmt::print(stderr, "\r{:<14} {}{}\033[K", step, bar, text);
  std::fflush(stderr);
}

void ProgressBar::End() {
  if (shown_) fmt::print(stderr, "\r\033[K");
  shown_ = false;
}

}  // namespace gateway::app

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "gateway/normalize/body_reader.h"

namespace gateway::normalize {

/// A moment as a client gave it.
struct GivenTime {
  enum class State : std::uint8_t { kNone, kTime, kUnreadable };

  State state = State::kNone;
  common::WallTime time;  ///< Of kTime.
};

inline constexpr std::string_view kQuotedTimestamp = "\"0000-00-00T00:00:00.000Z\"";

/// Reads and writes timestamps. The events of a batch are mostly of one day, so the last
/// day read and the last day written are remembered: the calendar is half of the work.
/// Not thread-safe.
class TimestampCodec {
 public:
  /// common::ParseTimestamp, with a short way for "2026-01-02T03:04:05.678Z", which nearly
  /// every client writes. Same answers for every text.
  std::optional<common::WallTime> Read(std::string_view text);
  /// The same for a field; `scratch` is used for a text with escapes.
  GivenTime Read(const Field* field, const BodyReader& body, std::string& scratch);

  /// Appends what common::FormatTimestamp returns, in quotes and without allocating.
  /// `time` lies in the years 0 to 9999 (InRange). `shape` is what to write the digits into:
  /// kQuotedTimestamp, and before it what should be appended in the same go.
  void Append(std::string& out, common::WallTime time, std::string_view shape = kQuotedTimestamp);

 private:
  static constexpr std::size_t kDateBytes = 10;

  std::array<char, kDateBytes> read_text_{};
  std::chrono::sys_days read_day_;
  std::array<char, kDateBytes> written_text_ = {'1', '9', '7', '0', '-', '0', '1', '-', '0', '1'};
  std::chrono::sys_days written_day_;
};

/// Whether `time` can be written with a four-digit year.
bool InRange(common::WallTime time);

}  // namespace gateway::normalize

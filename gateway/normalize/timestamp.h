// SPDX-License-Identifier: Apache-2.0
#pragma once

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

/// `scratch` is used for a text with escapes.
GivenTime ReadTime(const Field* field, const BodyReader& body, std::string& scratch);

/// common::ParseTimestamp, with a short way for "2026-01-02T03:04:05.678Z", which nearly
/// every client writes. Same answers for every text.
std::optional<common::WallTime> ReadTimestamp(std::string_view text);

inline constexpr std::string_view kQuotedTimestamp = "\"0000-00-00T00:00:00.000Z\"";

/// Appends what common::FormatTimestamp returns, in quotes and without allocating.
/// `time` lies in the years 0 to 9999 (InRange). `shape` is what to write the digits into:
/// kQuotedTimestamp, and before it what should be appended in the same go.
void AppendTimestamp(std::string& out, common::WallTime time,
                     std::string_view shape = kQuotedTimestamp);

/// Whether `time` can be written with a four-digit year.
bool InRange(common::WallTime time);

}  // namespace gateway::normalize

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"

namespace common {

/// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 become
/// U+FFFD, so that what is written always parses.
void AppendJsonString(std::string& out, std::string_view text);

/// `text` with U+FFFD in the place of bytes that are not UTF-8.
std::string RepairUtf8(std::string_view text);

/// "2026-01-02T03:04:05.678Z": always UTC, always milliseconds.
std::string FormatTimestamp(WallTime time);

/// ISO 8601 as Segment's clients write it: date only, or date 'T' (or a space) time with
/// 0 to 9 fractional digits and 'Z', ±hh:mm, ±hhmm or nothing (taken as UTC); month and
/// day may have one digit. Digits below a millisecond are cut off. nullopt when the text
/// is anything else or names a day that does not exist.
/// Source: the formats that official SDKs send (docs/compatibility.md).
std::optional<WallTime> ParseTimestamp(std::string_view text);

std::string Base64Encode(std::string_view bytes);
/// Standard alphabet, padding optional; nullopt on any other byte.
std::optional<std::string> Base64Decode(std::string_view text);

bool EqualsIgnoreCase(std::string_view a, std::string_view b);

/// `text` cut to `max_bytes`, never inside a UTF-8 sequence.
std::string_view Truncate(std::string_view text, std::size_t max_bytes);

}  // namespace common

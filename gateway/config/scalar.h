// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "gateway/config/config.h"

/// The texts of single values. Parsing gives nullopt when the text is not of the type; a
/// number too large for its type gives the type's largest value, which every range refuses.
namespace gateway::config {

/// Decimal digits only: "0", "2500".
std::optional<std::uint64_t> ParseCount(std::string_view text);

/// Digits and a unit: us, ms, s, m, h or d. A bare 0 needs none.
std::optional<common::Duration> ParseDuration(std::string_view text);
/// The shortest text that ParseDuration reads back as `value`, which is whole microseconds.
std::string FormatDuration(common::Duration value);

/// Digits (bytes), or digits and kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB
/// (powers of 1024).
std::optional<std::uint64_t> ParseSize(std::string_view text);
/// In the largest binary unit that divides `bytes` when that is short, else in bytes.
std::string FormatSize(std::uint64_t bytes);

/// A finite decimal number.
std::optional<double> ParseRatio(std::string_view text);

/// "address:port", "[ipv6]:port", "localhost:port" or ":port" (every IPv4 address). The
/// address is a literal: a name that resolves differently tomorrow is no place to listen.
std::optional<ListenAddress> ParseListen(std::string_view text);
std::string FormatListen(const ListenAddress& address);

/// The URL that ParseEndpoint reads back as `endpoint`.
std::string FormatEndpoint(const pipeline::Endpoint& endpoint);

/// 1 to 128 of A-Z a-z 0-9 . _ -
bool IsName(std::string_view text);
/// "*", or "scheme://host[:port]" as browsers send it in the Origin header.
bool IsOrigin(std::string_view text);
/// 1 to 256 visible ASCII characters without ':' (it ends the user in Basic auth).
bool IsKey(std::string_view text);

}  // namespace gateway::config

// SPDX-License-Identifier: Apache-2.0
#include "gateway/config/scalar.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>

namespace gateway::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

/// In nanoseconds, smallest first.
constexpr std::array<Unit, 6> kDurationUnits = {{{"us", 1'000},
                                                 {"ms", 1'000'000},
                                                 {"s", 1'000'000'000},
                                                 {"m", 60'000'000'000},
                                                 {"h", 3'600'000'000'000},
                                                 {"d", 86'400'000'000'000}}};

constexpr std::array<Unit, 5> kBinaryUnits = {{{"", 1},
                                               {"KiB", 1ULL << 10U},
                                               {"MiB", 1ULL << 20U},
                                               {"GiB", 1ULL << 30U},
                                               {"TiB", 1ULL << 40U}}};

constexpr std::array<Unit, 6> kDecimalUnits = {{{"B", 1},
                                                {"kB", 1'000},
                                                {"KB", 1'000},
                                                {"MB", 1'000'000},
                                                {"GB", 1'000'000'000},
                                                {"TB", 1'000'000'000'000}}};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::uint64_t MultiplySaturated(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<std::uint64_t>::max()
                                                : product;
}

/// Takes the digits off the front of `text`.
std::optional<std::uint64_t> TakeDigits(std::string_view& text) {
  std::size_t n = 0;
  while (n < text.size() && IsDigit(text[n])) ++n;
  if (n == 0) return std::nullopt;
  const std::string_view digits = text.substr(0, n);
  std::uint64_t value = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc()) value = std::numeric_limits<std::uint64_t>::max();
  text.remove_prefix(n);
  return value;
}

template <std::size_t N>
const Unit* FindUnit(const std::array<Unit, N>& units, std::string_view name) {
  const auto it =
      std::find_if(units.begin(), units.end(), [&](const Unit& unit) { return unit.name == name; });
  return it == units.end() ? nullptr : &*it;
}

/// `value` in the largest unit that divides it.
template <std::size_t N>
std::string InLargestUnit(const std::array<Unit, N>& units, std::uint64_t value) {
  const Unit* best = units.data();
  for (const Unit& unit : units) {
    if (value % unit.factor == 0) best = &unit;
  }
  return fmt::format("{}{}", value / best->factor, best->name);
}

bool IsAddress(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> buffer{};
  return inet_pton(AF_INET, host.c_str(), buffer.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), buffer.data()) == 1;
}

}  // namespace

std::optional<std::uint64_t> ParseCount(std::string_view text) {
  const std::optional<std::uint64_t> value = TakeDigits(text);
  return text.empty() ? value : std::nullopt;
}

std::optional<common::Duration> ParseDuration(std::string_view text) {
  const std::optional<std::uint64_t> number = TakeDigits(text);
  if (!number) return std::nullopt;
  if (text.empty()) return *number == 0 ? std::optional(common::Duration::zero()) : std::nullopt;
  const Unit* unit = FindUnit(kDurationUnits, text);
  if (unit == nullptr) return std::nullopt;
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  return common::Duration(
      static_cast<std::int64_t>(std::min(kMax, MultiplySaturated(*number, unit->factor))));
}

std::string FormatDuration(common::Duration value) {
  if (value == common::Duration::zero()) return "0s";
  return InLargestUnit(kDurationUnits, static_cast<std::uint64_t>(value.count()));
}

std::optional<std::uint64_t> ParseSize(std::string_view text) {
  const std::optional<std::uint64_t> number = TakeDigits(text);
  if (!number) return std::nullopt;
  const Unit* unit = FindUnit(kBinaryUnits, text);
  if (unit == nullptr) unit = FindUnit(kDecimalUnits, text);
  if (unit == nullptr) return std::nullopt;
  return MultiplySaturated(*number, unit->factor);
}

std::string FormatSize(std::uint64_t bytes) {
  if (bytes == 0) return "0";
  // 4000000000 is easier to read than 3906250KiB.
  constexpr std::size_t kReadable = 7;
  std::string text = InLargestUnit(kBinaryUnits, bytes);
  return text.size() <= kReadable ? text : std::to_string(bytes);
}

std::optional<double> ParseRatio(std::string_view text) {
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::optional<ListenAddress> ParseListen(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::optional<std::uint64_t> port = ParseCount(text.substr(colon + 1));
  if (!port || *port > std::numeric_limits<std::uint16_t>::max()) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  // "::1:8080" could mean two things, so IPv6 is read in brackets only.
  if (bracketed != (host.find(':') != std::string_view::npos)) return std::nullopt;
  ListenAddress address;
  address.port = static_cast<std::uint16_t>(*port);
  address.host = host.empty() ? "0.0.0.0" : host == "localhost" ? "127.0.0.1" : host;
  return IsAddress(address.host) ? std::optional(address) : std::nullopt;
}

std::string FormatListen(const ListenAddress& address) {
  const bool v6 = address.host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", address.host, address.port)
            : fmt::format("{}:{}", address.host, address.port);
}

std::string FormatEndpoint(const pipeline::Endpoint& endpoint) {
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  std::string url = endpoint.tls ? "https://" : "http://";
  url += v6 ? fmt::format("[{}]", endpoint.host) : endpoint.host;
  if (endpoint.port != (endpoint.tls ? 443 : 80)) url += fmt::format(":{}", endpoint.port);
  return url + endpoint.base_path;
}

bool IsName(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '.' || c == '_' ||
           c == '-';
  };
  return !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), allowed);
}

bool IsOrigin(std::string_view text) {
  if (text == "*") return true;
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view host = text.substr(colon + 3);
  constexpr std::string_view kNoHost = "/?#@, ";
  return !host.empty() && host.find_first_of(kNoHost) == std::string_view::npos;
}

bool IsKey(std::string_view text) {
  const auto allowed = [](char c) { return c > ' ' && c < '\x7f' && c != ':'; };
  return !text.empty() && text.size() <= 256 && std::all_of(text.begin(), text.end(), allowed);
}

}  // namespace gateway::config

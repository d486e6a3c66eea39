// SPDX-License-Identifier: Apache-2.0
#include "common/net/client_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>

namespace common::net {
namespace {

constexpr std::uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::uint8_t BitsOf(const IpAddress& address) { return address.ipv4 ? 32 : 128; }

bool IsTrusted(const IpAddress& address, const std::vector<Network>& trusted) {
  return std::ranges::any_of(trusted,
                             [&](const Network& network) { return Contains(network, address); });
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool IsPort(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// `entry` of X-Forwarded-For without port, brackets and the prefix of a mapped address; the
/// entry itself when it does not look like one.
std::string_view BareAddress(std::string_view entry) {
  if (entry.starts_with('[')) {
    const std::size_t end = entry.find(']');
    if (end == std::string_view::npos) return entry;
    const std::string_view rest = entry.substr(end + 1);
    if (!rest.empty() && !(rest.front() == ':' && IsPort(rest.substr(1)))) return entry;
    entry = entry.substr(1, end - 1);
    if (entry.find(':') == std::string_view::npos) return {};  // Brackets are for IPv6.
  } else if (std::ranges::count(entry, ':') == 1) {
    const std::size_t colon = entry.find(':');
    if (!IsPort(entry.substr(colon + 1))) return entry;
    entry = entry.substr(0, colon);
  }
  if (const std::size_t dot = entry.find('.'); dot != std::string_view::npos) {
    const auto address = ParseIpAddress(entry);
    if (address && address->ipv4) entry.remove_prefix(entry.rfind(':') + 1);
  }
  return entry;
}

/// Takes the last entry off a comma-separated list; "" when the list has none left.
std::string_view TakeLast(std::string_view& list) {
  while (!list.empty()) {
    const std::size_t comma = list.rfind(',');
    const std::string_view entry =
        Trim(comma == std::string_view::npos ? list : list.substr(comma + 1));
    list = comma == std::string_view::npos ? "" : list.substr(0, comma);
    if (!entry.empty()) return entry;
  }
  return {};
}

}  // namespace

std::optional<IpAddress> ParseIpAddress(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof(terminated) || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  terminated[text.copy(terminated, text.size())] = '\0';
  IpAddress address;
  if (inet_pton(AF_INET, terminated, address.bytes.data()) == 1) {
    address.ipv4 = true;
    return address;
  }
  if (inet_pton(AF_INET6, terminated, address.bytes.data()) != 1) return std::nullopt;
  if (std::memcmp(address.bytes.data(), kMappedPrefix, sizeof(kMappedPrefix)) == 0) {
    std::rotate(address.bytes.begin(), address.bytes.begin() + 12, address.bytes.end());
    std::fill(address.bytes.begin() + 4, address.bytes.end(), std::uint8_t{0});
    address.ipv4 = true;
  }
  return address;
}

bool IsIpv4(std::string_view text) {
  const auto address = ParseIpAddress(text);
  return address && address->ipv4 && text.find(':') == std::string_view::npos;
}

Result<Network> ParseNetwork(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("'{}' {}", text, why));
  };
  const std::size_t slash = text.find('/');
  const auto base = ParseIpAddress(text.substr(0, slash));
  if (!base) {
    return bad("is no address or network; write it as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1");
  }
  Network network{.base = *base, .prefix_bits = BitsOf(*base)};
  if (slash == std::string_view::npos) return network;
  const std::string_view bits = text.substr(slash + 1);
  const auto [end, error] =
      std::from_chars(bits.data(), bits.data() + bits.size(), network.prefix_bits);
  if (error != std::errc() || end != bits.data() + bits.size() ||
      network.prefix_bits > BitsOf(*base)) {
    return bad(fmt::format("needs a prefix length from 0 to {}", BitsOf(*base)));
  }
  for (std::size_t bit = network.prefix_bits; bit < BitsOf(*base); ++bit) {
    if ((base->bytes[bit / 8] & (0x80U >> bit % 8)) != 0) {
      return bad(fmt::format("has bits set behind its first {}", network.prefix_bits));
    }
  }
  return network;
}

bool Contains(const Network& network, const IpAddress& address) {
  if (network.base.ipv4 != address.ipv4) return false;
  const std::size_t whole = network.prefix_bits / 8U;
  if (std::memcmp(network.base.bytes.data(), address.bytes.data(), whole) != 0) return false;
  const unsigned rest = network.prefix_bits % 8U;
  return rest == 0 || (network.base.bytes[whole] ^ address.bytes[whole]) >> (8 - rest) == 0;
}

std::string_view ClientAddress(std::string_view peer, std::string_view x_forwarded_for,
                               const std::vector<Network>& trusted) {
  if (trusted.empty()) return peer;
  std::string_view client = peer;
  auto address = ParseIpAddress(peer);
  while (address && IsTrusted(*address, trusted)) {
    const std::string_view entry = BareAddress(TakeLast(x_forwarded_for));
    address = ParseIpAddress(entry);
    if (address) client = entry;
  }
  return client;
}

}  // namespace common::net

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace common::net {

/// An IPv4 or IPv6 address. An IPv4 address that is written as IPv6 (::ffff:192.0.2.1) is
/// the IPv4 address: listeners on "::" see such peers.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};  ///< Network order; of IPv4 the first four count.
  bool ipv4 = false;
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

/// nullopt for anything else, such as a name, an address with a zone or with a port.
std::optional<IpAddress> ParseIpAddress(std::string_view text);

/// Whether `text` is an IPv4 address in its usual form, "192.0.2.1".
bool IsIpv4(std::string_view text);

/// The addresses that share their first bits.
struct Network {
  IpAddress base{};
  std::uint8_t prefix_bits = 0;
};

/// Reads CIDR: "10.0.0.0/8", "2001:db8::/32"; an address alone is the network of itself.
/// kInvalidArgument, quoting the text, for anything else, also when bits behind the prefix
/// are set: "10.1.2.3/8" is more often a slip than meant.
Result<Network> ParseNetwork(std::string_view text);

bool Contains(const Network& network, const IpAddress& address);

/// The client's address, when proxies of the networks `trusted` may stand between: `peer`
/// (the connection's other end) unless it is trusted, else the last address of
/// `x_forwarded_for` that is not, since every proxy appends the address it was called from
/// and what stands before that anybody may have written. When all are trusted, the first.
/// Entries may have ports and brackets, which are taken off; one that is no address ends the
/// search at the last good one. The result is a part of `peer` or of `x_forwarded_for`,
/// which is looked at only when the peer is trusted.
std::string_view ClientAddress(std::string_view peer, std::string_view x_forwarded_for,
                               const std::vector<Network>& trusted);

}  // namespace common::net

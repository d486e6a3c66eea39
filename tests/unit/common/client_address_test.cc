// SPDX-License-Identifier: Apache-2.0
#include "common/net/client_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace common::net {
namespace {

using ::testing::HasSubstr;

TEST(IpAddress, ReadsBothFamiliesAndNothingElse) {
  for (const std::string_view good :
       {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1", "1:2:3:4:5:6:7:8",
        "::ffff:192.0.2.1", "FE80::A"}) {
    EXPECT_TRUE(ParseIpAddress(good)) << good;
  }
  for (const std::string_view bad :
       {"", " ", "localhost", "192.0.2", "192.0.2.256", "192.0.2.1 ", " 192.0.2.1", "192.0.2.1:80",
        "0x7f.0.0.1", "2130706433", "[::1]", "::1%eth0", ":::", "1:2:3:4:5:6:7:8:9", "unknown",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc"}) {
    EXPECT_FALSE(ParseIpAddress(bad)) << bad;
  }
  EXPECT_FALSE(ParseIpAddress(std::string_view("192.0.2.1\0x", 11)));
  EXPECT_EQ(ParseIpAddress("::ffff:192.0.2.1"), ParseIpAddress("192.0.2.1"));
  EXPECT_NE(ParseIpAddress("::192.0.2.1"), ParseIpAddress("192.0.2.1"));
}

TEST(IpAddress, TellsIpv4ByItsForm) {
  EXPECT_TRUE(IsIpv4("192.0.2.1"));
  for (const std::string_view other : {"", "::1", "::ffff:192.0.2.1", "192.0.2.1:80", "x"}) {
    EXPECT_FALSE(IsIpv4(other)) << other;
  }
}

TEST(Network, Contains) {
  const struct {
    std::string_view network;
    std::string_view address;
    bool contains;
  } cases[] = {
      {"10.0.0.0/8", "10.0.0.0", true},
      {"10.0.0.0/8", "10.255.255.255", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"10.0.0.0/8", "::ffff:10.1.2.3", true},
      {"::ffff:10.1.2.3", "10.1.2.3", true},
      {"172.16.0.0/12", "172.31.255.255", true},
      {"172.16.0.0/12", "172.32.0.0", false},
      {"192.0.2.1", "192.0.2.1", true},
      {"192.0.2.1", "192.0.2.0", false},
      {"192.0.2.0/31", "192.0.2.1", true},
      {"192.0.2.0/31", "192.0.2.2", false},
      {"0.0.0.0/0", "203.0.113.9", true},
      {"0.0.0.0/0", "::1", false},
      {"::/0", "2001:db8::1", true},
      {"::/0", "192.0.2.1", false},
      {"::1", "::1", true},
      {"::1/128", "::2", false},
      {"2001:db8::/32", "2001:db8:ffff::", true},
      {"2001:db8::/32", "2001:db9::", false},
      {"fe80::/10", "febf::1", true},
      {"fe80::/10", "fec0::1", false},
  };
  for (const auto& [text, address, contains] : cases) {
    const auto network = ParseNetwork(text);
    ASSERT_TRUE(network) << text;
    EXPECT_EQ(Contains(*network, *ParseIpAddress(address)), contains) << text << " " << address;
  }
}

TEST(Network, RefusesWhatIsNone) {
  for (const std::string_view text :
       {"", "/8", "x/8", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8",
        "10.0.0.0/8 ", "::/129", "::/256", "10.0.0.0/+8", "10.0.0.1/8", "2001:db8::1/32"}) {
    const auto network = ParseNetwork(text);
    ASSERT_FALSE(network) << text;
    EXPECT_EQ(network.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(network.error().message, HasSubstr("'" + std::string(text) + "'"));
  }
}

TEST(ClientAddress, IsTheLastThatIsNotTrusted) {
  const std::vector<Network> trusted = {*ParseNetwork("10.0.0.0/8"), *ParseNetwork("::1"),
                                        *ParseNetwork("2001:db8::/32")};
  const struct {
    std::string_view peer;
    std::string_view forwarded;
    std::string_view client;
  } cases[] = {
      {"203.0.113.9", "", "203.0.113.9"},
      {"203.0.113.9", "198.51.100.1", "203.0.113.9"},  // Anybody can send the header.
      {"10.0.0.1", "", "10.0.0.1"},
      {"10.0.0.1", "198.51.100.1", "198.51.100.1"},
      {"10.0.0.1", "192.0.2.66, 198.51.100.1", "198.51.100.1"},
      {"10.0.0.1", "192.0.2.66, 198.51.100.1, 10.0.0.2", "198.51.100.1"},
      {"10.0.0.1", "198.51.100.1,10.0.0.3,10.0.0.2", "198.51.100.1"},
      {"10.0.0.1", " \t198.51.100.1\t ", "198.51.100.1"},
      {"10.0.0.1", ", 198.51.100.1, ,", "198.51.100.1"},
      {"10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"},
      {"10.0.0.1", "198.51.100.1:4711", "198.51.100.1"},
      {"10.0.0.1", "198.51.100.1, 10.0.0.2:80", "198.51.100.1"},
      {"10.0.0.1", "2a00::5", "2a00::5"},
      {"10.0.0.1", "[2a00::5]", "2a00::5"},
      {"10.0.0.1", "[2a00::5]:443", "2a00::5"},
      {"10.0.0.1", "2a00::5, [2001:db8::7]:443", "2a00::5"},
      {"10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"},
      {"10.0.0.1", "[::ffff:198.51.100.1]:80", "198.51.100.1"},
      {"::1", "198.51.100.1", "198.51.100.1"},
      {"2001:db8::9", "198.51.100.1, ::1", "198.51.100.1"},
      {"10.0.0.1", "unknown", "10.0.0.1"},
      {"10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"},
      {"10.0.0.1", "198.51.100.1, _hidden, 10.0.0.2", "10.0.0.2"},
      {"10.0.0.1", "unknown, 198.51.100.1", "198.51.100.1"},
      {"10.0.0.1", "198.51.100.1:x", "10.0.0.1"},
      {"10.0.0.1", "198.51.100.1:123456", "10.0.0.1"},
      {"10.0.0.1", "[198.51.100.1]", "10.0.0.1"},
      {"10.0.0.1", "[2a00::5", "10.0.0.1"},
      {"10.0.0.1", "[2a00::5]x", "10.0.0.1"},
      {"10.0.0.1", "2a00::5]", "10.0.0.1"},
      {"10.0.0.1", "[]", "10.0.0.1"},
      {"10.0.0.1", ":80", "10.0.0.1"},
      {"not an address", "198.51.100.1", "not an address"},
  };
  for (const auto& [peer, forwarded, client] : cases) {
    EXPECT_EQ(ClientAddress(peer, forwarded, trusted), client) << peer << " / " << forwarded;
  }
  EXPECT_EQ(ClientAddress("10.0.0.1", "198.51.100.1", {}), "10.0.0.1");
}

}  // namespace
}  // namespace common::net

// SPDX-License-Identifier: Apache-2.0
#include "gateway/config/scalar.h"

#include <gtest/gtest.h>

#include <chrono>
#include <limits>
#include <string>

namespace gateway::config {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(ScalarTest, DurationsThatParse) {
  const struct {
    std::string text;
    common::Duration value;
    std::string formatted;
  } cases[] = {
      {"250ms", milliseconds(250), "250ms"},
      {"5s", seconds(5), "5s"},
      {"1h", hours(1), "1h"},
      {"2m", minutes(2), "2m"},
      {"1d", hours(24), "1d"},
      {"200us", microseconds(200), "200us"},
      {"0", seconds(0), "0s"},
      {"0s", seconds(0), "0s"},
      {"1000ms", seconds(1), "1s"},
      {"90s", seconds(90), "90s"},
      {"24h", hours(24), "1d"},
      {"007s", seconds(7), "7s"},
  };
  for (const auto& c : cases) {
    const auto value = ParseDuration(c.text);
    ASSERT_TRUE(value.has_value()) << c.text;
    EXPECT_EQ(*value, c.value) << c.text;
    EXPECT_EQ(FormatDuration(c.value), c.formatted);
  }
}

TEST(ScalarTest, DurationsThatDoNot) {
  for (const std::string text : {"", "5", "s", "-1s", "+1s", "1.5s", "5 s", "1h30m", "5S", "5sec",
                                 "5ns", "0x5s", " 5s", "5s ", "1e3ms"}) {
    EXPECT_FALSE(ParseDuration(text).has_value()) << text;
  }
}

TEST(ScalarTest, ADurationTooLargeIsTheLargest) {
  EXPECT_EQ(ParseDuration("99999999999999999999999d"), common::Duration::max());
  EXPECT_EQ(ParseDuration("200000d"), common::Duration::max());
}

TEST(ScalarTest, SizesThatParse) {
  const struct {
    std::string text;
    std::uint64_t value;
    std::string formatted;
  } cases[] = {
      {"0", 0, "0"},
      {"475000", 475'000, "475000"},
      {"1B", 1, "1"},
      {"1kB", 1'000, "1000"},
      {"2KB", 2'000, "2000"},
      {"3MB", 3'000'000, "3000000"},
      {"4GB", 4'000'000'000, "4000000000"},
      {"5TB", 5'000'000'000'000, "5000000000000"},
      {"1KiB", 1024, "1KiB"},
      {"64MiB", 67'108'864, "64MiB"},
      {"2GiB", 2'147'483'648, "2GiB"},
      {"16TiB", 17'592'186'044'416, "16TiB"},
      {"1024KiB", 1'048'576, "1MiB"},
      {"1025KiB", 1'049'600, "1025KiB"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ParseSize(c.text), std::optional(c.value)) << c.text;
    EXPECT_EQ(FormatSize(c.value), c.formatted);
  }
  EXPECT_EQ(ParseSize("99999999TiB"), std::numeric_limits<std::uint64_t>::max());
}

TEST(ScalarTest, SizesThatDoNot) {
  for (const std::string text : {"", "MiB", "-1", "1.5GiB", "1 MiB", "1K", "1M", "1mib", "1Mib"}) {
    EXPECT_FALSE(ParseSize(text).has_value()) << text;
  }
}

TEST(ScalarTest, Counts) {
  EXPECT_EQ(ParseCount("0"), 0U);
  EXPECT_EQ(ParseCount("2500"), 2500U);
  EXPECT_EQ(ParseCount("18446744073709551616"), std::numeric_limits<std::uint64_t>::max());
  for (const std::string text : {"", "-1", "1.0", "1e3", "0x10", "1_000", "1,000", " 1", "one"}) {
    EXPECT_FALSE(ParseCount(text).has_value()) << text;
  }
}

TEST(ScalarTest, Ratios) {
  EXPECT_EQ(ParseRatio("0.2"), 0.2);
  EXPECT_EQ(ParseRatio("2"), 2.0);
  for (const std::string text : {"", "nan", "inf", "-inf", "0.2x", "1e999", "20%"}) {
    EXPECT_FALSE(ParseRatio(text).has_value()) << text;
  }
}

TEST(ScalarTest, ListenAddressesThatParse) {
  const struct {
    std::string text;
    ListenAddress value;
    std::string formatted;
  } cases[] = {
      {"127.0.0.1:8080", {"127.0.0.1", 8080}, "127.0.0.1:8080"},
      {":8080", {"0.0.0.0", 8080}, "0.0.0.0:8080"},
      {"localhost:1", {"127.0.0.1", 1}, "127.0.0.1:1"},
      {"[::1]:8080", {"::1", 8080}, "[::1]:8080"},
      {"[::]:65535", {"::", 65535}, "[::]:65535"},
      {"0.0.0.0:0", {"0.0.0.0", 0}, "0.0.0.0:0"},
  };
  for (const auto& c : cases) {
    const auto value = ParseListen(c.text);
    ASSERT_TRUE(value.has_value()) << c.text;
    EXPECT_EQ(*value, c.value) << c.text;
    EXPECT_EQ(FormatListen(*value), c.formatted);
  }
}

TEST(ScalarTest, ListenAddressesThatDoNot) {
  for (const std::string text :
       {"", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1:8080",
        "[::1]", "[127.0.0.1]:80", "[]:80", "[::1:80", "example.com:80", "256.0.0.1:80",
        "127.0.0.1:80 ", "http://127.0.0.1:80"}) {
    EXPECT_FALSE(ParseListen(text).has_value()) << text;
  }
}

TEST(ScalarTest, EndpointsFormatAsTheUrlTheyCameFrom) {
  for (const std::string url :
       {"https://api.segment.io", "http://127.0.0.1:9090", "https://[::1]:8443/prefix/v",
        "http://sandbox", "https://events.example.com:80"}) {
    const auto endpoint = pipeline::ParseEndpoint(url);
    ASSERT_TRUE(endpoint.has_value()) << url;
    EXPECT_EQ(FormatEndpoint(*endpoint), url);
  }
}

TEST(ScalarTest, NamesAndKeys) {
  EXPECT_TRUE(IsName("Acme_1.eu-west"));
  EXPECT_TRUE(IsName(std::string(128, 'a')));
  EXPECT_FALSE(IsName(std::string(129, 'a')));
  for (const std::string text : {"", "a b", "a/b", "a:b", "\xC3\xBC", "a\n"}) {
    EXPECT_FALSE(IsName(text)) << text;
  }
  EXPECT_TRUE(IsKey("acme-key/1+=$~!"));
  EXPECT_TRUE(IsKey(std::string(256, 'k')));
  EXPECT_FALSE(IsKey(std::string(257, 'k')));
  for (const std::string text : {"", "a b", "a:b", "a\tb", "\xC3\xBC", "a\x7f"}) {
    EXPECT_FALSE(IsKey(text)) << text;
  }
}

}  // namespace
}  // namespace gateway::config

// SPDX-License-Identifier: Apache-2.0
#include "common/net/chunked_decoder.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace common::net {
namespace {

using State = ChunkedDecoder::State;

struct Decoded {
  State state = State::kMore;
  std::string out;
  std::string rest;
  friend bool operator==(const Decoded&, const Decoded&) = default;
};

/// Feeds `text` in pieces of `size` bytes.
Decoded Decode(std::string_view text, std::uint64_t max_bytes, std::size_t size) {
  ChunkedDecoder decoder(max_bytes);
  Decoded decoded;
  while (!text.empty() && decoded.state == State::kMore) {
    std::string_view piece = text.substr(0, size);
    const std::size_t given = piece.size();
    decoded.state = decoder.Decode(piece, decoded.out);
    text.remove_prefix(given - piece.size());
  }
  decoded.rest = text;
  return decoded;
}

TEST(ChunkedDecoder, Decodes) {
  const std::string at_limit(ChunkedDecoder::kMaxExtraBytes - 1, 'e');
  const struct {
    std::string text;
    State state;
    std::string_view out;
    std::string_view rest;
  } cases[] = {
      {"", State::kMore, "", ""},
      {"0\r\n\r\n", State::kDone, "", ""},
      {"3\r\nabc\r\n0\r\n\r\nGET", State::kDone, "abc", "GET"},
      {"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", State::kDone, "abc", ""},
      {"A\r\n0123456789\r\n0\r\n\r\n", State::kDone, "0123456789", ""},
      {"a\r\n0123456789\r\n000\r\n\r\n", State::kDone, "0123456789", ""},
      {"0000000000000003\r\nabc\r\n0\r\n\r\n", State::kDone, "abc", ""},
      {"2\r\n\r\n\r\n0\r\n\r\n", State::kDone, "\r\n", ""},
      {"3;a;b=c;d=\"e f\"\r\nabc\r\n0;x\r\n\r\n", State::kDone, "abc", ""},
      {"3 \t;a\r\nabc\r\n0\r\n\r\n", State::kDone, "abc", ""},
      {"0\r\nTrailer: x\r\nOther: y\r\n\r\nrest", State::kDone, "", "rest"},
      {"1;" + at_limit + "\r\na\r\n0\r\n\r\n", State::kDone, "a", ""},
      {"3\r\nab", State::kMore, "ab", ""},
      {"0\r\n", State::kMore, "", ""},
      {"10\r\n0123456789abcdef\r\n0\r\n\r\n", State::kDone, "0123456789abcdef", ""},
      {"11\r\n0123456789abcdefg\r\n0\r\n\r\n", State::kTooLarge, "",
       "0123456789abcdefg\r\n0\r\n\r\n"},
      {"f\r\n0123456789abcde\r\n2\r\nxx\r\n", State::kTooLarge, "0123456789abcde", "xx\r\n"},
      {"ffffffffffffffff\r\n", State::kTooLarge, "", ""},
      {"1\r\na\r\nffffffffffffffff\r\n", State::kTooLarge, "a", ""},
      {"x", State::kMalformed, "", ""},
      {"\r\n", State::kMalformed, "", "\n"},
      {";a\r\n", State::kMalformed, "", "a\r\n"},
      {" 3\r\n", State::kMalformed, "", "3\r\n"},
      {"0x3\r\n", State::kMalformed, "", "3\r\n"},
      {"-1\r\n", State::kMalformed, "", "1\r\n"},
      {"3\nabc", State::kMalformed, "", "abc"},
      {"3\r\rabc", State::kMalformed, "", "abc"},
      {"3\r\nabcd", State::kMalformed, "abc", ""},
      {"3\r\nabc\n0", State::kMalformed, "abc", "0"},
      {"3\r\nabc\r0", State::kMalformed, "abc", ""},
      {"3;a\nabc", State::kMalformed, "", "abc"},
      {"0\r\n\n", State::kMalformed, "", ""},
      {"0\r\nTrailer: x\n\r\n", State::kMalformed, "", "\r\n"},
      {"0\r\n\rx", State::kMalformed, "", ""},
      {std::string("3;\0\r\n", 5), State::kMalformed, "", "\r\n"},
      {"00000000000000003\r\n", State::kMalformed, "", "\r\n"},
      {"1;" + at_limit + "e\r\na\r\n", State::kMalformed, "", "\r\na\r\n"},
      {"1;" + at_limit + "\r\na\r\n0;\r\n", State::kMalformed, "a", "\r\n"},
      {"0\r\n" + at_limit + "ee", State::kMalformed, "", ""},
  };
  for (const auto& [text, state, out, rest] : cases) {
    const Decoded expected{.state = state, .out = std::string(out), .rest = std::string(rest)};
    for (const std::size_t size : {1UL, 2UL, 3UL, 5UL, 100'000UL}) {
      const Decoded decoded = Decode(text, 16, size);
      EXPECT_TRUE(decoded == expected) << text.substr(0, 60) << " in pieces of " << size << ": '"
                                       << decoded.out << "' '" << decoded.rest.substr(0, 60) << "'";
    }
  }
}

}  // namespace
}  // namespace common::net

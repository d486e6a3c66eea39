// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/message_id.h"

#include <array>
#include <cstdint>

namespace gateway::normalize {
namespace {

constexpr std::size_t kTextSize = 38;  // 32 digits, 4 dashes, 2 quotes.

/// Writes the `digits` lowest hexadecimal digits of `value`; returns the place behind.
char* WriteHex(char* at, std::uint64_t value, int digits) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (int i = digits; i-- > 0; value >>= 4) at[i] = kDigits[value & 0xFU];
  return at + digits;
}

}  // namespace

void AppendMessageId(std::string& out, common::WallTime now, common::Random& random) {
  const auto millis = static_cast<std::uint64_t>(now.time_since_epoch().count());
  const std::uint64_t a = random.Next();
  const std::uint64_t b = random.Next();
  std::array<char, kTextSize> text;
  char* p = text.data();
  *p++ = '"';
  p = WriteHex(p, millis >> 16, 8);
  *p++ = '-';
  p = WriteHex(p, millis, 4);
  *p++ = '-';
  p = WriteHex(p, 0x7000U | (a & 0x0FFFU), 4);  // Version 7.
  *p++ = '-';
  p = WriteHex(p, 0x8000U | ((a >> 12) & 0x3FFFU), 4);  // Variant 10.
  *p++ = '-';
  p = WriteHex(p, b, 12);
  *p = '"';
  out.append(text.data(), text.size());
}

}  // namespace gateway::normalize

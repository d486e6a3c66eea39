// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/message_id.h"

#include <cstdint>
#include <string_view>

namespace gateway::normalize {
namespace {

// Version 7, variant 10; the digits are written over.
constexpr std::string_view kShape = "\"00000000-0000-7000-8000-000000000000\"";

/// Writes the `digits` lowest hexadecimal digits of `value`.
void WriteHex(char* at, std::uint64_t value, int digits) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (int i = digits; i-- > 0; value >>= 4) at[i] = kDigits[value & 0xFU];
}

}  // namespace

void AppendMessageId(std::string& out, common::WallTime now, common::Random& random) {
  const auto millis = static_cast<std::uint64_t>(now.time_since_epoch().count());
  const std::uint64_t a = random.Next();
  const std::uint64_t b = random.Next();
  out += kShape;
  char* const p = out.data() + out.size() - kShape.size() + 1;
  WriteHex(p, millis >> 16, 8);
  WriteHex(p + 9, millis, 4);
  WriteHex(p + 15, a, 3);
  WriteHex(p + 19, 0x8000U | ((a >> 12) & 0x3FFFU), 4);
  WriteHex(p + 24, b, 12);
}

}  // namespace gateway::normalize

// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/json_escape.h"

#include <cstdint>
#include <cstring>

namespace gateway::normalize {
namespace {

constexpr std::size_t kUnicodeEscape = 6;  // \uXXXX

/// The value of four hexadecimal digits, -1 when they are not. Stops at the first byte
/// that is none, so it reads no further than the text's NUL.
std::int32_t Hex4(const char* p) {
  std::int32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = p[i];
    std::int32_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      digit = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = c - 'A' + 10;
    } else {
      return -1;
    }
    value = value * 16 + digit;
  }
  return value;
}

bool IsHighSurrogate(std::int32_t c) { return c >= 0xD800 && c <= 0xDBFF; }
bool IsLowSurrogate(std::int32_t c) { return c >= 0xDC00 && c <= 0xDFFF; }

/// `p` is at "\u". How many bytes the escape (or the pair of escapes) takes; 0 when it is
/// none. A lone surrogate is overwritten.
std::size_t CheckUnicodeEscape(char* p) {
  const std::int32_t code = Hex4(p + 2);
  if (code < 0) return 0;
  if (IsHighSurrogate(code) && p[6] == '\\' && p[7] == 'u' && IsLowSurrogate(Hex4(p + 8))) {
    return 2 * kUnicodeEscape;
  }
  if (IsHighSurrogate(code) || IsLowSurrogate(code)) std::memcpy(p, "\\ufffd", kUnicodeEscape);
  return kUnicodeEscape;
}

void AppendUtf8(std::uint32_t code, std::string& out) {
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0U | (code >> 6));
    put(0x80U | (code & 0x3FU));
  } else if (code < 0x10000) {
    put(0xE0U | (code >> 12));
    put(0x80U | ((code >> 6) & 0x3FU));
    put(0x80U | (code & 0x3FU));
  } else {
    put(0xF0U | (code >> 18));
    put(0x80U | ((code >> 12) & 0x3FU));
    put(0x80U | ((code >> 6) & 0x3FU));
    put(0x80U | (code & 0x3FU));
  }
}

char Unescape(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;  // " \ /
  }
}

}  // namespace

EscapeCheck CheckEscapes(char* text, std::size_t size) {
  EscapeCheck result;
  char* p = text;
  char* const end = text + size;
  while (p < end) {
    p = static_cast<char*>(std::memchr(p, '\\', static_cast<std::size_t>(end - p)));
    if (p == nullptr) break;
    result.found = true;
    std::size_t length = 0;
    switch (p[1]) {
      case '"':
      case '\\':
      case '/':
      case 'b':
      case 'f':
      case 'n':
      case 'r':
      case 't':
        length = 2;
        break;
      case 'u':
        length = CheckUnicodeEscape(p);
        break;
      default:
        break;
    }
    if (length == 0) {
      result.invalid = static_cast<std::size_t>(p - text);
      break;
    }
    p += length;
  }
  return result;
}

void AppendUnescaped(std::string_view raw, std::string& out) {
  for (;;) {
    const std::size_t plain = raw.find('\\');
    out.append(raw.substr(0, plain));
    if (plain == std::string_view::npos) return;
    raw.remove_prefix(plain);
    if (raw[1] != 'u') {
      out += Unescape(raw[1]);
      raw.remove_prefix(2);
      continue;
    }
    auto code = static_cast<std::uint32_t>(Hex4(raw.data() + 2));
    raw.remove_prefix(kUnicodeEscape);
    if (code >= 0xD800 && code <= 0xDBFF) {
      const auto low = static_cast<std::uint32_t>(Hex4(raw.data() + 2));
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      raw.remove_prefix(kUnicodeEscape);
    }
    AppendUtf8(code, out);
  }
}

}  // namespace gateway::normalize

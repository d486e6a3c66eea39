// SPDX-License-Identifier: Apache-2.0
#include "common/strings.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace common {
namespace {

/// Length of the valid UTF-8 sequence at the start of `s`; 0 when there is none.
std::size_t Utf8SequenceLength(std::string_view s) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const auto continuation = [&](std::size_t i) {
    return i < s.size() && (byte(i) & 0xC0U) == 0x80U;
  };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continuation(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!continuation(1) || !continuation(2)) return 0;
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;  // Overlong.
    if (lead == 0xED && byte(1) > 0x9F) return 0;  // Surrogate.
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!continuation(1) || !continuation(2) || !continuation(3)) return 0;
    if (lead == 0xF0 && byte(1) < 0x90) return 0;
    if (lead == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

/// Reads decimal digits off the front of a timestamp.
class DigitReader {
 public:
  explicit DigitReader(std::string_view text) : rest_(text) {}

  /// A number of `min` to `max` digits.
  bool Number(std::size_t min, std::size_t max, int& value) {
    std::size_t n = 0;
    value = 0;
    while (n < max && n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9') {
      value = value * 10 + (rest_[n] - '0');
      ++n;
    }
    rest_.remove_prefix(n);
    return n >= min;
  }
  bool Literal(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

bool ReadFraction(DigitReader& in, int& millis) {
  int digit = 0;
  int count = 0;
  millis = 0;
  while (in.Number(1, 1, digit)) {
    if (++count > 9) return false;
    if (count <= 3) millis = millis * 10 + digit;
  }
  if (count == 0) return false;
  for (int i = count; i < 3; ++i) millis *= 10;
  return true;
}

/// "Z", "±hh:mm", "±hhmm" or nothing.
bool ReadOffset(DigitReader& in, int& minutes) {
  minutes = 0;
  if (in.rest().empty()) return true;
  if (in.Literal('Z') || in.Literal('z')) return in.rest().empty();
  const bool negative = in.Literal('-');
  if (!negative && !in.Literal('+')) return false;
  int hh = 0;
  int mm = 0;
  if (!in.Number(2, 2, hh)) return false;
  in.Literal(':');
  if (!in.Number(2, 2, mm) || hh > 23 || mm > 59 || !in.rest().empty()) return false;
  minutes = (hh * 60 + mm) * (negative ? -1 : 1);
  return true;
}

}  // namespace

void AppendJsonString(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const char c = text[0];
    const std::size_t length = Utf8SequenceLength(text);
    if (length == 0) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

std::string FormatTimestamp(WallTime time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day ymd(day);
  const hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(ymd.year()),
                     static_cast<unsigned>(ymd.month()), static_cast<unsigned>(ymd.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

std::optional<WallTime> ParseTimestamp(std::string_view text) {
  using namespace std::chrono;
  DigitReader in(text);
  int y = 0;
  int mo = 0;
  int d = 0;
  if (!in.Number(4, 4, y) || !in.Literal('-') || !in.Number(1, 2, mo) || !in.Literal('-') ||
      !in.Number(1, 2, d)) {
    return std::nullopt;
  }
  const year_month_day ymd(year(y), month(static_cast<unsigned>(mo)),
                           day(static_cast<unsigned>(d)));
  if (!ymd.ok()) return std::nullopt;
  WallTime time = sys_days(ymd);
  if (in.rest().empty()) return time;

  int h = 0;
  int mi = 0;
  int s = 0;
  int ms = 0;
  int offset = 0;
  if (!in.Literal('T') && !in.Literal('t') && !in.Literal(' ')) return std::nullopt;
  if (!in.Number(2, 2, h) || !in.Literal(':') || !in.Number(2, 2, mi)) return std::nullopt;
  if (in.Literal(':') && !in.Number(2, 2, s)) return std::nullopt;
  if ((in.Literal('.') || in.Literal(',')) && !ReadFraction(in, ms)) return std::nullopt;
  if (!ReadOffset(in, offset)) return std::nullopt;
  if (h > 23 || mi > 59 || s > 60) return std::nullopt;  // 60: a leap second.
  return time + hours(h) + minutes(mi - offset) + seconds(s) + milliseconds(ms);
}

std::string Base64Encode(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                reinterpret_cast<const unsigned char*>(bytes.data()),
                                static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(n));
  return out;
}

std::optional<std::string> Base64Decode(std::string_view text) {
  constexpr auto kValues = [] {
    std::array<std::int8_t, 256> table{};
    table.fill(-1);
    constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
      table[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
    }
    return table;
  }();
  // OpenSSL's decoder wants padding and skips blanks; keys come without the one and must
  // not hold the other, so the twelve lines are ours.
  while (text.ends_with('=')) text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int have = 0;
  for (const char c : text) {
    const std::int8_t value = kValues[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    have += 6;
    if (have >= 8) {
      have -= 8;
      out += static_cast<char>((bits >> have) & 0xFFU);
    }
  }
  return out;
}

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  };
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

std::string RepairUtf8(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = Utf8SequenceLength(text);
    out += length == 0 ? kReplacement : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string_view Truncate(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

}  // namespace common

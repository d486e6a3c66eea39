// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/timestamp.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstring>

#include "common/strings.h"

namespace gateway::normalize {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::string_view kQuotedShape = "\"0000-00-00T00:00:00.000Z\"";
constexpr std::string_view kShape = kQuotedShape.substr(1, kQuotedShape.size() - 2);

// Without a branch for each byte: nearly every text has the shape.
bool HasCanonicalShape(std::string_view text) {
  if (text.size() != kShape.size()) return false;
  bool other = false;
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    const auto digit = static_cast<unsigned char>(text[i] - '0');
    other |= kShape[i] == '0' ? digit > 9 : text[i] != kShape[i];
  }
  return !other;
}

int Number(std::string_view text, std::size_t at, std::size_t digits) {
  int value = 0;
  for (std::size_t i = at; i < at + digits; ++i) value = value * 10 + (text[i] - '0');
  return value;
}

constexpr auto kTwoDigits = [] {
  std::array<char, 200> digits{};
  for (std::size_t i = 0; i < 100; ++i) {
    digits[2 * i] = static_cast<char>('0' + i / 10);
    digits[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return digits;
}();

/// Writes the two digits of `value`, which is below 100.
void Write2(char* at, unsigned value) { std::memcpy(at, &kTwoDigits[std::size_t{2} * value], 2); }

}  // namespace

GivenTime ReadTime(const Field* field, const BodyReader& body, std::string& scratch) {
  const ValueKind kind = KindOf(field);
  if (kind == ValueKind::kAbsent) return {};
  std::optional<common::WallTime> time;
  if (kind == ValueKind::kString) time = ReadTimestamp(body.StringValue(*field, scratch));
  if (!time) return {.state = GivenTime::State::kUnreadable, .time = {}};
  return {.state = GivenTime::State::kTime, .time = *time};
}

std::optional<common::WallTime> ReadTimestamp(std::string_view text) {
  if (!HasCanonicalShape(text)) return common::ParseTimestamp(text);
  const year_month_day date(std::chrono::year(Number(text, 0, 4)),
                            std::chrono::month(static_cast<unsigned>(Number(text, 5, 2))),
                            std::chrono::day(static_cast<unsigned>(Number(text, 8, 2))));
  const int h = Number(text, 11, 2);
  const int m = Number(text, 14, 2);
  const int s = Number(text, 17, 2);
  if (!date.ok() || h > 23 || m > 59 || s > 60) return std::nullopt;
  return sys_days(date) + hours(h) + minutes(m) + seconds(s) + milliseconds(Number(text, 20, 3));
}

void AppendTimestamp(std::string& out, common::WallTime time) {
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  const auto millis = static_cast<unsigned>((time - day).count());
  const unsigned second = millis / 1000;
  // In place: a copy of bytes written one by one would wait for each of them.
  out += kQuotedShape;
  char* const p = out.data() + out.size() - 1 - kShape.size();
  Write2(p, year / 100);
  Write2(p + 2, year % 100);
  Write2(p + 5, static_cast<unsigned>(date.month()));
  Write2(p + 8, static_cast<unsigned>(date.day()));
  Write2(p + 11, second / 3600);
  Write2(p + 14, second / 60 % 60);
  Write2(p + 17, second % 60);
  Write2(p + 20, millis % 1000 / 10);
  p[22] = static_cast<char>('0' + millis % 10);
}

bool InRange(common::WallTime time) {
  using std::chrono::January;
  using std::chrono::year;
  return time >= sys_days(year(0) / January / 1) && time < sys_days(year(10000) / January / 1);
}

}  // namespace gateway::normalize

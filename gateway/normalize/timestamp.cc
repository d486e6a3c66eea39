// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/timestamp.h"

#include <array>
#include <chrono>
#include <cstddef>

#include "common/strings.h"

namespace gateway::normalize {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hh_mm_ss;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::string_view kShape = "0000-00-00T00:00:00.000Z";

bool HasCanonicalShape(std::string_view text) {
  if (text.size() != kShape.size()) return false;
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == '0' ? !digit : text[i] != kShape[i]) return false;
  }
  return true;
}

int Number(std::string_view text, std::size_t at, std::size_t digits) {
  int value = 0;
  for (std::size_t i = at; i < at + digits; ++i) value = value * 10 + (text[i] - '0');
  return value;
}

void Write(char* at, unsigned value, std::size_t digits) {
  for (std::size_t i = digits; i-- > 0; value /= 10) at[i] = static_cast<char>('0' + value % 10);
}

}  // namespace

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
  const hh_mm_ss clock(time - day);
  std::array<char, kShape.size() + 2> text;
  text.front() = '"';
  kShape.copy(text.data() + 1, kShape.size());
  text.back() = '"';
  char* const p = text.data() + 1;
  Write(p, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  Write(p + 5, static_cast<unsigned>(date.month()), 2);
  Write(p + 8, static_cast<unsigned>(date.day()), 2);
  Write(p + 11, static_cast<unsigned>(clock.hours().count()), 2);
  Write(p + 14, static_cast<unsigned>(clock.minutes().count()), 2);
  Write(p + 17, static_cast<unsigned>(clock.seconds().count()), 2);
  Write(p + 20, static_cast<unsigned>(clock.subseconds().count()), 3);
  out.append(text.data(), text.size());
}

bool InRange(common::WallTime time) {
  using std::chrono::January;
  using std::chrono::year;
  return time >= sys_days(year(0) / January / 1) && time < sys_days(year(10000) / January / 1);
}

}  // namespace gateway::normalize

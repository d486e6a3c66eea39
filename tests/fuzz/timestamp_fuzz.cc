// SPDX-License-Identifier: Apache-2.0
// Timestamps: the parser against a model that knows the grammar as one regular expression
// and the calendar by counting days; the normaliser's short ways against the common ones;
// and what is written reads as the same moment.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <regex>
#include <string>
#include <string_view>

#include "common/strings.h"
#include "gateway/normalize/timestamp.h"

namespace {

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

bool IsLeap(int year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

int DaysOf(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && IsLeap(year) ? 29 : kDays[month - 1];
}

/// Days from 1970-01-01, year by year.
std::int64_t DaysBefore(int year) {
  std::int64_t days = 0;
  for (int y = 1970; y < year; ++y) days += IsLeap(y) ? 366 : 365;
  for (int y = year; y < 1970; ++y) days -= IsLeap(y) ? 366 : 365;
  return days;
}

int ToInt(const std::string& digits) { return digits.empty() ? 0 : std::stoi(digits); }

/// Milliseconds since 1970.
std::optional<std::int64_t> Model(const std::string& text) {
  static const std::regex kGrammar(
      R"((\d{4})-(\d{1,2})-(\d{1,2}))"
      R"((?:[Tt ](\d{2}):(\d{2})(?::(\d{2}))?(?:[.,](\d{1,9}))?([Zz]|([+-])(\d{2}):?(\d{2}))?)?)");
  std::smatch part;
  if (!std::regex_match(text, part, kGrammar)) return std::nullopt;
  const auto number = [&part](std::size_t i) { return ToInt(part[i].str()); };
  const int year = number(1);
  const int month = number(2);
  const int day = number(3);
  if (month < 1 || month > 12 || day < 1 || day > DaysOf(year, month)) return std::nullopt;
  if (number(4) > 23 || number(5) > 59 || number(6) > 60) return std::nullopt;
  if (number(10) > 23 || number(11) > 59) return std::nullopt;
  std::int64_t days = DaysBefore(year) + day - 1;
  for (int m = 1; m < month; ++m) days += DaysOf(year, m);
  const int offset = (number(10) * 60 + number(11)) * (part[9].str() == "-" ? -1 : 1);
  const std::int64_t minutes = days * 1440 + number(4) * 60 + number(5) - offset;
  const int millis = ToInt((part[7].str() + "000").substr(0, 3));
  return minutes * 60'000 + number(6) * 1000 + millis;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 100) return 0;  // The regular expression recurses.
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto time = common::ParseTimestamp(text);
  const auto model = Model(text);
  Require(time.has_value() == model.has_value(), "the model agrees on what is a timestamp");
  static gateway::normalize::TimestampCodec codec;  // Remembers days, rightly or not.
  Require(codec.Read(text) == time, "the short way agrees");
  Require(codec.Read(text) == time, "also when it has just been asked");
  if (!time) return 0;
  Require(time->time_since_epoch().count() == *model, "and on the moment");
  if (!gateway::normalize::InRange(*time)) return 0;
  const std::string written = common::FormatTimestamp(*time);
  Require(common::ParseTimestamp(written) == time, "what is written reads as the same moment");
  std::string quoted;
  codec.Append(quoted, *time);
  Require(quoted == '"' + written + '"', "both writers agree");
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/timestamp.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "common/strings.h"

namespace gateway::normalize {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::milliseconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::string_view kShape = kQuotedTimestamp.substr(1, kQuotedTimestamp.size() - 2);

// Eight bytes of a text as one number, the first byte lowest, so that each step below
// works on all of them.
using Word = std::uint64_t;
constexpr std::size_t kWordBytes = sizeof(Word);
constexpr Word kHighNibbles = 0xF0F0F0F0F0F0F0F0;

constexpr Word ToWord(std::string_view bytes) {
  Word word = 0;
  for (std::size_t i = 0; i < kWordBytes; ++i) {
    word |= Word{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return word;
}

/// What may be added to the difference from the shape before a high nibble shows: a digit
/// differs from '0' by 0 to 9, any other byte of the shape by nothing.
constexpr Word SlackOf(std::string_view shape) {
  Word slack = 0;
  for (std::size_t i = 0; i < kWordBytes; ++i) {
    slack |= Word{shape[i] == '0' ? 0x06U : 0x0FU} << (8 * i);
  }
  return slack;
}

constexpr unsigned ByteAt(Word word, std::size_t i) {
  return static_cast<unsigned>(word >> (8 * i) & 0xFFU);
}

/// The digits' values in the word at `at`, and whether the text has the shape there.
template <std::size_t at>
bool ReadDigits(std::string_view text, Word& digits) {
  constexpr Word kWanted = ToWord(kShape.substr(at));
  constexpr Word kSlack = SlackOf(kShape.substr(at));
  digits = ToWord(text.substr(at)) ^ kWanted;
  return ((digits | (digits + kSlack)) & kHighNibbles) == 0;
}

/// In each byte ten times its digit and the next one.
constexpr Word Pairs(Word digits) { return digits * 10 + (digits >> 8); }

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

GivenTime TimestampCodec::Read(const Field* field, const BodyReader& body, std::string& scratch) {
  const ValueKind kind = KindOf(field);
  if (kind == ValueKind::kAbsent) return {};
  std::optional<common::WallTime> time;
  if (kind == ValueKind::kString) time = Read(body.StringValue(*field, scratch));
  if (!time) return {.state = GivenTime::State::kUnreadable, .time = {}};
  return {.state = GivenTime::State::kTime, .time = *time};
}

std::optional<common::WallTime> TimestampCodec::Read(std::string_view text) {
  Word date_digits = 0;
  Word day_digits = 0;
  Word second_digits = 0;
  if (text.size() != kShape.size() || !ReadDigits<0>(text, date_digits) ||
      !ReadDigits<kWordBytes>(text, day_digits) ||
      !ReadDigits<2 * kWordBytes>(text, second_digits)) {
    return common::ParseTimestamp(text);
  }
  const Word dhm = Pairs(day_digits);   // 00T00:00
  const Word s = Pairs(second_digits);  // :00.000Z
  const unsigned hour = ByteAt(dhm, 3);
  const unsigned minute = ByteAt(dhm, 6);
  const unsigned second = ByteAt(s, 1);
  if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
  if (std::memcmp(text.data(), read_text_.data(), kDateBytes) != 0) {
    const Word ym = Pairs(date_digits);  // 0000-00-
    const year_month_day date(
        std::chrono::year(static_cast<int>(ByteAt(ym, 0) * 100 + ByteAt(ym, 2))),
        std::chrono::month(ByteAt(ym, 5)), std::chrono::day(ByteAt(dhm, 0)));
    if (!date.ok()) return std::nullopt;
    std::memcpy(read_text_.data(), text.data(), kDateBytes);
    read_day_ = sys_days(date);
  }
  const unsigned millis = ByteAt(s, 4) * 10 + ByteAt(second_digits, 6);
  return read_day_ + milliseconds(((hour * 60 + minute) * 60 + second) * 1000 + millis);
}

void TimestampCodec::Append(std::string& out, common::WallTime time, std::string_view shape) {
  const auto day = floor<days>(time);
  if (day != written_day_) {
    const year_month_day date(day);
    const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
    char* const p = written_text_.data();
    Write2(p, year / 100);
    Write2(p + 2, year % 100);
    Write2(p + 5, static_cast<unsigned>(date.month()));
    Write2(p + 8, static_cast<unsigned>(date.day()));
    written_day_ = day;
  }
  const auto millis = static_cast<unsigned>((time - day).count());
  const unsigned second = millis / 1000;
  // In place: a copy of bytes written one by one would wait for each of them.
  out += shape;
  char* const p = out.data() + out.size() - 1 - kShape.size();
  std::memcpy(p, written_text_.data(), kDateBytes);
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

// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/json_walk.h"

#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace gateway::normalize {
namespace {

// A double holds any number of so many digits without an exponent.
constexpr std::ptrdiff_t kSafeNumberLength = 300;

bool IsDigit(char c) { return static_cast<unsigned char>(c - '0') <= 9; }

/// What a scalar inside a container ends before.
constexpr auto kEndsScalar = [] {
  std::array<bool, 256> ends{};
  for (const char c : {',', '}', ']', ' ', '\n', '\t', '\r'}) {
    ends[static_cast<unsigned char>(c)] = true;
  }
  return ends;
}();

bool EndsScalar(char c) { return kEndsScalar[static_cast<unsigned char>(c)]; }

bool Is4(const char* p, const char* word) { return std::memcmp(p, word, 4) == 0; }

bool SkipDigits(const char*& p) {
  if (!IsDigit(*p)) return false;
  while (IsDigit(*p)) ++p;
  return true;
}

enum class Number { kNone, kOrdinary, kHuge };

/// JSON's number grammar, and whether a double can hold the number.
Number ReadNumber(const char* begin) {
  const char* p = begin;
  if (*p == '-') ++p;
  if (*p == '0') {
    ++p;
  } else if (!SkipDigits(p)) {
    return Number::kNone;
  }
  bool doubtful = false;
  if (*p == '.') {
    ++p;
    if (!SkipDigits(p)) return Number::kNone;
  }
  if (*p == 'e' || *p == 'E') {
    doubtful = true;
    ++p;
    if (*p == '+' || *p == '-') ++p;
    if (!SkipDigits(p)) return Number::kNone;
  }
  if (!EndsScalar(*p)) return Number::kNone;
  if (!doubtful && p - begin <= kSafeNumberLength) return Number::kOrdinary;
  return std::isfinite(std::strtod(begin, nullptr)) ? Number::kOrdinary : Number::kHuge;
}

/// A literal or a number that a double can hold, and nothing glued to it.
inline bool IsScalar(const char* p) {
  if (IsDigit(*p)) return ReadNumber(p) == Number::kOrdinary;
  switch (*p) {
    case 't':
      return Is4(p, "true") && EndsScalar(p[4]);
    case 'n':
      return Is4(p, "null") && EndsScalar(p[4]);
    case 'f':
      return Is4(p + 1, "alse") && EndsScalar(p[5]);
    default:
      return ReadNumber(p) == Number::kOrdinary;
  }
}

/// What stands at the end of a run of values that are no containers, or before one.
enum class RunEnd { kOpens, kCloses, kComma, kBadScalar, kFails };

/// At a key, the first or behind a comma: passes members up to a value that is a
/// container, or the object's end.
inline RunEnd PassMembers(const char* text, Token& t) {
  for (;;) {
    if (text[t[0]] != '"') return RunEnd::kFails;
    if (text[t[1]] != ':') {
      ++t;
      return RunEnd::kFails;
    }
    t += 2;
    const char c = text[*t];
    if (c != '"') {
      if (c == '{' || c == '[') return RunEnd::kOpens;
      if (!IsScalar(text + *t)) return RunEnd::kBadScalar;
    }
    ++t;
    const char next = text[*t];
    if (next != ',') {
      if (next != '}') return RunEnd::kFails;
      ++t;
      return RunEnd::kCloses;
    }
    ++t;
  }
}

/// The same for an array; at a value.
inline RunEnd PassElements(const char* text, Token& t) {
  for (;;) {
    const char c = text[*t];
    if (c != '"') {
      if (c == '{' || c == '[') return RunEnd::kOpens;
      if (!IsScalar(text + *t)) return RunEnd::kBadScalar;
    }
    ++t;
    const char next = text[*t];
    if (next != ',') {
      if (next != ']') return RunEnd::kFails;
      ++t;
      return RunEnd::kCloses;
    }
    ++t;
  }
}

}  // namespace

Token JsonWalker::SkipScalar(Token t) { return IsScalar(text_ + *t) ? t + 1 : SkipHugeNumber(t); }

/// Apart, so that what nearly never comes costs nothing where it does not.
Token JsonWalker::SkipHugeNumber(Token t) {
  if (ReadNumber(text_ + *t) != Number::kHuge) return Fail(t);
  huge_number_ = true;
  return t + 1;
}

Token JsonWalker::SkipContainer(Token t, std::uint32_t depth) {
  const char* const text = text_;
  std::uint8_t* const closers = closers_.data();
  const std::uint32_t base = depth;
  char closer = '\0';
  RunEnd end = RunEnd::kOpens;
  for (;;) {
    if (end == RunEnd::kOpens) {
      if (depth >= max_depth_) return Fail(t, Failure::kTooDeep);
      closer = text[*t] == '[' ? ']' : '}';
      closers[++depth] = static_cast<std::uint8_t>(closer);
      ++t;
      end = RunEnd::kComma;
      if (text[*t] == closer) {
        ++t;
        end = RunEnd::kCloses;
      }
    }
    while (end == RunEnd::kCloses) {
      if (--depth == base) return t;
      closer = static_cast<char>(closers[depth]);
      const char next = text[*t];
      if (next != ',' && next != closer) return Fail(t);
      if (next == ',') end = RunEnd::kComma;
      ++t;
    }
    end = closer == '}' ? PassMembers(text, t) : PassElements(text, t);
    if (end == RunEnd::kFails) return Fail(t);
    if (end == RunEnd::kBadScalar) {
      const Token behind = SkipHugeNumber(t);
      if (behind == nullptr) return nullptr;
      const char next = text[*behind];
      if (next != ',' && next != closer) return Fail(behind);
      end = next == ',' ? RunEnd::kComma : RunEnd::kCloses;
      t = behind + 1;
    }
  }
}

bool JsonMembers::Next() {
  if (text_[tokens_[next_]] == ',') ++next_;
  if (text_[tokens_[next_]] == '}') return false;
  key_ = {tokens_[next_], TrimBlanks(text_, tokens_[next_ + 1])};
  value_token_ = next_ + 2;
  next_ = value_token_;
  std::uint32_t open = 0;
  do {
    const char c = text_[tokens_[next_]];
    if (c == '{' || c == '[') ++open;
    if (c == '}' || c == ']') --open;
    ++next_;
  } while (open > 0);
  const char last = text_[tokens_[next_ - 1]];
  value_end_ =
      last == '}' || last == ']' ? tokens_[next_ - 1] + 1 : TrimBlanks(text_, tokens_[next_]);
  return true;
}

}  // namespace gateway::normalize

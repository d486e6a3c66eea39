// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/json_walk.h"

#include <cmath>
#include <cstdlib>
#include <cstring>

namespace gateway::normalize {
namespace {

// A double holds any number of so many digits without an exponent.
constexpr std::ptrdiff_t kSafeNumberLength = 300;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// A scalar inside a container ends before one of these.
bool EndsScalar(char c) { return c == ',' || c == '}' || c == ']' || IsBlank(c); }

bool Is4(const char* p, const char* word) { return std::memcmp(p, word, 4) == 0; }

bool SkipDigits(const char*& p) {
  if (!IsDigit(*p)) return false;
  while (IsDigit(*p)) ++p;
  return true;
}

/// JSON's number grammar, and a size that a double can hold: every reader that converts
/// would refuse the document otherwise.
bool IsNumber(const char* begin) {
  const char* p = begin;
  if (*p == '-') ++p;
  if (*p == '0') {
    ++p;
  } else if (!SkipDigits(p)) {
    return false;
  }
  bool doubtful = false;
  if (*p == '.') {
    ++p;
    if (!SkipDigits(p)) return false;
  }
  if (*p == 'e' || *p == 'E') {
    doubtful = true;
    ++p;
    if (*p == '+' || *p == '-') ++p;
    if (!SkipDigits(p)) return false;
  }
  if (!EndsScalar(*p)) return false;
  if (doubtful || p - begin > kSafeNumberLength) return std::isfinite(std::strtod(begin, nullptr));
  return true;
}

/// A literal or a number, and nothing glued to it.
bool IsScalar(const char* p) {
  switch (*p) {
    case 't':
      return Is4(p, "true") && EndsScalar(p[4]);
    case 'n':
      return Is4(p, "null") && EndsScalar(p[4]);
    case 'f':
      return Is4(p + 1, "alse") && EndsScalar(p[5]);
    default:
      return IsNumber(p);
  }
}

}  // namespace

bool JsonWalker::SkipScalar() {
  if (!IsScalar(text_ + *token_)) return Fail();
  ++token_;
  return true;
}

bool JsonWalker::SkipContainer(std::uint32_t depth) {
  const char* const text = text_;
  const std::uint32_t* t = token_;  // In a register: stores to `closers` may alias members.
  std::uint8_t* const closers = closers_.data();
  const std::uint32_t base = depth;
  const auto stop = [this, &t](Failure failure) {
    token_ = t;
    return Fail(failure);
  };
  // Passes a key and its colon.
  const auto name = [text, &t] {
    if (text[t[0]] != '"') return false;
    ++t;
    if (text[t[0]] != ':') return false;
    ++t;
    return true;
  };
  for (;;) {
    // At a value.
    const char c = text[*t];
    if (c == '"') {
      ++t;
    } else if (c == '{' || c == '[') {
      if (depth >= max_depth_) return stop(Failure::kTooDeep);
      const char closer = c == '[' ? ']' : '}';
      closers[++depth] = static_cast<std::uint8_t>(closer);
      ++t;
      if (text[*t] != closer) {
        if (closer == '}' && !name()) return stop(Failure::kGrammar);
        continue;
      }
    } else {
      if (!IsScalar(text + *t)) return stop(Failure::kGrammar);
      ++t;
    }
    // Behind a value: on to the next one, closing what ends here.
    for (;;) {
      const char closer = static_cast<char>(closers[depth]);
      const char next = text[*t];
      if (next == ',') {
        ++t;
        if (closer == '}' && !name()) return stop(Failure::kGrammar);
        break;
      }
      if (next != closer) return stop(Failure::kGrammar);
      ++t;
      if (--depth == base) {
        token_ = t;
        return true;
      }
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

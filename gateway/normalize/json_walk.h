// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace gateway::normalize {

/// A run of bytes in the text of a request.
struct Span {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;

  std::uint32_t size() const { return end - begin; }
};

/// `end` moved back over blanks, behind a token that was passed: no other byte up to ' '
/// can stand there.
inline std::uint32_t TrimBlanks(const char* text, std::uint32_t end) {
  while (static_cast<unsigned char>(text[end - 1]) <= ' ') --end;
  return end;
}

/// A place in a token index (JsonIndex).
using Token = const std::uint32_t*;

/// Moves over a token index and proves JSON's grammar on the way: every bracket, comma,
/// colon, literal and number that it passes. It keeps no stack on the call stack, so depth
/// costs memory of max_depth bytes and no more.
///
/// Places are handed in and out, so that they stay in registers: through memory, each step
/// would wait for the one before. Functions that move return the place behind what they
/// passed, or null after a failure: failure() and failed_at() then tell which and where.
/// Not thread-safe; borrows text and tokens, which outlive it.
class JsonWalker {
 public:
  enum class Failure { kNone, kGrammar, kTooDeep };

  /// `closers` is scratch memory of max_depth + 1 entries.
  JsonWalker(const char* text, Token tokens, std::uint32_t max_depth,
             std::vector<std::uint8_t>& closers)
      : text_(text), tokens_(tokens), max_depth_(max_depth), closers_(closers) {}

  Token first() const { return tokens_; }
  /// First byte of a token.
  char At(Token t) const { return text_[*t]; }
  /// Position in the index, to come back to with JsonMembers.
  std::uint32_t Index(Token t) const { return static_cast<std::uint32_t>(t - tokens_); }

  /// Passes a key and its colon.
  Token SkipKey(Token t) {
    if (At(t) != '"') return Fail(t);
    if (At(t + 1) != ':') return Fail(t + 1);
    return t + 2;
  }
  /// Passes one value that lies `depth` containers deep, and all it holds.
  Token SkipValue(Token t, std::uint32_t depth) {
    const char c = At(t);
    if (c == '"') return t + 1;
    return c == '{' || c == '[' ? SkipContainer(t, depth) : SkipScalar(t);
  }
  Token SkipContainer(Token t, std::uint32_t depth);
  Token SkipScalar(Token t);
  /// Where the value ends that was passed last, before `behind`.
  std::uint32_t EndOfValue(Token behind) const {
    // A container's last token is its bracket; any other value is one token, and only
    // blanks lie between it and the next.
    const char last = At(behind - 1);
    if (last == '}' || last == ']') return behind[-1] + 1;
    return TrimBlanks(text_, *behind);
  }
  /// Into a container, which may open inside `depth` others.
  Token Enter(Token t, std::uint32_t depth) {
    return depth < max_depth_ ? t + 1 : Fail(t, Failure::kTooDeep);
  }

  Token Fail(Token t, Failure failure = Failure::kGrammar) {
    failure_ = failure;
    failed_at_ = *t;
    return nullptr;
  }
  Failure failure() const { return failure_; }
  /// Whether a number was passed, since the last call of this, that no double can hold: it is
  /// JSON, and every reader that converts would refuse the whole document for it.
  bool TakeHugeNumber() { return std::exchange(huge_number_, false); }
  /// Offset in the text.
  std::uint32_t failed_at() const { return failed_at_; }

 private:
  Token SkipHugeNumber(Token t);

  const char* text_;
  Token tokens_;
  std::uint32_t max_depth_;
  std::vector<std::uint8_t>& closers_;  ///< The bracket that ends each open container.
  Failure failure_ = Failure::kNone;
  std::uint32_t failed_at_ = 0;
  bool huge_number_ = false;
};

/// The members of one object in a text that JsonWalker has passed before, so nothing is
/// checked again.
///   for (JsonMembers m(text, tokens, value_token); m.Next();) use(m.key(), m.value());
class JsonMembers {
 public:
  /// `token` is the index of the object's '{'.
  JsonMembers(const char* text, const std::uint32_t* tokens, std::uint32_t token)
      : text_(text), tokens_(tokens), next_(token + 1) {}

  bool Next();
  /// Without the quotes, escapes as written.
  std::string_view key() const { return {text_ + key_.begin + 1, key_.size() - 2}; }
  /// From the key's opening quote to the value's last byte.
  Span member() const { return {key_.begin, value_end_}; }
  Span value() const { return {tokens_[value_token_], value_end_}; }
  std::uint32_t value_token() const { return value_token_; }

 private:
  const char* text_;
  const std::uint32_t* tokens_;
  std::uint32_t next_;
  std::uint32_t value_token_ = 0;
  std::uint32_t value_end_ = 0;
  Span key_;
};

}  // namespace gateway::normalize

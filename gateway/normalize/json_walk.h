// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace gateway::normalize {

/// A run of bytes in the text of a request.
struct Span {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;

  std::uint32_t size() const { return end - begin; }
};

inline bool IsBlank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/// `end` moved back over blanks.
inline std::uint32_t TrimBlanks(const char* text, std::uint32_t end) {
  while (IsBlank(text[end - 1])) --end;
  return end;
}

/// Moves over a token index (JsonIndex) and proves JSON's grammar on the way: every
/// bracket, comma, colon, literal and number that it passes. It keeps no stack on the call
/// stack, so depth costs memory of max_depth bytes and no more.
///
/// After a failure (every function that returns false) the walker stays where the text is
/// wrong. Not thread-safe; borrows text and tokens, which outlive it.
class JsonWalker {
 public:
  enum class Failure { kNone, kGrammar, kTooDeep };

  /// `closers` is scratch memory of max_depth + 1 entries.
  JsonWalker(const char* text, const std::uint32_t* tokens, std::uint32_t max_depth,
             std::vector<std::uint8_t>& closers)
      : text_(text), tokens_(tokens), token_(tokens), max_depth_(max_depth), closers_(closers) {}

  /// First byte of the current token.
  char Peek() const { return text_[*token_]; }
  std::uint32_t offset() const { return *token_; }
  /// Position in the index, to come back to with JsonMembers.
  std::uint32_t index() const { return static_cast<std::uint32_t>(token_ - tokens_); }
  void Advance() { ++token_; }
  Failure failure() const { return failure_; }

  /// At a key: its text with the quotes; then stands at the value.
  bool Key(Span& key) {
    if (Peek() != '"') return Fail();
    key.begin = *token_;
    ++token_;
    if (Peek() != ':') return Fail();
    key.end = TrimBlanks(text_, *token_);
    ++token_;
    return true;
  }
  /// Passes one value that lies `depth` containers deep, and all it holds.
  bool SkipValue(std::uint32_t depth) {
    const char c = Peek();
    if (c == '"') {
      ++token_;
      return true;
    }
    return c == '{' || c == '[' ? SkipContainer(depth) : SkipScalar();
  }
  /// Where the value that was passed last ends.
  std::uint32_t EndOfValue() const {
    // A container's last token is its bracket; any other value is one token, and only
    // blanks lie between it and the next.
    const char last = text_[token_[-1]];
    if (last == '}' || last == ']') return token_[-1] + 1;
    return TrimBlanks(text_, *token_);
  }

  bool Fail(Failure failure = Failure::kGrammar) {
    failure_ = failure;
    return false;
  }
  /// Whether a container may open inside `depth` others.
  bool Enter(std::uint32_t depth) { return depth < max_depth_ || Fail(Failure::kTooDeep); }

 private:
  bool SkipContainer(std::uint32_t depth);
  bool SkipScalar();

  const char* text_;
  const std::uint32_t* tokens_;
  const std::uint32_t* token_;
  std::uint32_t max_depth_;
  std::vector<std::uint8_t>& closers_;  ///< The bracket that ends each open container.
  Failure failure_ = Failure::kNone;
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

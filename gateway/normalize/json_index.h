// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace simdjson::internal {
class dom_parser_implementation;  // NOLINT(readability-identifier-naming): not our name
}

namespace gateway::normalize {

/// Where the tokens of a JSON text begin: simdjson's first stage (chosen at run time for
/// the processor) and nothing else. It vouches for three things: the text is UTF-8, every
/// string is closed, and no string holds a raw control character. Grammar, literals,
/// numbers and escapes are JsonWalker's and CheckEscapes' to prove.
///
/// Why not On-Demand: it does not look inside what it skips, and an event is copied
/// almost whole, so every byte would have to be visited through it after all.
/// Not thread-safe; keeps its memory from one text to the next.
class JsonIndex {
 public:
  enum class Failure { kNone, kEmpty, kUtf8, kUnclosedString, kControlCharacter, kTooLarge };

  JsonIndex();
  ~JsonIndex();
  JsonIndex(const JsonIndex&) = delete;
  JsonIndex& operator=(const JsonIndex&) = delete;

  /// Indexes text[0, size). text[size] is NUL and kPadding bytes behind it are readable.
  Failure Build(const char* text, std::size_t size);

  /// Offsets of `{ } [ ] : ,`, of opening quotes and of the first byte of everything else
  /// that is not a blank, in order; then `size`, the place of a NUL, with which no
  /// token begins: a walk that fails on unknown bytes never runs past the end.
  const std::uint32_t* tokens() const;
  std::uint32_t count() const;

  static constexpr std::size_t kPadding = 64;

 private:
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser_;
};

}  // namespace gateway::normalize

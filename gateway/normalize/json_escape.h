// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace gateway::normalize {

struct EscapeCheck {
  bool found = false;                  ///< The text holds at least one backslash.
  std::optional<std::size_t> invalid;  ///< Offset of the first backslash that begins no escape.
};

/// Checks every escape of a JSON text. text[size] must be readable and NUL.
///
/// A \u escape that is half of a surrogate pair is replaced in place by \ufffd. JSON's
/// grammar allows it and JavaScript writes it when it cuts a string inside an emoji, but
/// no UTF-8 text can hold it, and strict readers refuse the whole document.
EscapeCheck CheckEscapes(char* text, std::size_t size);

/// Appends the characters that `raw`, the inside of a string whose escapes are valid,
/// stands for.
void AppendUnescaped(std::string_view raw, std::string& out);

}  // namespace gateway::normalize

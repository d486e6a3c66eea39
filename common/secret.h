// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace common {

/// A write key, ingest key or token. Formats as "***" everywhere; the only way to the
/// text is Reveal(), so `grep Reveal` lists every place where a secret can escape.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}

  const std::string& Reveal() const { return text_; }
  bool empty() const { return text_.empty(); }
  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  std::string text_;
};

}  // namespace common

template <>
struct fmt::formatter<common::Secret> : fmt::formatter<std::string_view> {
  auto format(const common::Secret&, fmt::format_context& context) const {
    return fmt::formatter<std::string_view>::format("***", context);
  }
};

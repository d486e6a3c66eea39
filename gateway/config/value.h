// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gateway/config/schema.h"

namespace gateway::config {

/// Parses `text` as `type`, checks its range and stores it. Otherwise leaves the target
/// alone and returns what is wrong, without the text itself ("is out of range"). `target`
/// is not a list or map.
std::optional<std::string> Assign(const Type& type, const Target& target, std::string_view text);

/// What a value of the type may be: "1s to 5m", "debug, info, warning or error".
std::string Allowed(const Type& type, const Target& target);

/// The value as the file would write it, before any quoting; "***" for a secret.
/// `target` is not a list or map.
std::string Render(const Target& target);

}  // namespace gateway::config

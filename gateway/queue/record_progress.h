// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace gateway::queue {

/// How far a meta record has come: of two records under one key, the one that has come further was
/// written later. Nothing for a record that cannot be read.
std::optional<std::uint64_t> ProgressOf(std::string_view key, std::string_view value);

}  // namespace gateway::queue

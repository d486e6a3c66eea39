// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <optional>
#include <string_view>

#include "gateway/queue/rocks_options.h"

namespace gateway::queue {

/// Of which family a row is that was found by searching a table of `table` (raw_table.h); nothing
/// when it does not prove to be a record of that family, since blocks that hold no rows may look
/// like ones that do. Where the family of the table is not known either, event and meta records
/// alone are told; those of the registry pass for meta records, which is where they belong too.
std::optional<Family> KindOfRow(std::optional<Family> table, std::string_view key,
                                std::string_view value);

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string_view>

namespace gateway::queue {

/// Calls `visit` for each row that can be found in the bytes of a table file whose end is lost, and
/// with it the list of its blocks. Blocks lie one behind the other, each with a checksum, so that
/// one is found by trying: first where the one before it ends, then at each byte. Deletions are
/// left out; what the caller cannot decode as a record of its own is none (blocks of the list may
/// look like rows). Blocks may be compressed with LZ4 or not at all.
/// Source: RocksDB's wiki, "Rocksdb BlockBasedTable Format"; LZ4 Block Format Description.
void ForEachRawRow(std::string_view table_file,
                   const std::function<void(std::string_view key, std::string_view value)>& visit);

}  // namespace gateway::queue

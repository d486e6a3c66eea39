// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace gateway::queue {

/// How many first bytes of one of RocksDB's log files are whole records of writes up to the
/// one with this sequence number. Behind them lies a later write, or half of one.
/// Source: RocksDB's wiki, "Write Ahead Log File Format".
std::uint64_t BytesOfWritesUpTo(std::uint64_t sequence, std::string_view log_file);

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gateway::queue {

/// How many first bytes of one of RocksDB's log files are whole records of writes up to the
/// one with this sequence number. Behind them lies a later write, or half of one.
/// Source: RocksDB's wiki, "Write Ahead Log File Format".
std::uint64_t BytesOfWritesUpTo(std::uint64_t sequence, std::string_view log_file);

/// The file without what is damaged in it, when something is: every whole write, in order, and
/// nothing else. RocksDB itself would stop at the damage, and drop without a word what lies behind
/// it, later files included. Nothing when the file is sound. One that merely ends in something
/// that is no write is as a crash leaves it, unless there are `later_writes` in another file.
std::optional<std::string> WithoutDamage(std::string_view log_file, bool later_writes);

/// Whether there is a whole write in it.
bool HoldsWrites(std::string_view log_file);

}  // namespace gateway::queue

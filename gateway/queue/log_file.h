// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace gateway::queue {

/// How many first bytes of one of RocksDB's log files are whole records of writes up to the
/// one with this sequence number. Behind them lies a later write, or half of one.
/// Source: RocksDB's wiki, "Write Ahead Log File Format".
std::uint64_t BytesOfWritesUpTo(std::uint64_t sequence, std::string_view log_file);

/// Whether a write, as the bytes of a rocksdb::WriteBatch, was synced before the next one was made.
using WasSyncedFn = std::function<bool(std::string_view write)>;

/// The file without what is damaged in it, when something is: every whole write, in order, and
/// nothing else. RocksDB itself would stop at the damage, and drop without a word what lies behind
/// it, later files included. Nothing when the file is sound, or ends as a crash leaves it: in
/// something that is no write, with nothing behind it that `was_synced`; a disk may well have
/// written the later ones of those that were not, and not the earlier ones. `later_writes` says
/// that a newer file holds one that was.
std::optional<std::string> WithoutDamage(std::string_view log_file, bool later_writes,
                                         const WasSyncedFn& was_synced);

/// Whether there is a whole write in it that was synced.
bool HoldsSyncedWrite(std::string_view log_file, const WasSyncedFn& was_synced);

/// Whether it is whole records and nothing else; of the list of tables too (MANIFEST), which
/// RocksDB writes in the same format.
bool IsWhole(std::string_view log_file);

/// Calls `visit` for each whole write, in order: the bytes of a rocksdb::WriteBatch.
void ForEachWrite(std::string_view log_file,
                  const std::function<void(std::string_view write)>& visit);

}  // namespace gateway::queue

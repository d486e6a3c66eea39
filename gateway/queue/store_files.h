// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/env.h>

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "gateway/queue/options.h"

namespace gateway::queue {

// The files of a store besides those that RocksDB looks after (docs/storage-format.md), and
// kLockFile.

/// Says the format version in plain text, so that it is known before anything is touched.
inline constexpr std::string_view kVersionFile = "format-version";
/// Where the logs ended (tails_file.h).
inline constexpr std::string_view kTailsFile = "tails";
/// There while the tables have to be looked at, one by one, at the next opening.
inline constexpr std::string_view kCheckTables = "check-tables";
/// There while cursors may have been lost with a table.
inline constexpr std::string_view kCheckCursors = "check-cursors";
/// There while event records may have been lost with a table.
inline constexpr std::string_view kCheckEvents = "check-events";
/// There while event records and deletions may have been lost with writes of a log file.
inline constexpr std::string_view kCheckLogs = "check-logs";
/// There while the files of a store whose list is lost are set aside.
inline constexpr std::string_view kListLost = "list-lost";
/// There while a backup is being restored into the directory, and after that was cut short.
inline constexpr std::string_view kRestoreIncomplete = "restore-incomplete";
/// Before the name of a table or log file that was taken out and whose rows are still to be put
/// back.
inline constexpr std::string_view kSalvagePrefix = "salvage-";
/// Before the name of a file that is kept as it was found.
inline constexpr std::string_view kDamagedPrefix = "damaged-";

std::string PathIn(const std::string& folder, std::string_view name);

/// A log file or a table of RocksDB's; not one that was set aside.
bool IsLogFile(std::string_view name);
bool IsTableFile(std::string_view name);

/// Whether there is such a file in the directory. Fails where the disk does not say: what cannot be
/// looked for is not gone.
common::Result<bool> Exists(rocksdb::Env* env, const std::string& path, std::string_view name);

/// Whether there are log files or tables, but not what says which of them are used: RocksDB would
/// take this for an empty directory. Also while these are set aside.
common::Result<bool> LacksList(rocksdb::Env* env, const std::string& path);

/// Whether the list of tables ends in something that is no part of it: a crash tore what was being
/// written, or the file is too short or damaged there. RocksDB goes by what lies before it,
/// whatever that is, without a word, and deletes the tables that are not in it.
bool IsListTorn(rocksdb::Env* env, const std::string& path);

/// The name under which a table or log file is set aside, with its family, where that is known; and
/// both again out of it.
std::string SalvageName(std::string_view family, std::string_view table);
struct SalvagedTable {
  std::string family;  ///< Empty when it was not known.
  std::string table;
};
SalvagedTable ParseSalvageName(std::string_view name);

/// Renames a file of the directory, durably, and never over another: the number in the new name
/// gets a digit more, as often as it takes, so that it still sorts behind those before it. Does
/// nothing when there is no such file.
rocksdb::Status MoveAside(rocksdb::Env* env, const std::string& path, const std::string& name,
                          const std::string& prefix, std::string number);

/// Makes the directory when its parent is there and sees whether it can be written; fails with
/// what to do.
common::Status MakeStoreDirectory(rocksdb::Env* env, const std::string& path);
/// Makes the changes of names in a directory durable.
rocksdb::Status SyncDirectory(rocksdb::Env* env, const std::string& path);

/// Puts one of the marks above into the directory; it survives a crash.
rocksdb::Status Mark(rocksdb::Env* env, const std::string& path, std::string_view mark);
/// Also when it is not there.
rocksdb::Status Unmark(rocksdb::Env* env, const std::string& path, std::string_view mark);

/// Fails with what to do when the directory holds a part of a backup and no store.
common::Status CheckRestored(rocksdb::Env* env, const std::string& path);

/// Takes out of each log file what is damaged and has whole writes behind it, which RocksDB would
/// drop without a word. The file as it was is kept, and the mark kCheckLogs made. Seqs that are
/// missing then are found by the reader. For a store that nobody has open.
common::Status RepairLogFiles(rocksdb::Env* env, const std::string& path);
/// The log files that RepairLogFiles would change.
std::vector<std::string> DamagedLogFiles(rocksdb::Env* env, const std::string& path);

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/salvage.h"

#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/log.h"
#include "gateway/queue/damaged_table.h"
#include "gateway/queue/log_file.h"
#include "gateway/queue/log_registry.h"
#include "gateway/queue/log_table.h"
#include "gateway/queue/logged_changes.h"
#include "gateway/queue/raw_table.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/record_progress.h"
#include "gateway/queue/rocks_status.h"
#include "gateway/queue/row_kind.h"
#include "gateway/queue/store_files.h"
#include "gateway/queue/stored_records.h"
#include "gateway/queue/tail_ledger.h"

namespace gateway::queue {

using common::ErrorCode;
using common::Result;
using common::Status;
using pipeline::LogId;

namespace {

constexpr std::size_t kBatchBytes = 4 << 20;

/// Meta records, and those that are kept under the same keys.
bool IsMeta(Family family) { return family == Family::kMeta || family == Family::kRegistry; }

std::optional<Family> FamilyOf(std::string_view name) {
  for (std::size_t i = 0; i < kFamilyCount; ++i) {
    if (FamilyName(static_cast<Family>(i)) == name) return static_cast<Family>(i);
  }
  return std::nullopt;
}

class Salvage {
 public:
  Salvage(RocksStore& store, rocksdb::Env* env, const std::string& path)
      : store_(store), env_(env), path_(path) {}

  Status Run() {
    if (Status found = FindFiles(); !found) return found;
    // Meta records first: they say which rows of the other families are still wanted.
    if (Status read = ReadTables(true); !read) return read;
    if (Status read = ReadLogFiles(true); !read) return read;
    if (Status put = PutBackMeta(); !put) return put;
    if (Status known = ReadMeta(); !known) return known;
    if (Status put = ReadTables(false); !put) return put;
    // What is in log files is later than what is in tables, or the same.
    if (Status put = ReadLogFiles(false); !put) return put;
    if (Status written = Write(false); !written) return written;
    if (Status mended = MendLogs(); !mended) return mended;
    if (Status written = Write(true); !written) return written;
    return TakeMarksAway();
  }

 private:
  Status Try(const rocksdb::Status& status) const {
    if (status.ok()) return common::Ok();
    return tl::unexpected(ToError(status, "salvage the store in " + path_));
  }

  Status FindFiles() {
    std::vector<std::string> names;
    if (Status listed = Try(env_->GetChildren(path_, &names)); !listed) return listed;
    for (std::string& name : names) {
      if (!name.starts_with(kSalvagePrefix)) continue;
      (IsLogFile(ParseSalvageName(name).table) ? log_files_ : tables_).push_back(std::move(name));
    }
    std::ranges::sort(tables_);
    // The oldest first: a number of more digits is a later one.
    std::ranges::sort(log_files_, {},
                      [](const std::string& name) { return std::pair(name.size(), name); });
    return common::Ok();
  }

  /// Of the meta families, or of the others.
  Status ReadTables(bool meta) {
    for (const std::string& name : tables_) {
      const Result<DamagedTable> table = DamagedTable::Open(env_, PathIn(path_, name));
      const std::optional<Family> family =
          FamilyOf(table ? table->family() : ParseSalvageName(name).family);
      // One of which it is not known may hold either.
      if (family ? IsMeta(*family) != meta : table.has_value()) continue;
      Status put = table ? ReadTable(*table, *family, name)
                         : SearchUnopened(name, family, meta, table.error().message);
      if (!put) return put;
    }
    return common::Ok();
  }

  Status ReadTable(const DamagedTable& table, Family family, const std::string& name) {
    std::uint64_t rows = 0;
    const Result<bool> whole =
        table.ForEachRow([&](std::string_view key, std::string_view value) -> Status {
          ++rows;
          return Take(family, key, value);
        });
    if (!whole) return tl::unexpected(whole.error());
    if (*whole) {
      whole_.insert(name);
      return common::Ok();
    }
    // Seeking may pass over a whole block that lies between two damaged ones.
    const Result<std::uint64_t> found = SearchTable(name, family, IsMeta(family));
    if (!found) return tl::unexpected(found.error());
    common::log::Warning("queue_salvaged_table", "what can be read of a damaged table is put back",
                         {{"file", PathIn(path_, name)},
                          {"family", table.family()},
                          {"rows", std::max(rows, *found)},
                          {"rows_and_deletions_before", table.entries()}});
    return common::Ok();
  }

  /// Of a table that RocksDB cannot open at all.
  Status SearchUnopened(const std::string& name, std::optional<Family> family, bool meta,
                        const std::string& error) {
    const Result<std::uint64_t> rows = SearchTable(name, family, meta);
    if (!rows) return tl::unexpected(rows.error());
    common::log::Error("queue_salvaged_table",
                       "a damaged table cannot be opened; its blocks were searched",
                       {{"file", PathIn(path_, name)},
                        {"family", ParseSalvageName(name).family},
                        {"rows", *rows},
                        {"error", error}});
    return common::Ok();
  }

  /// Takes the rows of every whole block, of meta families or of others; returns how many.
  Result<std::uint64_t> SearchTable(const std::string& name, std::optional<Family> family,
                                    bool meta) {
    const std::string file = PathIn(path_, name);
    std::string bytes;
    if (const rocksdb::Status read = rocksdb::ReadFileToString(env_, file, &bytes); !read.ok()) {
      common::log::Error("queue_unreadable_table", "a damaged table cannot be read to its end",
                         {{"file", file}, {"error", read.ToString()}});
    }
    std::uint64_t rows = 0;
    Status put = common::Ok();
    ForEachRawRow(bytes, [&](std::string_view key, std::string_view value) {
      const std::optional<Family> kind = KindOfRow(family, key, value);
      if (!put || !kind || IsMeta(*kind) != meta) return;
      ++rows;
      put = Take(*kind, key, value);
    });
    if (!put) return tl::unexpected(std::move(put.error()));
    return rows;
  }

  Status ReadLogFiles(bool meta) {
    for (const std::string& name : log_files_) {
      std::string bytes;
      const rocksdb::Status read = rocksdb::ReadFileToString(env_, PathIn(path_, name), &bytes);
      if (!read.ok()) return Try(read);
      Status taken = common::Ok();
      ForEachWrite(bytes, [&](std::string_view write) {
        if (taken) taken = TakeWrite(write, meta);
      });
      if (!taken) return taken;
    }
    return common::Ok();
  }

  Status TakeWrite(std::string_view write, bool meta) {
    for (const LoggedChange& change : ChangesOf(write)) {
      if (IsMeta(change.family) != meta) continue;
      if (change.kind == LoggedChange::Kind::kPut) {
        if (Status taken = Take(change.family, change.key, change.value); !taken) return taken;
      } else if (!meta && change.kind == LoggedChange::Kind::kDelete) {
        batch_.Delete(store_.family(change.family), change.key);
      } else if (!meta) {
        batch_.DeleteRange(store_.family(change.family), change.key, change.value);
      }
    }
    return WriteIfLarge();
  }

  /// A row of a table, or what a write of a log file put.
  Status Take(Family family, std::string_view key, std::string_view value) {
    if (IsMeta(family)) {
      const std::optional<std::uint64_t> progress = ProgressOf(key, value);
      if (!progress) return common::Ok();
      std::pair<std::uint64_t, std::string> record(*progress, value);
      const auto [found, is_new] = meta_.try_emplace({family, std::string(key)}, record);
      if (!is_new && found->second.first <= *progress) found->second = std::move(record);
      return common::Ok();
    }
    if (IsWanted(family, key)) batch_.Put(store_.family(family), key, value);
    return WriteIfLarge();
  }

  Status PutBackMeta() {
    for (const auto& [place, record] : meta_) {
      const auto& [family, key] = place;
      const Result<std::string> present = store_.Get(family, key);
      if (!present && present.error().code != ErrorCode::kNotFound) {
        return tl::unexpected(present.error());
      }
      if (present && ProgressOf(key, *present).value_or(0) >= record.first) continue;
      batch_.Put(store_.family(family), key, record.second);
    }
    return Write(false);
  }

  /// Not settled, and not dropped. Without a record that says so, nothing is.
  bool IsWanted(Family family, std::string_view key) const {
    const std::optional<EntryKey> entry = DecodeEntryKey(key);
    if (!entry) return true;
    if (family == Family::kQueue) {
      const auto cursor = cursors_.find(entry->log);
      return cursor == cursors_.end() || entry->number >= cursor->second.cursor.chunk;
    }
    if (family == Family::kRejected || family == Family::kDead) {
      const auto& kept = first_kept_[family == Family::kDead ? 1 : 0];
      const auto first = kept.find(entry->log);
      return first == kept.end() || entry->number >= first->second;
    }
    return true;
  }

  Status ReadMeta() {
    Status read = ForEachLogMeta(store_, kCursorPrefix, [&](LogId log, std::string_view value) {
      // One that cannot be read is complained about when the logs are loaded.
      if (const auto cursor = DecodeCursor(value)) cursors_.emplace(log, *cursor);
      return common::Ok();
    });
    if (read) read = ReadFirstKept(kRejectedPrefix, first_kept_[0]);
    return read ? ReadFirstKept(kDeadPrefix, first_kept_[1]) : read;
  }

  Status ReadFirstKept(char prefix, std::map<LogId, std::uint64_t>& firsts) const {
    return ForEachLogMeta(store_, prefix, [&](LogId log, std::string_view value) {
      if (const auto letters = DecodeLetters(value)) {
        firsts.emplace(log, letters->segments.empty() ? letters->last_id + 1
                                                      : letters->segments.front().first_id);
      }
      return common::Ok();
    });
  }

  /// Cursors, and settled records that came back. Registrations are looked after when the logs are
  /// loaded.
  Status MendLogs() {
    std::set<LogId> logs;
    for (const auto& [log, cursor] : cursors_) logs.insert(log);
    for (const auto& kept : first_kept_) {
      for (const auto& [log, first] : kept) logs.insert(log);
    }
    for (const Family family : {Family::kQueue, Family::kDead, Family::kRejected}) {
      Status found = FindLogsIn(store_, family, 0, std::numeric_limits<LogId>::max(), logs);
      if (!found) return found;
    }
    const Result<bool> check_cursors = MayMendCursors();
    if (!check_cursors) return tl::unexpected(check_cursors.error());
    auto tails = LoadTails(store_);
    if (!tails) return tl::unexpected(std::move(tails.error()));
    tails_ = std::move(*tails);
    for (const auto& [log, tail] : tails_) logs.insert(log);
    for (const LogId log : logs) {
      if (*check_cursors) {
        if (Status mended = MendCursor(log); !mended) return mended;
      }
      if (Status gone = DropWhatCameBack(log); !gone) return gone;
    }
    return common::Ok();
  }

  /// Where events may be lost too, they cannot be told from settled ones: better counted as lost.
  Result<bool> MayMendCursors() const {
    for (const std::string_view mark : {kCheckEvents, kCheckLogs}) {
      Result<bool> events_lost = Exists(env_, path_, mark);
      if (!events_lost) return events_lost;
      if (*events_lost) return false;
    }
    return Exists(env_, path_, kCheckCursors);
  }

  /// An old cursor came back: the log goes on at its first record, or at its end when there is
  /// none.
  Status MendCursor(LogId log) {
    CursorRecord& record = cursors_[log];
    RangeScan scan(store_, Family::kQueue, EncodeKey(EntryKey{log, record.cursor.chunk}),
                   LogUpperBound(log));
    scan->SeekToFirst();
    if (!scan->status().ok()) return Try(scan->status());
    const std::optional<EntryKey> first =
        scan->Valid() ? DecodeEntryKey(scan.key()) : EntryKey{log, tails_[log]};
    if (!first || first->number <= record.cursor.next()) return common::Ok();
    common::log::Warning("queue_lost_cursor", "a log's cursor is lost; it goes on at what is there",
                         {{"log", log}, {"from", record.cursor.next()}, {"to", first->number}});
    const Result<std::uint64_t> lost = QuarantinedIn(log, record.cursor.next(), first->number);
    if (!lost) return tl::unexpected(lost.error());
    record.dead += *lost;
    record.cursor = {.chunk = first->number, .index = 0};
    batch_.Put(store_.family(Family::kMeta), EncodeMetaKey(kCursorPrefix, log),
               EncodeCursor(record));
    return common::Ok();
  }

  /// How many of the events [from, to) were found damaged.
  Result<std::uint64_t> QuarantinedIn(LogId log, pipeline::Seq from, pipeline::Seq to) const {
    std::uint64_t events = 0;
    RangeScan scan(store_, Family::kQuarantine, EncodeKey(EntryKey{log, 0}), LogUpperBound(log));
    for (scan->SeekToFirst(); scan->Valid(); scan->Next()) {
      const std::optional<QuarantineKey> key = DecodeQuarantineKey(scan.key());
      if (key) events += Overlap({key->first, key->end}, from, to);
    }
    if (Status read = Try(scan->status()); !read) return tl::unexpected(std::move(read.error()));
    return events;
  }

  /// What is settled or was dropped, and whose deletion was lost.
  Status DropWhatCameBack(LogId log) {
    if (const auto cursor = cursors_.find(log); cursor != cursors_.end()) {
      Status gone = DropBefore(Family::kQueue, log, cursor->second.cursor.chunk);
      if (!gone) return gone;
    }
    constexpr std::array kLetters{Family::kRejected, Family::kDead};
    for (std::size_t i = 0; i < kLetters.size(); ++i) {
      const auto first = first_kept_[i].find(log);
      if (first == first_kept_[i].end()) continue;
      if (Status gone = DropBefore(kLetters[i], log, first->second); !gone) return gone;
    }
    return common::Ok();
  }

  Status DropBefore(Family family, LogId log, std::uint64_t number) {
    const std::string begin = EncodeKey(EntryKey{log, 0});
    const std::string end = EncodeKey(EntryKey{log, number});
    RangeScan scan(store_, family, begin, end);
    scan->SeekToFirst();
    if (scan->Valid()) batch_.DeleteRange(store_.family(family), begin, end);
    return Try(scan->status());
  }

  Status WriteIfLarge() { return batch_.GetDataSize() < kBatchBytes ? common::Ok() : Write(false); }

  Status Write(bool sync) {
    if (batch_.Count() == 0 && !sync) return common::Ok();
    Status written = Try(store_.Write(batch_, sync));
    batch_.Clear();
    return written;
  }

  /// What was written without a sync lies before the last write, which had one.
  Status TakeMarksAway() {
    for (const std::string& name : tables_) {
      // All of a whole one is in the store.
      Status done =
          Try(whole_.contains(name) ? env_->DeleteFile(PathIn(path_, name))
                                    : MoveAside(env_, path_, name, std::string(kDamagedPrefix),
                                                ParseSalvageName(name).table));
      if (!done) return done;
    }
    for (const std::string& name : log_files_) {
      if (Status gone = Try(env_->DeleteFile(PathIn(path_, name))); !gone) return gone;
    }
    for (const std::string_view mark : {kCheckCursors, kCheckEvents, kCheckLogs, kCheckTables}) {
      if (Status gone = Try(Unmark(env_, path_, mark)); !gone) return gone;
      // In this order: one that outlives the others would mislead the next salvage.
      if (Status synced = Try(SyncDirectory(env_, path_)); !synced) return synced;
    }
    return common::Ok();
  }

  RocksStore& store_;
  rocksdb::Env* const env_;
  const std::string& path_;
  std::vector<std::string> tables_;
  std::vector<std::string> log_files_;
  std::set<std::string> whole_;  ///< Of `tables_`: everything could be read.
  /// The latest of each, with its progress.
  std::map<std::pair<Family, std::string>, std::pair<std::uint64_t, std::string>> meta_;
  std::map<LogId, CursorRecord> cursors_;
  std::unordered_map<LogId, pipeline::Seq> tails_;
  /// The ids of the first letters that logs keep: refused events, and dead letters.
  std::array<std::map<LogId, std::uint64_t>, 2> first_kept_;
  rocksdb::WriteBatch batch_;
};

}  // namespace

Status PutBackReadableRows(RocksStore& store, rocksdb::Env* env, const std::string& path) {
  return Salvage(store, env, path).Run();
}

}  // namespace gateway::queue

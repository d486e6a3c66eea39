// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/salvage.h"

#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "common/log.h"
#include "gateway/queue/chunk_codec.h"
#include "gateway/queue/damaged_table.h"
#include "gateway/queue/log_registry.h"
#include "gateway/queue/raw_table.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/rocks_status.h"
#include "gateway/queue/store_files.h"
#include "gateway/queue/stored_records.h"

namespace gateway::queue {

using common::ErrorCode;
using common::Result;
using common::Status;
using pipeline::LogId;
using pipeline::Seq;

namespace {

constexpr std::size_t kBatchBytes = 4 << 20;

/// How far a meta record has come: of two records under one key, the one that has come further was
/// written later. Nothing for a record that cannot be read.
std::optional<std::uint64_t> Progress(std::string_view key, std::string_view value) {
  if (key == kVersionKey || key == kDeadIdKey) {
    const auto number = DecodeNumber(value);
    return number ? std::optional(*number) : std::nullopt;
  }
  switch (key.empty() ? '\0' : key.front()) {
    case kCursorPrefix:
      if (const auto cursor = DecodeCursor(value)) return cursor->cursor.next() + cursor->dead;
      return std::nullopt;
    case kTailPrefix:
      if (const auto tail = DecodeNumber(value)) return *tail;
      return std::nullopt;
    case kRejectedPrefix:
    case kDeadPrefix:
      if (const auto letters = DecodeLetters(value)) return letters->last_id + letters->evicted;
      return std::nullopt;
    case kIdsPrefix:
      if (const auto ids = DecodeIds(value)) {
        return static_cast<std::uint64_t>(ids->forget_before_ms);
      }
      return std::nullopt;
    default:
      return 0;  // Never changes.
  }
}

class Salvage {
 public:
  Salvage(RocksStore& store, rocksdb::Env* env, const std::string& path)
      : store_(store), env_(env), path_(path) {}

  Status Run() {
    if (Status found = FindTables(); !found) return found;
    // Meta records first: they say which rows of the other families are still wanted.
    if (Status put = PutBackFamily(true); !put) return put;
    if (Status read = ReadMeta(); !read) return read;
    if (Status put = PutBackFamily(false); !put) return put;
    if (Status written = Write(false); !written) return written;
    if (Status complete = CompleteRegistry(store_); !complete) return complete;
    if (Status mended = MendLogs(); !mended) return mended;
    if (Status written = Write(true); !written) return written;
    return TakeMarksAway();
  }

 private:
  Status Try(const rocksdb::Status& status) const {
    if (status.ok()) return common::Ok();
    return tl::unexpected(ToError(status, "salvage the store in " + path_));
  }

  Status FindTables() {
    std::vector<std::string> names;
    if (Status listed = Try(env_->GetChildren(path_, &names)); !listed) return listed;
    for (std::string& name : names) {
      if (name.starts_with(kSalvagePrefix)) tables_.push_back(std::move(name));
    }
    std::ranges::sort(tables_);
    return common::Ok();
  }

  Status PutBackFamily(bool meta) {
    for (const std::string& name : tables_) {
      const std::string file = PathIn(path_, name);
      const Result<DamagedTable> table = DamagedTable::Open(env_, file);
      if (!table) {
        if (meta) continue;
        if (Status put = PutBackRawTable(name, table.error().message); !put) return put;
        continue;
      }
      if ((table->family() == FamilyName(Family::kMeta)) != meta) continue;
      if (Status put = PutBackTable(*table, file); !put) return put;
    }
    return common::Ok();
  }

  Status PutBackTable(const DamagedTable& table, const std::string& file) {
    std::optional<Family> family;
    for (std::size_t i = 0; i < kFamilyCount; ++i) {
      if (FamilyName(static_cast<Family>(i)) == table.family()) family = static_cast<Family>(i);
    }
    if (!family) {
      common::log::Error("queue_unknown_table",
                         "a damaged table belongs to a family of a newer release",
                         {{"file", file}, {"family", table.family()}});
      return common::Ok();
    }
    std::uint64_t rows = 0;
    Status put = table.ForEachRow([&](std::string_view key, std::string_view value) -> Status {
      ++rows;
      if (!IsWanted(*family, key, value)) return common::Ok();
      batch_.Put(store_.family(*family), key, value);
      return batch_.GetDataSize() < kBatchBytes ? common::Ok() : Write(false);
    });
    common::log::Warning("queue_salvaged_table", "what can be read of a damaged table is put back",
                         {{"file", file},
                          {"family", table.family()},
                          {"rows", rows},
                          {"rows_and_deletions_before", table.entries()}});
    return put;
  }

  /// Of a table that RocksDB cannot open at all.
  Status PutBackRawTable(const std::string& name, const std::string& error) {
    const std::string file = PathIn(path_, name);
    std::string bytes;
    const rocksdb::Status read = rocksdb::ReadFileToString(env_, file, &bytes);
    const std::string family = ParseSalvageName(name).family;
    std::uint64_t rows = 0;
    Status put = common::Ok();
    ForEachRawRow(bytes, [&](std::string_view key, std::string_view value) {
      const std::optional<Family> kind = KindOfRow(family, key, value);
      if (!put || !kind || !IsWanted(*kind, key, value)) return;
      ++rows;
      batch_.Put(store_.family(*kind), key, value);
      if (batch_.GetDataSize() >= kBatchBytes) put = Write(false);
    });
    common::log::Error("queue_salvaged_table",
                       "a damaged table cannot be opened; its blocks were searched",
                       {{"file", file},
                        {"family", family},
                        {"rows", rows},
                        {"error", read.ok() ? error : read.ToString()}});
    return put;
  }

  /// What a row is that was found by searching; nothing when it does not prove to be a record.
  static std::optional<Family> KindOfRow(std::string_view family, std::string_view key,
                                         std::string_view value) {
    const std::optional<EntryKey> entry = DecodeEntryKey(key);
    if (!entry) return std::nullopt;
    for (const Family letters : {Family::kDead, Family::kRejected}) {
      if (family != FamilyName(letters)) continue;
      const auto letter = DecodeDeadLetter(value);
      return letter && !letter->code.empty() ? std::optional(letters) : std::nullopt;
    }
    // Its checksum has the key in it.
    if (DecodeChunk(entry->log, entry->number, std::string(value))) return Family::kQueue;
    return std::nullopt;
  }

  /// Not superseded by what the store has, and not settled.
  bool IsWanted(Family family, std::string_view key, std::string_view value) const {
    if (family == Family::kMeta) {
      const std::optional<std::uint64_t> progress = Progress(key, value);
      if (!progress) return false;
      const Result<std::string> present = store_.GetMeta(key);
      return !present || Progress(key, *present).value_or(0) < *progress;
    }
    const std::optional<EntryKey> entry = DecodeEntryKey(key);
    if (family == Family::kQueue && entry) {
      const auto cursor = cursors_.find(entry->log);
      return cursor == cursors_.end() || entry->number >= cursor->second.cursor.chunk;
    }
    if ((family == Family::kRejected || family == Family::kDead) && entry) {
      const auto& firsts = first_letters_[family == Family::kDead ? 1 : 0];
      const auto first = firsts.find(entry->log);
      return first != firsts.end() && entry->number >= first->second;
    }
    return true;
  }

  Status ReadMeta() {
    if (Status written = Write(false); !written) return written;
    Status read = ForEachLogMeta(store_, kCursorPrefix, [&](LogId log, std::string_view value) {
      // One that cannot be read is complained about when the logs are loaded.
      if (const auto cursor = DecodeCursor(value)) cursors_.emplace(log, *cursor);
      return common::Ok();
    });
    if (!read) return read;
    read = ReadFirstLetters(kRejectedPrefix, first_letters_[0]);
    return read ? ReadFirstLetters(kDeadPrefix, first_letters_[1]) : read;
  }

  Status ReadFirstLetters(char prefix, std::map<LogId, std::uint64_t>& firsts) const {
    return ForEachLogMeta(store_, prefix, [&](LogId log, std::string_view value) {
      const auto letters = DecodeLetters(value);
      if (letters && !letters->segments.empty()) {
        firsts.emplace(log, letters->segments.front().first_id);
      }
      return common::Ok();
    });
  }

  /// Registrations, cursors, and settled records that came back.
  Status MendLogs() {
    std::vector<LogId> logs;
    for (const auto& [log, cursor] : cursors_) logs.push_back(log);
    if (Status found = FindLogsWithRecords(logs); !found) return found;
    std::ranges::sort(logs);
    logs.erase(std::ranges::unique(logs).begin(), logs.end());
    const bool check_cursors = IsMarked(env_, path_, kCheckCursors);
    for (const LogId log : logs) {
      RegisterIfLost(log);
      if (check_cursors) {
        if (Status mended = MendCursor(log); !mended) return mended;
      }
      if (Status gone = DropSettled(log); !gone) return gone;
    }
    return common::Ok();
  }

  Status FindLogsWithRecords(std::vector<LogId>& logs) const {
    RangeScan scan(store_, Family::kQueue, "", std::string(32, '\xff'));
    scan->SeekToFirst();
    while (scan->Valid()) {
      const std::optional<EntryKey> key = DecodeEntryKey(scan.key());
      if (!key) {
        scan->Next();
        continue;
      }
      logs.push_back(key->log);
      scan->Seek(LogUpperBound(key->log));
    }
    return Try(scan->status());
  }

  void RegisterIfLost(LogId log) {
    if (store_.GetMeta(EncodeMetaKey(kLogPrefix, log))) return;
    const std::string tenant = "lost-log-" + std::to_string(log);
    common::log::Error("queue_lost_registration", "whose events a log holds is lost",
                       {{"log", log}, {"tenant", tenant}});
    PutLog(store_, log, tenant, batch_);
  }

  Status MendCursor(LogId log) {
    CursorRecord& record = cursors_[log];
    RangeScan scan(store_, Family::kQueue, EncodeKey(EntryKey{log, record.cursor.chunk}),
                   LogUpperBound(log));
    scan->SeekToFirst();
    if (!scan->Valid()) return Try(scan->status());
    const std::optional<EntryKey> first = DecodeEntryKey(scan.key());
    if (!first || first->number <= record.cursor.next()) return common::Ok();
    common::log::Warning("queue_lost_cursor",
                         "a log's cursor is lost; it goes on at its first record",
                         {{"log", log}, {"from", record.cursor.next()}, {"to", first->number}});
    record.cursor = {.chunk = first->number, .index = 0};
    batch_.Put(store_.family(Family::kMeta), EncodeMetaKey(kCursorPrefix, log),
               EncodeCursor(record));
    return common::Ok();
  }

  Status DropSettled(LogId log) {
    const auto cursor = cursors_.find(log);
    if (cursor == cursors_.end()) return common::Ok();
    const std::string begin = EncodeKey(EntryKey{log, 0});
    const std::string end = EncodeKey(EntryKey{log, cursor->second.cursor.chunk});
    RangeScan scan(store_, Family::kQueue, begin, end);
    scan->SeekToFirst();
    if (scan->Valid()) batch_.DeleteRange(store_.family(Family::kQueue), begin, end);
    return Try(scan->status());
  }

  Status Write(bool sync) {
    if (batch_.Count() == 0 && !sync) return common::Ok();
    Status written = Try(store_.Write(batch_, sync));
    batch_.Clear();
    return written;
  }

  Status TakeMarksAway() {
    // What was written without a sync lies before the last write, which had one.
    for (const std::string& name : tables_) {
      const std::string kept = std::string(kDamagedPrefix) + ParseSalvageName(name).table;
      if (Status moved = Try(env_->RenameFile(PathIn(path_, name), PathIn(path_, kept))); !moved) {
        return moved;
      }
    }
    for (const std::string_view mark : {kCheckCursors, kCheckTables}) {
      if (Status gone = Try(Unmark(env_, path_, mark)); !gone) return gone;
    }
    return Try(SyncDirectory(env_, path_));
  }

  RocksStore& store_;
  rocksdb::Env* const env_;
  const std::string& path_;
  std::vector<std::string> tables_;
  std::map<LogId, CursorRecord> cursors_;
  /// The ids of the first letters that logs keep: refused events, and dead letters.
  std::array<std::map<LogId, std::uint64_t>, 2> first_letters_;
  rocksdb::WriteBatch batch_;
};

}  // namespace

Status PutBackReadableRows(RocksStore& store, rocksdb::Env* env, const std::string& path) {
  return Salvage(store, env, path).Run();
}

}  // namespace gateway::queue

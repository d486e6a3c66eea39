// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/table_check.h"

#include <rocksdb/metadata.h>
#include <rocksdb/utilities/ldb_cmd.h>
#include <rocksdb/wal_filter.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/log.h"
#include "gateway/queue/damaged_table.h"
#include "gateway/queue/raw_table.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/rocks_options.h"
#include "gateway/queue/rocks_status.h"
#include "gateway/queue/rocks_store.h"
#include "gateway/queue/row_kind.h"
#include "gateway/queue/store_files.h"

namespace gateway::queue {

using common::ErrorCode;
using common::Fail;
using common::Status;

namespace {

/// Of a table that cannot be opened: of what is the first row in it that tells.
std::string GuessFamily(std::string_view table_file) {
  std::optional<Family> family;
  ForEachRawRow(table_file, [&](std::string_view key, std::string_view value) {
    if (!family) family = KindOfRow(std::nullopt, key, value);
  });
  return family ? FamilyName(*family) : "";
}

std::string NameOf(const rocksdb::LiveFileMetaData& table) {
  return table.name.substr(1);  // Begins with a slash.
}

/// Leaves what is in the log files there. In memory, all of it at once, it may be more than the
/// machine has.
class NoReplay final : public rocksdb::WalFilter {
 public:
  WalProcessingOption LogRecord(const rocksdb::WriteBatch& /*batch*/,
                                rocksdb::WriteBatch* /*new_batch*/,
                                bool* /*batch_changed*/) const override {
    return WalProcessingOption::kStopReplay;
  }
  const char* Name() const override { return "NoReplay"; }
};

/// The work of one call; what fails first ends it.
class TableCheck {
 public:
  explicit TableCheck(const Options& options) : path_(options.path), env_(EnvOf(options)) {
    settings_ = MakeSettings(options, nullptr, {});
    // Opens also where a table is damaged or gone.
    settings_.db.paranoid_checks = false;
    settings_.db.wal_filter = &no_replay_;
  }

  Status Check() {
    if (Status marked = Try(Mark(env_, path_, kCheckTables)); !marked) return marked;
    const auto current = Exists(env_, path_, "CURRENT");
    if (!current) return tl::unexpected(current.error());
    if (!*current) return common::Ok();  // A new store.
    std::vector<rocksdb::LiveFileMetaData> tables;
    const rocksdb::Status listed = ListTables(tables);
    if (listed.IsCorruption() || listed.IsPathNotFound()) return SetAllAside();
    if (!listed.ok()) return Try(listed);
    if (version_ && !*version_) return *version_;
    // RocksDB would drop what a log file holds of a family that is not in the list any more.
    if (IsListTorn(env_, path_) && LacksFamily()) return SetAllAside();
    if (Status aside = SetUnlistedAside(tables); !aside) return aside;
    std::vector<std::string> damaged;
    for (const rocksdb::LiveFileMetaData& table : tables) {
      const std::string name = NameOf(table);
      const rocksdb::Status whole = CheckTable(env_, PathIn(path_, name));
      if (whole.ok()) continue;
      damaged.push_back(name);
      LogDamaged(name, table.column_family_name, whole);
      if (Status aside = SetAside(name, table.column_family_name); !aside) return aside;
    }
    for (const std::string& name : damaged) {
      Status removed = Unlist(name);
      if (removed) continue;
      if (removed.error().code != ErrorCode::kDataLoss) return removed;
      common::log::Error("queue_damaged_store", "a damaged table cannot be struck from the list",
                         {{"path", path_}, {"error", removed.error().message}});
      return SetAllAside();
    }
    return common::Ok();
  }

  Status SetAllAside() {
    common::log::Error("queue_damaged_list",
                       "the store's list of tables is damaged or gone; making it anew",
                       {{"path", path_}});
    for (const std::string_view mark : {kListLost, kCheckTables}) {
      if (Status marked = Try(Mark(env_, path_, mark)); !marked) return marked;
    }
    std::vector<std::string> names;
    if (Status listed = Try(env_->GetChildren(path_, &names)); !listed) return listed;
    for (const std::string& name : names) {
      Status moved = common::Ok();
      if (IsTableFile(name)) moved = SetTableAside(name);
      if (IsLogFile(name)) moved = Move(name, SalvageName({}, ""), name);
      if (name == "CURRENT" || name.starts_with("MANIFEST-")) {
        moved = Move(name, std::string(kDamagedPrefix), name);
      }
      if (!moved) return moved;
    }
    if (Status synced = Try(SyncDirectory(env_, path_)); !synced) return synced;
    if (Status done = Try(Unmark(env_, path_, kListLost)); !done) return done;
    return Try(SyncDirectory(env_, path_));
  }

 private:
  Status Try(const rocksdb::Status& status) const {
    if (status.ok()) return common::Ok();
    return tl::unexpected(ToError(status, "check the tables in " + path_));
  }

  /// The tables that count. With the families that there are, of whatever release; reads nothing
  /// but the list and, where a table has it that can be read, the version.
  rocksdb::Status ListTables(std::vector<rocksdb::LiveFileMetaData>& tables) {
    std::vector<std::string> families;
    rocksdb::Status status = rocksdb::DB::ListColumnFamilies(settings_.db, path_, &families);
    if (!status.ok()) return status;
    for (const std::string& family : families) {
      families_.emplace_back(family, rocksdb::ColumnFamilyOptions());
    }
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* opened = nullptr;
    status = rocksdb::DB::OpenForReadOnly(settings_.db, path_, families_, &handles, &opened);
    if (!status.ok()) return status;
    const std::unique_ptr<rocksdb::DB> db(opened);
    db->GetLiveFilesMetaData(&tables);
    std::string version;
    const rocksdb::Status read = db->Get(rocksdb::ReadOptions(), kVersionKey, &version);
    // It may be what is damaged.
    if (read.ok()) version_ = CheckFormatVersion(path_, version);
    for (rocksdb::ColumnFamilyHandle* handle : handles) {
      db->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
    }
    return rocksdb::Status::OK();
  }

  bool LacksFamily() const {
    for (std::size_t i = 0; i < kFamilyCount; ++i) {
      if (std::ranges::find(families_, FamilyName(static_cast<Family>(i)),
                            &rocksdb::ColumnFamilyDescriptor::name) == families_.end()) {
        return true;
      }
    }
    return false;
  }

  /// RocksDB deletes a table that is not in the list. After a crash that costs nothing, since its
  /// rows are also in the log files, or in the tables that it was made of. Where the list has lost
  /// its end, they may be nowhere else.
  Status SetUnlistedAside(const std::vector<rocksdb::LiveFileMetaData>& tables) {
    std::set<std::string> listed;
    for (const rocksdb::LiveFileMetaData& table : tables) listed.insert(NameOf(table));
    std::vector<std::string> names;
    if (Status found = Try(env_->GetChildren(path_, &names)); !found) return found;
    for (const std::string& name : names) {
      if (!IsTableFile(name) || listed.contains(name)) continue;
      common::log::Warning("queue_unlisted_table", "a table is not in the store's list of tables",
                           {{"file", PathIn(path_, name)}});
      if (Status aside = SetTableAside(name); !aside) return aside;
    }
    return common::Ok();
  }

  void LogDamaged(const std::string& name, std::string_view family,
                  const rocksdb::Status& damage) const {
    common::log::Error(
        "queue_damaged_table_file", "a table of the store is damaged or gone",
        {{"file", PathIn(path_, name)}, {"family", family}, {"error", damage.ToString()}});
  }

  Status SetTableAside(const std::string& name) {
    const std::string file = PathIn(path_, name);
    std::string family;
    const auto table = DamagedTable::Open(env_, file);
    if (table) {
      family = table->family();
    } else {
      std::string bytes;
      if (rocksdb::ReadFileToString(env_, file, &bytes).ok()) family = GuessFamily(bytes);
      LogDamaged(name, family, rocksdb::Status::Corruption(table.error().message));
    }
    // Nothing is lost with a whole one.
    if (CheckTable(env_, file).ok()) return Move(name, SalvageName(family, ""), name);
    return SetAside(name, family);
  }

  /// Moves a table out of RocksDB's sight; one that is gone stays so.
  Status SetAside(const std::string& name, const std::string& family) {
    // When its family is not known, it may be either.
    for (const auto& [kind, mark] :
         {std::pair(Family::kMeta, kCheckCursors), std::pair(Family::kQueue, kCheckEvents)}) {
      if (family != FamilyName(kind) && !family.empty()) continue;
      if (Status marked = Try(Mark(env_, path_, mark)); !marked) return marked;
    }
    return Move(name, SalvageName(family, ""), name);
  }

  Status Move(const std::string& name, const std::string& prefix, const std::string& number) const {
    return Try(MoveAside(env_, path_, name, prefix, number));
  }

  /// Strikes a table from RocksDB's list. kDataLoss where another try would fail too.
  Status Unlist(const std::string& name) const {
    const std::unique_ptr<rocksdb::LDBCommand> command(rocksdb::LDBCommand::InitFromCmdLineArgs(
        {"--db=" + path_, "unsafe_remove_sst_file", name.substr(0, name.find('.'))},
        rocksdb::Options(settings_.db, families_.front().options), rocksdb::LDBOptions(),
        &families_));
    command->Run();
    rocksdb::LDBCommandExecuteResult result = command->GetExecuteState();
    if (result.IsSucceed()) return common::Ok();
    // The tool hands the status on as text alone.
    const std::string said = result.ToString();
    ErrorCode code = ErrorCode::kDataLoss;
    if (said.find("IO error") != std::string::npos) code = ErrorCode::kIo;
    if (said.find("No space left on device") != std::string::npos) code = ErrorCode::kNoSpace;
    return Fail(code,
                "cannot take the table " + name + " out of the store in " + path_ + ": " + said);
  }

  const std::string path_;
  rocksdb::Env* const env_;
  NoReplay no_replay_;
  StoreSettings settings_;
  std::vector<rocksdb::ColumnFamilyDescriptor> families_;  ///< That the store has.
  std::optional<Status> version_;
};

}  // namespace

Status TakeOutDamagedTables(const Options& options) { return TableCheck(options).Check(); }

Status SetAllAside(const Options& options) { return TableCheck(options).SetAllAside(); }

}  // namespace gateway::queue

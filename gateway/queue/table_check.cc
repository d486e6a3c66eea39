// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/table_check.h"

#include <rocksdb/metadata.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/utilities/ldb_cmd.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/log.h"
#include "gateway/queue/damaged_table.h"
#include "gateway/queue/rocks_options.h"
#include "gateway/queue/rocks_status.h"
#include "gateway/queue/rocks_store.h"
#include "gateway/queue/store_files.h"

namespace gateway::queue {

using common::ErrorCode;
using common::Fail;
using common::Status;

namespace {

/// The work of one call; what fails first ends it.
class TableCheck {
 public:
  explicit TableCheck(const Options& options) : options_(options), env_(EnvOf(options)) {}

  Status Run() {
    if (Status marked = Try(Mark(env_, options_.path, kCheckTables)); !marked) return marked;
    StoreHealth unused;
    auto store = RocksStore::OpenToRead(options_, unused);
    if (!store && (store.error().code == ErrorCode::kDataLoss || !HasList())) return MakeListAnew();
    if (!store) return tl::unexpected(std::move(store.error()));
    std::vector<rocksdb::LiveFileMetaData> tables;
    (*store)->db().GetLiveFilesMetaData(&tables);
    store->reset();
    std::vector<std::string> damaged;
    for (const rocksdb::LiveFileMetaData& table : tables) {
      const std::string name = table.name.substr(1);  // Begins with a slash.
      const rocksdb::Status whole = CheckTable(env_, PathIn(options_.path, name));
      if (whole.ok()) continue;
      damaged.push_back(name);
      if (Status aside = SetAside(name, table.column_family_name, whole); !aside) return aside;
    }
    for (const std::string& name : damaged) {
      if (Status removed = Unlist(name); !removed) return removed;
    }
    return common::Ok();
  }

 private:
  Status Try(const rocksdb::Status& status) const {
    if (status.ok()) return common::Ok();
    return tl::unexpected(ToError(status, "check the tables in " + options_.path));
  }

  bool HasList() const { return env_->FileExists(PathIn(options_.path, "CURRENT")).ok(); }

  /// Moves a table out of RocksDB's sight; one that is gone stays so.
  Status SetAside(const std::string& name, std::string_view family, const rocksdb::Status& damage) {
    const std::string file = PathIn(options_.path, name);
    common::log::Error("queue_damaged_table_file", "a table of the store is damaged or gone",
                       {{"file", file}, {"family", family}, {"error", damage.ToString()}});
    // When its family is not known, it may be this one.
    if (family == FamilyName(Family::kMeta) || family.empty()) {
      if (Status marked = Try(Mark(env_, options_.path, kCheckCursors)); !marked) return marked;
    }
    if (!env_->FileExists(file).ok()) return common::Ok();
    const std::string aside = PathIn(options_.path, SalvageName(family, name));
    if (Status moved = Try(env_->RenameFile(file, aside)); !moved) return moved;
    return Try(SyncDirectory(env_, options_.path));
  }

  /// Strikes a table from RocksDB's list.
  Status Unlist(const std::string& name) const {
    const StoreSettings settings = MakeSettings(options_, nullptr, nullptr);
    const std::unique_ptr<rocksdb::LDBCommand> command(rocksdb::LDBCommand::InitFromCmdLineArgs(
        {"--db=" + options_.path, "unsafe_remove_sst_file", name.substr(0, name.find('.'))},
        rocksdb::Options(settings.db, settings.families.front().options), rocksdb::LDBOptions(),
        &settings.families));
    command->Run();
    rocksdb::LDBCommandExecuteResult result = command->GetExecuteState();
    if (result.IsSucceed()) return common::Ok();
    return Fail(ErrorCode::kDataLoss, "cannot take the table " + name + " out of the store in " +
                                          options_.path + ": " + result.ToString());
  }

  /// From the tables and log files that are there. A table that was no longer listed, and not
  /// deleted yet, comes back with rows that are settled; the salvage takes those away.
  Status MakeListAnew() {
    common::log::Error("queue_damaged_list",
                       "the store's list of tables is damaged; making it anew",
                       {{"path", options_.path}});
    std::vector<std::string> names;
    if (Status listed = Try(env_->GetChildren(options_.path, &names)); !listed) return listed;
    for (const std::string& name : names) {
      if (!IsTableFile(name)) continue;
      const rocksdb::Status whole = CheckTable(env_, PathIn(options_.path, name));
      if (whole.ok()) continue;
      const auto table = DamagedTable::Open(env_, PathIn(options_.path, name));
      const std::string family = table ? table->family() : "";
      if (Status aside = SetAside(name, family, whole); !aside) return aside;
    }
    const StoreSettings settings = MakeSettings(options_, nullptr, nullptr);
    return Try(rocksdb::RepairDB(options_.path, settings.db, settings.families,
                                 rocksdb::ColumnFamilyOptions()));
  }

  const Options& options_;
  rocksdb::Env* const env_;
};

}  // namespace

Status TakeOutDamagedTables(const Options& options) { return TableCheck(options).Run(); }

}  // namespace gateway::queue

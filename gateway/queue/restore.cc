// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <rocksdb/utilities/backup_engine.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "gateway/queue/backup.h"
#include "gateway/queue/backup_files.h"
#include "gateway/queue/offline_queue.h"
#include "gateway/queue/rocks_log.h"
#include "gateway/queue/rocks_status.h"
#include "gateway/queue/store_files.h"

namespace gateway::queue {

using common::ErrorCode;
using common::Fail;
using common::Result;
using common::Status;

namespace {

/// The engine empties the directory that it restores to; what says whose it is must stay.
class TargetFiles final : public rocksdb::FileSystemWrapper {
 public:
  TargetFiles() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "TargetFiles"; }
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    const std::string_view file = std::string_view(name).substr(name.rfind('/') + 1);
    if (file == kLockFile || file == kRestoreIncomplete) return rocksdb::IOStatus::OK();
    return target()->DeleteFile(name, options, debug);
  }
};

/// The backups of a directory, to be read.
class Reader {
 public:
  Reader(std::string directory, const BackupProgress& progress)
      : directory_(std::move(directory)),
        files_(std::make_shared<BackupFiles>(rocksdb::FileSystem::Default(), progress,
                                             std::stop_token(), 0)),
        files_env_(rocksdb::NewCompositeEnv(files_)),
        target_env_(rocksdb::NewCompositeEnv(std::make_shared<TargetFiles>())) {}

  Status Open() {
    std::error_code error;
    if (!std::filesystem::exists(fmt::format("{}/{}", directory_, kBackupMarker), error)) {
      return Fail(ErrorCode::kNotFound,
                  fmt::format("there are no backups in {}: name the directory that was given to "
                              "backup --to",
                              directory_));
    }
    rocksdb::BackupEngineOptions options(directory_, files_env_.get());
    options.info_log = &log_;
    rocksdb::BackupEngineReadOnly* opened = nullptr;
    const rocksdb::IOStatus status =
        rocksdb::BackupEngineReadOnly::Open(options, target_env_.get(), &opened);
    if (!status.ok()) return tl::unexpected(ToError(status, "read " + directory_));
    engine_.reset(opened);
    return common::Ok();
  }

  std::vector<Backup> List() const {
    std::vector<rocksdb::BackupInfo> whole;
    engine_->GetBackupInfo(&whole);
    std::vector<Backup> all;
    all.reserve(whole.size());
    for (const rocksdb::BackupInfo& info : whole) {
      all.push_back({.id = info.backup_id,
                     .taken_at = common::WallTime(std::chrono::seconds(info.timestamp)),
                     .bytes = info.size,
                     .files = info.number_files});
    }
    std::vector<rocksdb::BackupID> damaged;
    engine_->GetCorruptedBackups(&damaged);
    for (const rocksdb::BackupID id : damaged) {
      all.push_back({.id = id, .taken_at = {}, .damaged = true});
    }
    std::ranges::sort(all, {}, &Backup::id);
    return all;
  }

  Status Check(const Backup& backup) {
    if (backup.damaged) {
      return Fail(
          ErrorCode::kDataLoss,
          fmt::format("backup {} is damaged: a file is missing or has a wrong size", backup.id));
    }
    files_->Begin(BackupStep::kReadingBack, backup.bytes);
    const rocksdb::IOStatus status = engine_->VerifyBackup(backup.id, true);
    if (status.ok()) return common::Ok();
    return Fail(ErrorCode::kDataLoss,
                fmt::format("backup {} is damaged: {}", backup.id, status.ToString()));
  }

  Status Copy(const Backup& backup, const std::string& path) {
    files_->Begin(BackupStep::kRestoring, backup.bytes);
    rocksdb::Env* env = rocksdb::Env::Default();
    rocksdb::Status status = Mark(env, path, kRestoreIncomplete);
    if (status.ok()) status = engine_->RestoreDBFromBackup(backup.id, path, path);
    if (status.ok()) status = SyncDirectory(env, path);
    if (status.ok()) status = Unmark(env, path, kRestoreIncomplete);
    if (status.ok()) status = SyncDirectory(env, path);
    if (status.ok()) return common::Ok();
    return tl::unexpected(ToError(status, fmt::format("restore backup {}", backup.id)));
  }

 private:
  const std::string directory_;
  RocksLog log_;
  const std::shared_ptr<BackupFiles> files_;
  const std::unique_ptr<rocksdb::Env> files_env_;
  const std::unique_ptr<rocksdb::Env> target_env_;
  std::unique_ptr<rocksdb::BackupEngineReadOnly> engine_;
};

/// A directory that is new or empty, or holds no more than a part of a store that an earlier
/// restore left; locked against a gateway; emptied again unless Keep().
class Target {
 public:
  explicit Target(std::string path) : path_(std::move(path)) {}
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
  ~Target() {
    if (lock_ == nullptr) return;
    if (!kept_) Clear();
    rocksdb::Env::Default()->UnlockFile(lock_).PermitUncheckedError();
    std::error_code ignored;
    if (!kept_) std::filesystem::remove(path_ / kLockFile, ignored);
    if (!kept_ && made_) std::filesystem::remove(path_, ignored);
  }

  Status Take() {
    if (Status empty = CheckEmpty(); !empty) return empty;
    std::error_code error;
    made_ = std::filesystem::create_directory(path_, error);
    if (error) {
      return Fail(ErrorCode::kIo,
                  fmt::format("{} cannot be made: {}", path_.string(), error.message()));
    }
    const rocksdb::Status locked = rocksdb::Env::Default()->LockFile(path_ / kLockFile, &lock_);
    if (!locked.ok()) {
      return Fail(ErrorCode::kUnavailable,
                  fmt::format("{} cannot be written, or a gateway or another restore has it: {}",
                              path_.string(), locked.ToString()));
    }
    // A gateway may have come and gone since the first look.
    Status empty = CheckEmpty();
    kept_ = !empty;
    began_again_ = HoldsPart();
    return empty;
  }
  void Keep() { kept_ = true; }
  /// There was a part of a store.
  bool began_again() const { return began_again_; }

 private:
  static bool Ours(const std::filesystem::path& entry) {
    return entry.filename() != "lost+found" && entry.filename() != kLockFile &&
           entry.filename() != kRestoreIncomplete;
  }
  static bool OfStore(std::string_view name) {
    if (name.ends_with(".tmp")) name.remove_suffix(std::string_view(".tmp").size());
    return IsLogFile(name) || IsTableFile(name) || name == "CURRENT" || name == "IDENTITY" ||
           name == "LOCK" || name.starts_with("MANIFEST-") || name.starts_with("OPTIONS-");
  }
  /// Where the disk does not say, nothing is cleared away.
  bool HoldsPart() const {
    return Exists(rocksdb::Env::Default(), path_, kRestoreIncomplete).value_or(false);
  }
  Status CheckEmpty() const {
    std::error_code error;
    if (!std::filesystem::exists(path_, error) && !error) return common::Ok();
    const bool part = HoldsPart();
    for (std::filesystem::directory_iterator entry(path_, error), end; !error && entry != end;
         entry.increment(error)) {
      if (!Ours(entry->path())) continue;
      if (part && OfStore(entry->path().filename().string())) continue;
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} is not empty ({}): a store is restored to a new or empty "
                              "directory only",
                              path_.string(), entry->path().filename().string()));
    }
    if (!error) return common::Ok();
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} cannot be read: {}", path_.string(), error.message()));
  }
  void Clear() const {
    rocksdb::Env* env = rocksdb::Env::Default();
    std::error_code error;
    // This may be cut short too. Where there is no room for a mark, it is made without one.
    if (!HoldsPart()) Mark(env, path_, kRestoreIncomplete).PermitUncheckedError();
    for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
      if (Ours(entry.path())) std::filesystem::remove_all(entry.path(), error);
    }
    if (!error && SyncDirectory(env, path_).ok()) {
      Unmark(env, path_, kRestoreIncomplete).PermitUncheckedError();
    }
  }

  const std::filesystem::path path_;
  bool made_ = false;
  bool kept_ = false;
  bool began_again_ = false;
  rocksdb::FileLock* lock_ = nullptr;
};

std::string WholeOnes(const std::vector<Backup>& backups) {
  std::string ids;
  for (const Backup& backup : backups) {
    if (!backup.damaged) ids += fmt::format("{}{}", ids.empty() ? "" : ", ", backup.id);
  }
  return ids.empty() ? "there is no whole one" : "whole ones: " + ids;
}

Result<Backup> Choose(const std::vector<Backup>& backups, std::optional<std::uint32_t> id,
                      const std::string& directory) {
  const auto found = std::find_if(backups.rbegin(), backups.rend(), [&](const Backup& backup) {
    return id ? backup.id == *id : !backup.damaged;
  });
  if (found != backups.rend()) return *found;
  return Fail(ErrorCode::kNotFound, id ? fmt::format("there is no backup {} in {}; {}", *id,
                                                     directory, WholeOnes(backups))
                                       : fmt::format("there is no whole backup in {}", directory));
}

}  // namespace

Result<std::vector<Backup>> ListBackups(const std::string& directory) {
  Reader reader(directory, [](BackupStep, std::uint64_t, std::uint64_t) {});
  if (Status opened = reader.Open(); !opened) return tl::unexpected(std::move(opened.error()));
  return reader.List();
}

Status CheckBackup(const std::string& directory, const Backup& backup,
                   const BackupProgress& progress) {
  Reader reader(directory, progress);
  if (Status opened = reader.Open(); !opened) return opened;
  return reader.Check(backup);
}

Result<Restored> RestoreBackup(const std::string& directory, std::optional<std::uint32_t> id,
                               const std::string& path, const BackupProgress& progress) {
  if (IsInside(path, directory)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} lies in the directory of backups {}: name one outside of it", path,
                            directory));
  }
  Reader reader(directory, progress);
  if (Status opened = reader.Open(); !opened) return tl::unexpected(std::move(opened.error()));
  const std::vector<Backup> all = reader.List();
  const Result<Backup> chosen = Choose(all, id, directory);
  if (!chosen) return tl::unexpected(chosen.error());
  Target target(path);
  if (Status taken = target.Take(); !taken) return tl::unexpected(std::move(taken.error()));
  if (Status whole = reader.Check(*chosen); !whole) {
    common::Error error = std::move(whole.error());
    error.message += "; --backup ID names another; " + WholeOnes(all);
    return tl::unexpected(std::move(error));
  }
  if (Status copied = reader.Copy(*chosen, path); !copied) {
    return tl::unexpected(std::move(copied.error()));
  }
  progress(BackupStep::kOpening, 0, 0);
  const auto store = OfflineQueue::Open(path);
  if (!store) return tl::unexpected(store.error());
  const auto logs = (*store)->Logs();
  if (!logs) return tl::unexpected(logs.error());
  Restored restored{
      .backup = *chosen, .tenants = logs->size(), .began_again = target.began_again()};
  for (const OfflineQueue::Log& log : *logs) restored.pending += log.state.pending();
  target.Keep();
  return restored;
}

}  // namespace gateway::queue

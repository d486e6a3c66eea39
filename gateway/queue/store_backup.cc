// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/store_backup.h"

#include <fmt/format.h>
#include <rocksdb/utilities/backup_engine.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "gateway/queue/backup_files.h"
#include "gateway/queue/rocks_log.h"
#include "gateway/queue/rocks_status.h"

namespace gateway::queue {

using common::ErrorCode;
using common::Fail;
using common::Result;
using common::Status;

namespace {

constexpr const char* kMarkerText =
    "Backups of the event store of a Segment Gateway. Restore one with\n"
    "segment-gateway restore; docs/backup.md says more. Remove single backups with\n"
    "segment-gateway backup --keep only: they share files.\n";
// The engine removes what it does not know from these.
constexpr std::array kFolders{"meta", "private", "shared", "shared_checksum"};

Status CheckPlace(const std::string& directory, const std::string& store) {
  if (!directory.starts_with('/')) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the directory of backups '{}' is not an absolute path", directory));
  }
  const bool inside = IsInside(directory, store);
  if (inside || IsInside(store, directory)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the directory of backups {} {} the store {}: name one outside of it, "
                            "best on another disk",
                            directory, inside ? "lies in" : "is around", store));
  }
  return common::Ok();
}

/// A directory of backups, locked, and RocksDB's engine on it.
class Directory {
 public:
  Directory(rocksdb::Env* env, const BackupOptions& options, const BackupProgress& progress,
            const std::stop_token& stop)
      : env_(env),
        options_(options),
        marker_(fmt::format("{}/{}", options.directory, kBackupMarker)),
        files_(std::make_shared<BackupFiles>(env->GetFileSystem(), progress, stop,
                                             options.bytes_per_second)),
        files_env_(rocksdb::NewCompositeEnv(files_)) {}
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() {
    engine_.reset();
    if (lock_ != nullptr) env_->UnlockFile(lock_).PermitUncheckedError();
  }

  Status Open() {
    if (Status made = Make(); !made) return made;
    if (const rocksdb::Status locked = env_->LockFile(marker_, &lock_); !locked.ok()) {
      return Fail(ErrorCode::kUnavailable,
                  fmt::format("another backup into {} is being made, or it cannot be written: {}",
                              options_.directory, locked.ToString()));
    }
    rocksdb::BackupEngineOptions engine(options_.directory, files_env_.get());
    engine.info_log = &log_;
    engine.sync = true;
    engine.backup_log_files = true;  // What is acknowledged may be nowhere else.
    engine.share_table_files = true;
    engine.share_files_with_checksum = true;
    rocksdb::BackupEngine* opened = nullptr;
    const rocksdb::IOStatus status = rocksdb::BackupEngine::Open(engine, env_, &opened);
    if (!status.ok()) return tl::unexpected(ToError(status, "use " + options_.directory));
    engine_.reset(opened);
    return common::Ok();
  }

  rocksdb::BackupEngine& engine() { return *engine_; }
  BackupFiles& files() { return *files_; }

 private:
  Status Make() {
    rocksdb::Status made = env_->CreateDirIfMissing(options_.directory);
    if (made.ok() && !env_->FileExists(marker_).ok()) {
      for (const char* folder : kFolders) {
        if (!env_->FileExists(fmt::format("{}/{}", options_.directory, folder)).ok()) continue;
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("{} holds something else ({}) than backups of a gateway: name "
                                "an empty directory",
                                options_.directory, folder));
      }
      made = rocksdb::WriteStringToFile(env_, kMarkerText, marker_, true);
    }
    if (made.ok()) return common::Ok();
    return Fail(ErrorCode::kIo, fmt::format("the directory of backups {} cannot be written ({}): "
                                            "check that the directory above is there, its owner, "
                                            "its mount and the free space",
                                            options_.directory, made.ToString()));
  }

  rocksdb::Env* const env_;
  const BackupOptions& options_;
  const std::string marker_;
  RocksLog log_;
  const std::shared_ptr<BackupFiles> files_;
  const std::unique_ptr<rocksdb::Env> files_env_;
  rocksdb::FileLock* lock_ = nullptr;
  std::unique_ptr<rocksdb::BackupEngine> engine_;
};

/// What a backup has to copy: files that no earlier one left. By names, for the progress alone.
std::uint64_t EstimateNewBytes(const RocksStore& store, const std::string& directory) {
  rocksdb::LiveFilesStorageInfoOptions no_flush;
  no_flush.wal_size_for_flush = std::numeric_limits<std::uint64_t>::max();
  std::vector<rocksdb::LiveFileStorageInfo> live;
  store.db().GetLiveFilesStorageInfo(no_flush, &live).PermitUncheckedError();
  std::vector<std::string> shared;
  store.db().GetEnv()->GetChildren(directory + "/shared_checksum", &shared).PermitUncheckedError();
  std::uint64_t bytes = 0;
  for (const rocksdb::LiveFileStorageInfo& file : live) {
    const std::string number = file.relative_filename.substr(0, file.relative_filename.find('.'));
    const std::string end = fmt::format("_{}.sst", file.size);
    const bool there = std::ranges::any_of(shared, [&](const std::string& name) {
      return name.starts_with(number + "_") && name.ends_with(end);
    });
    if (!there) bytes += file.size;
  }
  return bytes;
}

Status ToFailure(const rocksdb::Status& status, const std::stop_token& stop,
                 const std::string& directory) {
  if (stop.stop_requested()) {
    return Fail(ErrorCode::kCancelled, "the backup was stopped; earlier backups are as they were");
  }
  common::Error error = ToError(status, "back up to " + directory);
  error.message += "; earlier backups and the store are as they were";
  return tl::unexpected(std::move(error));
}

/// Whatever does not become a whole backup leaves nothing.
Result<Backup> Create(Directory& directory, RocksStore& store, const BackupOptions& options,
                      const std::stop_token& stop) {
  rocksdb::BackupEngine& engine = directory.engine();
  rocksdb::BackupID id = 0;
  {
    const std::stop_callback on_stop(stop, [&engine] { engine.StopBackup(); });
    // Without it there is more to copy, and that is all.
    store.FlushSmallFamilies().PermitUncheckedError();
    directory.files().Begin(BackupStep::kCopying, EstimateNewBytes(store, options.directory));
    const rocksdb::IOStatus made =
        engine.CreateNewBackup(rocksdb::CreateBackupOptions(), &store.db(), &id);
    if (!made.ok()) {
      engine.GarbageCollect().PermitUncheckedError();
      return tl::unexpected(ToFailure(made, stop, options.directory).error());
    }
  }
  rocksdb::BackupInfo info;
  rocksdb::Status whole = engine.GetBackupInfo(id, &info);
  if (whole.ok()) {
    directory.files().Begin(BackupStep::kReadingBack, options.read_back ? info.size : 0);
    whole = engine.VerifyBackup(id, options.read_back);
  }
  if (!whole.ok()) {
    engine.DeleteBackup(id).PermitUncheckedError();
    common::Error error = ToFailure(whole, stop, options.directory).error();
    // A shared file that went bad would be found again by every backup that has it.
    if (!stop.stop_requested()) {
      error.code = ErrorCode::kDataLoss;
      error.message += "; what was stored is not what was written: use another directory";
    }
    return tl::unexpected(std::move(error));
  }
  return Backup{.id = id,
                .taken_at = common::WallTime(std::chrono::seconds(info.timestamp)),
                .bytes = info.size,
                .files = info.number_files};
}

Options OptionsToBackUp(const std::string& path) {
  constexpr std::uint64_t kMiB = 1 << 20;
  Options options;
  options.path = path;
  options.write_buffer_bytes = 64 * kMiB;
  options.write_buffer_count = 4;
  options.max_wal_bytes = 1024 * kMiB;
  options.block_cache_bytes = 32 * kMiB;
  return options;
}

}  // namespace

Status CheckBackupRate(std::uint64_t bytes_per_second) {
  if (bytes_per_second == 0 ||
      (bytes_per_second >= kMinBackupRate && bytes_per_second <= kMaxBackupRate)) {
    return common::Ok();
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("the rate of a backup is from 64KiB to 1TiB a second, not {} bytes",
                          bytes_per_second));
}

Result<BackupReport> BackupStore(RocksStore& store, const BackupOptions& options,
                                 const BackupProgress& progress, const std::stop_token& stop) {
  if (Status rate = CheckBackupRate(options.bytes_per_second); !rate) {
    return tl::unexpected(std::move(rate.error()));
  }
  if (Status place = CheckPlace(options.directory, store.path()); !place) {
    return tl::unexpected(std::move(place.error()));
  }
  Directory directory(store.db().GetEnv(), options, progress, stop);
  if (Status opened = directory.Open(); !opened) return tl::unexpected(std::move(opened.error()));
  const Result<Backup> made = Create(directory, store, options, stop);
  if (!made) return tl::unexpected(made.error());
  BackupReport report{.backup = *made, .new_bytes = directory.files().written()};
  std::vector<rocksdb::BackupInfo> all;
  directory.engine().GetBackupInfo(&all);
  if (options.keep == 0 || all.size() <= options.keep) return report;
  const rocksdb::IOStatus purged = directory.engine().PurgeOldBackups(options.keep);
  if (!purged.ok()) {
    common::Error error = ToError(purged, "remove old backups from " + options.directory);
    error.message += fmt::format("; backup {} is whole", report.backup.id);
    return tl::unexpected(std::move(error));
  }
  report.removed = static_cast<std::uint32_t>(all.size()) - options.keep;
  return report;
}

Result<BackupReport> BackupClosedStore(const std::string& path, const BackupOptions& options,
                                       const BackupProgress& progress) {
  if (Status place = CheckPlace(options.directory, path); !place) {
    return tl::unexpected(std::move(place.error()));
  }
  std::error_code error;
  const std::string current = path + "/CURRENT";
  if (!std::filesystem::exists(current, error)) {
    return Fail(ErrorCode::kNotFound, "there is no event store in " + path +
                                          ": name the directory that storage.path names");
  }
  StoreHealth health;
  const auto store = RocksStore::Open(OptionsToBackUp(path), health);
  if (!store) return tl::unexpected(store.error());
  return BackupStore(**store, options, progress, {});
}

}  // namespace gateway::queue

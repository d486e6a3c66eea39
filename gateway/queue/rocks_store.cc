// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/rocks_store.h"

#include <rocksdb/convenience.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "common/log.h"
#include "gateway/queue/health_listener.h"
#include "gateway/queue/log_file.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/rocks_status.h"
#include "gateway/queue/salvage.h"
#include "gateway/queue/store_files.h"
#include "gateway/queue/stored_records.h"
#include "gateway/queue/table_check.h"

namespace gateway::queue {

using common::ErrorCode;
using common::Fail;
using common::Result;
using common::Status;

/// Our own lock file beside RocksDB's: a failure to take it means one thing only, while
/// RocksDB's own would have to be told from other errors by its text.
struct RocksStore::Lock {
  rocksdb::Env* env = nullptr;
  rocksdb::FileLock* held = nullptr;

  ~Lock() {
    if (held != nullptr) env->UnlockFile(held).PermitUncheckedError();
  }
};

RocksStore::RocksStore(std::string path, std::unique_ptr<Lock> lock, StoreHealth& health)
    : path_(std::move(path)), lock_(std::move(lock)), health_(health) {}

RocksStore::~RocksStore() {
  if (db_ == nullptr) return;
  // Settlements were written without a sync of their own; sync them, so that a clean stop
  // sends nothing twice. After a failed write RocksDB must not be asked: it aborts.
  if (health_.ok()) db_->SyncWAL().PermitUncheckedError();
  for (rocksdb::ColumnFamilyHandle* handle : families_) {
    if (handle != nullptr) db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
  for (rocksdb::ColumnFamilyHandle* handle : unknown_families_) {
    db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
  const rocksdb::Status closed = db_->Close();
  if (!closed.ok()) {
    common::log::Warning("queue_close_failed", "the store did not close cleanly",
                         {{"error", closed.ToString()}});
  }
}

Result<std::unique_ptr<RocksStore>> RocksStore::Open(const Options& options, StoreHealth& health) {
  rocksdb::Env* env = EnvOf(options);
  if (Status made = MakeStoreDirectory(env, options.path); !made) {
    return tl::unexpected(std::move(made.error()));
  }
  auto lock = std::make_unique<Lock>();
  lock->env = env;
  const rocksdb::Status locked = env->LockFile(PathIn(options.path, kLockFile), &lock->held);
  if (!locked.ok()) {
    return Fail(ErrorCode::kUnavailable,
                "storage directory " + options.path +
                    " is in use by another process: stop that one, or give this one a "
                    "storage.path of its own (" +
                    locked.ToString() + ")");
  }
  if (Status known = CheckVersionFile(env, options.path); !known) {
    return tl::unexpected(std::move(known.error()));
  }
  Status restored = CheckRestored(env, options.path);
  if (!restored) return tl::unexpected(std::move(restored.error()));
  if (Status repaired = RepairLogFiles(env, options.path); !repaired) {
    return tl::unexpected(std::move(repaired.error()));
  }
  std::unique_ptr<RocksStore> store(new RocksStore(options.path, std::move(lock), health));
  if (Status opened = store->OpenToWrite(options); !opened) {
    return tl::unexpected(std::move(opened.error()));
  }
  rocksdb::Status written = store->WriteVersion();
  if (written.ok()) {
    written = rocksdb::WriteStringToFile(env, std::to_string(kFormatVersion) + "\n",
                                         PathIn(options.path, kVersionFile), true);
  }
  if (!written.ok()) {
    return tl::unexpected(ToError(written, "write to the store in " + options.path));
  }
  return store;
}

/// A store that has damaged tables loses these, and what can be read of them is put back.
Status RocksStore::OpenToWrite(const Options& options) {
  rocksdb::Env* env = EnvOf(options);
  const Result<bool> lacks_list = LacksList(env, options.path);
  if (!lacks_list) return tl::unexpected(lacks_list.error());
  const Result<bool> check_tables = Exists(env, options.path, kCheckTables);
  if (!check_tables) return tl::unexpected(check_tables.error());
  if (*lacks_list) {
    if (Status aside = SetAllAside(options); !aside) return aside;
  } else if (IsListTorn(env, options.path)) {
    common::log::Error("queue_damaged_list",
                       "the end of the store's list of tables is damaged; looking at its tables",
                       {{"path", options.path}});
  } else if (!*check_tables) {
    Status opened = OpenDatabase(options, Mode::kWrite);
    if (opened) {
      if (Status known = CheckVersion(); !known) return known;
      const Result<bool> repaired = Exists(env, options.path, kCheckLogs);
      if (!repaired) return tl::unexpected(repaired.error());
      if (!*repaired) return common::Ok();
      return PutBackReadableRows(*this, env, options.path);
    }
    if (opened.error().code != ErrorCode::kDataLoss) return opened;
    common::log::Error("queue_damaged_store", "the store does not open; looking at its tables",
                       {{"path", options.path}, {"error", opened.error().message}});
  }
  if (Status checked = TakeOutDamagedTables(options); !checked) return checked;
  Status opened = OpenDatabase(options, Mode::kWrite);
  if (!opened && opened.error().code == ErrorCode::kDataLoss) {
    // The tables are whole, and do not go together with the log files.
    if (Status aside = SetAllAside(options); !aside) return aside;
    opened = OpenDatabase(options, Mode::kWrite);
  }
  if (!opened) return opened;
  if (Status known = CheckVersion(); !known) return known;
  return PutBackReadableRows(*this, env, options.path);
}

Result<std::unique_ptr<RocksStore>> RocksStore::OpenToRead(const Options& options,
                                                           StoreHealth& health) {
  Status restored = CheckRestored(EnvOf(options), options.path);
  if (!restored) return tl::unexpected(std::move(restored.error()));
  const Result<bool> current = Exists(EnvOf(options), options.path, "CURRENT");
  if (!current) return tl::unexpected(current.error());
  if (!*current) {
    return Fail(ErrorCode::kNotFound, "there is no event store in " + options.path +
                                          ": name the directory that storage.path names");
  }
  std::unique_ptr<RocksStore> store(new RocksStore(options.path, std::make_unique<Lock>(), health));
  if (Status opened = store->OpenDatabase(options, Mode::kRead); !opened) {
    return tl::unexpected(std::move(opened.error()));
  }
  if (Status known = store->CheckVersion(); !known) {
    return tl::unexpected(std::move(known.error()));
  }
  return store;
}

Status RocksStore::OpenDatabase(const Options& options, Mode mode) {
  auto listener = std::make_shared<HealthListener>(health_, EnvOf(options), options.path);
  StoreSettings settings =
      MakeSettings(options, listener,
                   {.settled = std::make_shared<SettledFilterFactory>(settled_cutoffs_),
                    .ids = std::make_shared<IdFilterFactory>(id_cutoffs_)});
  // To look at: also where a table is damaged or gone.
  settings.db.paranoid_checks = mode == Mode::kWrite;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened =
      mode == Mode::kWrite
          ? rocksdb::DB::Open(settings.db, options.path, settings.families, &handles, &db)
          : rocksdb::DB::OpenForReadOnly(settings.db, options.path, settings.families, &handles,
                                         &db);
  if (!opened.ok()) {
    common::Error error = ToError(opened, "open the store in " + options.path);
    if (mode == Mode::kRead && opened.IsInvalidArgument()) {
      error.message += " (a store of an older release has to be opened by a gateway once)";
    }
    // The list of tables that CURRENT names is gone.
    if (opened.IsPathNotFound()) error.code = ErrorCode::kDataLoss;
    error.message += "; the directory is left as it is: keep it, and see docs/storage-format.md";
    return tl::unexpected(std::move(error));
  }
  db_.reset(db);
  listener_ = std::move(listener);
  std::copy_n(handles.begin(), kFamilyCount, families_.begin());
  unknown_families_.assign(handles.begin() + kFamilyCount, handles.end());
  return common::Ok();
}

std::vector<std::string> RocksStore::DamagedLogFiles() const {
  return queue::DamagedLogFiles(db_->GetEnv(), path_);
}

std::uint64_t RocksStore::queue_flushes() const { return listener_->queue_flushes(); }

Status RocksStore::CheckVersion() {
  const Result<std::string> stored = GetMeta(kVersionKey);
  if (!stored && stored.error().code == ErrorCode::kNotFound) return common::Ok();
  if (!stored) return tl::unexpected(stored.error());
  return CheckFormatVersion(path_, *stored);
}

Status CheckFormatVersion(const std::string& path, std::string_view record) {
  constexpr std::uint64_t kOldest = RocksStore::kOldestFormatVersion;
  constexpr std::uint64_t kNewest = RocksStore::kFormatVersion;
  const Result<std::uint64_t> version = DecodeNumber(record);
  if (version && *version >= kOldest && *version <= kNewest) return common::Ok();
  return Fail(ErrorCode::kInvalidArgument,
              "the store in " + path + " has format version " +
                  (version ? std::to_string(*version) : "that is not readable") +
                  " and this release reads versions " + std::to_string(kOldest) + " to " +
                  std::to_string(kNewest) +
                  ": run the release that wrote it, or point storage.path elsewhere");
}

Status CheckVersionFile(rocksdb::Env* env, const std::string& path) {
  std::string text;
  const rocksdb::Status read = rocksdb::ReadFileToString(env, PathIn(path, kVersionFile), &text);
  // Stores of earlier releases have none, and a write of it may have been cut off.
  std::uint64_t version = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), version);
  if (!read.ok() || parsed.ec != std::errc() || !text.ends_with('\n')) return common::Ok();
  return CheckFormatVersion(path, EncodeNumber(version));
}

rocksdb::Status RocksStore::WriteVersion() {
  rocksdb::WriteBatch batch;
  batch.Put(family(Family::kMeta), kVersionKey, EncodeNumber(kFormatVersion));
  return Write(batch, true);
}

rocksdb::Status RocksStore::Write(rocksdb::WriteBatch& batch, bool sync) {
  rocksdb::WriteOptions write_options;
  write_options.sync = sync;
  const std::scoped_lock lock(write_mutex_);
  return db_->Write(write_options, &batch);
}

rocksdb::Status RocksStore::Resume() {
  using Properties = rocksdb::DB::Properties;
  using Severity = rocksdb::Status::Severity;
  // RocksDB starts a new log file only when there is something in memory to flush, and the old
  // one must not be written again after an error (Debian's build aborts).
  if (Property(Properties::kNumEntriesActiveMemTable) +
          Property(Properties::kNumEntriesImmMemTables) ==
      0) {
    return {rocksdb::Status::IOError("the log file failed and cannot be left behind"),
            Severity::kFatalError};
  }
  // Resuming flushes what is in memory. To try that without room for it, and for some
  // commits behind it, would fail half-way, where RocksDB cannot try again.
  constexpr std::uint64_t kRoomForCommits = 16 << 20;
  const std::uint64_t needed = Property(Properties::kCurSizeAllMemTables) + kRoomForCommits;
  if (const auto free = FreeBytes(); free && *free < needed) {
    return rocksdb::Status::NoSpace("the disk has " + std::to_string(*free) +
                                    " bytes free, recovery needs " + std::to_string(needed));
  }
  if (rocksdb::Status mended = MendLogFiles(); !mended.ok()) return mended;
  rocksdb::Status resumed = db_->Resume();
  const std::scoped_lock lock(keep_mutex_);
  // It allows deletions again, whoever had forbidden them.
  if (resumed.ok() && keepers_ > 0) db_->DisableFileDeletions().PermitUncheckedError();
  return resumed;
}

/// A write that failed may be in the log file all the same, whole or in part, and settlements
/// before it may not have been synced. Resume flushes one family after the other and begins a
/// new file: a process that died in the midst of it would find a damaged log behind its
/// tables, which RocksDB does not open, or would replay the failed write into those families
/// alone that were not flushed. So the write is cut off first, and the rest is synced.
rocksdb::Status RocksStore::MendLogFiles() {
  const std::shared_ptr<rocksdb::FileSystem>& files = db_->GetEnv()->GetFileSystem();
  const rocksdb::IOOptions options;
  const rocksdb::SequenceNumber written = db_->GetLatestSequenceNumber();
  std::vector<std::string> names;
  rocksdb::IOStatus status = files->GetChildren(path_, options, &names, nullptr);
  for (auto name = names.begin(); status.ok() && name != names.end(); ++name) {
    if (!IsLogFile(*name)) continue;
    const std::string path = PathIn(path_, *name);
    std::string bytes;
    status = rocksdb::status_to_io_status(rocksdb::ReadFileToString(db_->GetEnv(), path, &bytes));
    if (!status.ok()) break;
    const std::uint64_t sound = BytesOfWritesUpTo(written, bytes);
    std::unique_ptr<rocksdb::FSWritableFile> file;
    status = files->ReopenWritableFile(path, rocksdb::FileOptions(), &file, nullptr);
    if (status.ok() && sound < bytes.size()) status = file->Truncate(sound, options, nullptr);
    if (status.ok()) status = file->Fsync(options, nullptr);
    if (status.ok()) status = file->Close(options, nullptr);
  }
  return status;
}

rocksdb::Status RocksStore::CompactQueue() {
  rocksdb::CompactRangeOptions options;
  // Automatic compactions go on beside it.
  options.exclusive_manual_compaction = false;
  return db_->CompactRange(options, family(Family::kQueue), nullptr, nullptr);
}

rocksdb::Status RocksStore::FlushSmallFamilies() {
  constexpr std::uint64_t kRoom = 256 << 20;
  if (FreeBytes().value_or(0) < kRoom) return rocksdb::Status::NoSpace();
  // Something stays in memory: a store that holds nothing there cannot Resume.
  rocksdb::WriteBatch nothing;
  nothing.Delete(family(Family::kQueue), "");
  if (rocksdb::Status written = Write(nothing, false); !written.ok()) {
    health_.ReportFailure("the store refuses writes: " + written.ToString(), false);
    return written;
  }
  std::vector<rocksdb::ColumnFamilyHandle*> small;
  for (std::size_t i = 0; i < kFamilyCount; ++i) {
    const auto of = static_cast<Family>(i);
    if (of != Family::kQueue) small.push_back(family(of));
  }
  return db_->Flush(rocksdb::FlushOptions(), small);
}

Result<std::string> RocksStore::Get(Family of, std::string_view key) const {
  std::string value;
  const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), family(of), key, &value);
  if (!status.ok()) return tl::unexpected(ToError(status, "read a record of " + FamilyName(of)));
  return value;
}

void RocksStore::KeepFiles() {
  const std::scoped_lock lock(keep_mutex_);
  // RocksDB counts too, but warns from the second on.
  if (keepers_++ == 0) db_->DisableFileDeletions().PermitUncheckedError();
}

void RocksStore::DeleteFiles() {
  {
    const std::scoped_lock lock(keep_mutex_);
    if (--keepers_ > 0) return;
  }
  // Outside the lock: it deletes. Who keeps files meanwhile is counted by RocksDB as well.
  db_->EnableFileDeletions(/*force=*/false).PermitUncheckedError();
}

std::optional<std::uint64_t> RocksStore::FreeBytes() const {
  std::uint64_t free = 0;
  if (!db_->GetEnv()->GetFreeSpace(path_, &free).ok()) return std::nullopt;
  return free;
}

std::uint64_t RocksStore::LogFileBytes() const {
  std::vector<rocksdb::Env::FileAttributes> files;
  // A file may go while it is looked at; the sum is of the moment anyway.
  db_->GetEnv()->GetChildrenFileAttributes(path_, &files).PermitUncheckedError();
  std::uint64_t bytes = 0;
  for (const rocksdb::Env::FileAttributes& file : files) {
    if (IsLogFile(file.name)) bytes += file.size_bytes;
  }
  return bytes;
}

int RocksStore::WriteStall() const {
  if (Property(rocksdb::DB::Properties::kIsWriteStopped) != 0) return 2;
  return Property(rocksdb::DB::Properties::kActualDelayedWriteRate) != 0 ? 1 : 0;
}

std::uint64_t RocksStore::ApproximateQueueBytes(const std::string& begin,
                                                const std::string& end) const {
  rocksdb::SizeApproximationOptions what;
  what.include_files = true;
  what.include_memtables = true;
  const rocksdb::Range range(begin, end);
  std::uint64_t bytes = 0;
  const rocksdb::Status status =
      db_->GetApproximateSizes(what, family(Family::kQueue), &range, 1, &bytes);
  return status.ok() ? bytes : 0;
}

std::uint64_t RocksStore::Property(const std::string& name) const {
  std::uint64_t value = 0;
  return db_->GetAggregatedIntProperty(name, &value) ? value : 0;
}

RangeScan::RangeScan(const RocksStore& store, Family family, std::string begin, std::string end)
    : begin_(std::move(begin)), end_(std::move(end)), begin_slice_(begin_), end_slice_(end_) {
  rocksdb::ReadOptions options;
  options.iterate_lower_bound = &begin_slice_;
  options.iterate_upper_bound = &end_slice_;
  options.fill_cache = false;
  it_.reset(store.db().NewIterator(options, store.family(family)));
}

Status ForEachLogMeta(const RocksStore& store, char prefix,
                      const std::function<Status(pipeline::LogId, std::string_view)>& visit) {
  return ForEachLogRecord(store, Family::kMeta, prefix, visit);
}

Status ForEachLogRecord(const RocksStore& store, Family family, char prefix,
                        const std::function<Status(pipeline::LogId, std::string_view)>& visit) {
  RangeScan scan(store, family, std::string(1, prefix),
                 std::string(1, static_cast<char>(prefix + 1)));
  for (scan->SeekToFirst(); scan->Valid(); scan->Next()) {
    const std::optional<pipeline::LogId> log = DecodeMetaKey(prefix, scan.key());
    if (!log) return Fail(ErrorCode::kDataLoss, "a meta record has a key of a wrong length");
    if (Status visited = visit(*log, scan.value()); !visited) return visited;
  }
  if (!scan->status().ok()) return tl::unexpected(ToError(scan->status(), "read meta records"));
  return common::Ok();
}

}  // namespace gateway::queue

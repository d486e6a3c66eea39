// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/rocks_store.h"

#include <rocksdb/convenience.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "common/log.h"
#include "gateway/queue/health_listener.h"
#include "gateway/queue/log_file.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/rocks_status.h"
#include "gateway/queue/stored_records.h"

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

namespace {

/// One of RocksDB's; not one that was kept because it was damaged.
bool IsLogFile(std::string_view name) {
  return name.ends_with(".log") && name.find_first_not_of("0123456789") == name.size() - 4;
}

Status MakeDirectory(rocksdb::Env* env, const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (env == rocksdb::Env::Default() && !parent.empty()) {
    std::filesystem::create_directories(parent, error);
  }
  const rocksdb::Status made = env->CreateDirIfMissing(path);
  if (error || !made.ok()) {
    return Fail(ErrorCode::kIo, "storage directory " + path + " cannot be made (" +
                                    (error ? error.message() : made.ToString()) +
                                    "): create it, or set storage.path to a directory that "
                                    "this user may write");
  }
  // Learn now, in plain words, what would else be the first event's problem.
  const std::string probe = path + "/write-probe";
  rocksdb::Status written = rocksdb::WriteStringToFile(env, "probe", probe, true);
  if (written.ok()) written = env->DeleteFile(probe);
  if (!written.ok()) {
    return Fail(ErrorCode::kIo, "storage directory " + path + " cannot be written (" +
                                    written.ToString() +
                                    "): check its owner, its mount and the free space");
  }
  return common::Ok();
}

}  // namespace

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
  rocksdb::Env* env = options.env != nullptr ? options.env : rocksdb::Env::Default();
  if (Status made = MakeDirectory(env, options.path); !made) {
    return tl::unexpected(std::move(made.error()));
  }
  auto lock = std::make_unique<Lock>();
  lock->env = env;
  const rocksdb::Status locked = env->LockFile(options.path + "/gateway.lock", &lock->held);
  if (!locked.ok()) {
    return Fail(ErrorCode::kUnavailable,
                "storage directory " + options.path +
                    " is in use by another process: stop that one, or give this one a "
                    "storage.path of its own (" +
                    locked.ToString() + ")");
  }
  if (Status repaired = RepairLogFiles(env, options.path); !repaired) {
    return tl::unexpected(std::move(repaired.error()));
  }
  std::unique_ptr<RocksStore> store(new RocksStore(options.path, std::move(lock), health));
  if (Status opened = store->OpenDatabase(options, Mode::kWrite); !opened) {
    return tl::unexpected(std::move(opened.error()));
  }
  if (Status known = store->CheckVersion(); !known) {
    return tl::unexpected(std::move(known.error()));
  }
  if (const rocksdb::Status written = store->WriteVersion(); !written.ok()) {
    return tl::unexpected(ToError(written, "write to the store in " + options.path));
  }
  return store;
}

/// Log files that were damaged (not torn by a crash) lose what is damaged before RocksDB sees
/// them; it would drop everything behind it. The file as it was is kept beside them. Seqs that are
/// missing then are found by the reader.
Status RocksStore::RepairLogFiles(rocksdb::Env* env, const std::string& path) {
  const auto fail = [&](const rocksdb::Status& status) -> Status {
    return tl::unexpected(ToError(status, "check the log files in " + path));
  };
  std::vector<std::string> names;
  rocksdb::Status status = env->GetChildren(path, &names);
  if (!status.ok()) return fail(status);
  const std::string folder = path + "/";
  for (const std::string& name : names) {
    if (!IsLogFile(name)) continue;
    std::string file = folder;
    file += name;
    std::string bytes;
    status = rocksdb::ReadFileToString(env, file, &bytes);
    if (!status.ok()) return fail(status);
    const std::optional<std::string> whole = WithoutDamage(bytes);
    if (!whole) continue;
    std::string kept = folder;
    kept += "damaged-";
    kept += name;
    common::log::Error("queue_damaged_log_file",
                       "a log file of the store is damaged; what is whole in it is used",
                       {{"file", file},
                        {"bytes", bytes.size()},
                        {"whole_bytes", whole->size()},
                        {"kept_as", kept}});
    status = rocksdb::WriteStringToFile(env, bytes, kept, true);
    if (status.ok()) status = rocksdb::WriteStringToFile(env, *whole, file + ".repaired", true);
    if (status.ok()) status = env->RenameFile(file + ".repaired", file);
    std::unique_ptr<rocksdb::Directory> directory;
    if (status.ok()) status = env->NewDirectory(path, &directory);
    if (status.ok()) status = directory->Fsync();
    if (!status.ok()) return fail(status);
  }
  return common::Ok();
}

std::vector<std::string> RocksStore::DamagedLogFiles() const {
  std::vector<std::string> damaged;
  std::vector<std::string> names;
  // What cannot be read here could not be opened either.
  db_->GetEnv()->GetChildren(path_, &names).PermitUncheckedError();
  for (const std::string& name : names) {
    if (!IsLogFile(name)) continue;
    std::string bytes;
    const rocksdb::Status read =
        rocksdb::ReadFileToString(db_->GetEnv(), path_ + "/" + name, &bytes);
    if (read.ok() && WithoutDamage(bytes)) damaged.push_back(name);
  }
  return damaged;
}

Result<std::unique_ptr<RocksStore>> RocksStore::OpenToRead(const Options& options,
                                                           StoreHealth& health) {
  if (!rocksdb::Env::Default()->FileExists(options.path + "/CURRENT").ok()) {
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
  const rocksdb::DBOptions db_options =
      MakeDbOptions(options, std::make_shared<HealthListener>(health_));
  std::vector<rocksdb::ColumnFamilyDescriptor> wanted =
      MakeFamilies(options, std::make_shared<IdFilterFactory>(id_cutoffs_));
  std::vector<std::string> existing;
  // Fails when there is no store yet, and then there is no unknown family either.
  rocksdb::DB::ListColumnFamilies(db_options, options.path, &existing).PermitUncheckedError();
  for (const std::string& name : existing) {
    const bool known = std::ranges::any_of(
        wanted, [&](const rocksdb::ColumnFamilyDescriptor& d) { return d.name == name; });
    if (!known) wanted.emplace_back(name, rocksdb::ColumnFamilyOptions());
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened =
      mode == Mode::kWrite
          ? rocksdb::DB::Open(db_options, options.path, wanted, &handles, &db)
          : rocksdb::DB::OpenForReadOnly(db_options, options.path, wanted, &handles, &db);
  if (!opened.ok()) {
    common::Error error = ToError(opened, "open the store in " + options.path);
    error.message += "; the directory is left as it is: keep it, and see docs/storage-format.md";
    return tl::unexpected(std::move(error));
  }
  db_.reset(db);
  std::copy_n(handles.begin(), kFamilyCount, families_.begin());
  unknown_families_.assign(handles.begin() + kFamilyCount, handles.end());
  return common::Ok();
}

Status RocksStore::CheckVersion() {
  const Result<std::string> stored = GetMeta(kVersionKey);
  if (!stored && stored.error().code == ErrorCode::kNotFound) return common::Ok();
  if (!stored) return tl::unexpected(stored.error());
  const Result<std::uint64_t> version = DecodeNumber(*stored);
  if (!version || *version < kOldestFormatVersion || *version > kFormatVersion) {
    return Fail(ErrorCode::kInvalidArgument,
                "the store in " + path_ + " has format version " +
                    (version ? std::to_string(*version) : "that is not readable") +
                    " and this release reads versions " + std::to_string(kOldestFormatVersion) +
                    " to " + std::to_string(kFormatVersion) +
                    ": run the release that wrote it, or point storage.path elsewhere");
  }
  return common::Ok();
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
  std::uint64_t free = 0;
  if (db_->GetEnv()->GetFreeSpace(path_, &free).ok() && free < needed) {
    return rocksdb::Status::NoSpace("the disk has " + std::to_string(free) +
                                    " bytes free, recovery needs " + std::to_string(needed));
  }
  if (rocksdb::Status mended = MendLogFiles(); !mended.ok()) return mended;
  return db_->Resume();
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
    const std::string path = path_ + "/" + *name;
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

Result<std::string> RocksStore::GetMeta(std::string_view key) const {
  std::string value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), family(Family::kMeta), key, &value);
  if (!status.ok()) return tl::unexpected(ToError(status, "read a meta record"));
  return value;
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
  RangeScan scan(store, Family::kMeta, std::string(1, prefix),
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

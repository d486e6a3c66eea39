// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/memory_disk.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tests {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

namespace {

using Inode = MemoryDisk::Inode;

std::string Normal(const std::string& path) {
  std::string normal;
  for (const char c : path) {
    if (c != '/' || normal.empty() || normal.back() != '/') normal += c;
  }
  if (normal.size() > 1 && normal.back() == '/') normal.pop_back();
  return normal;
}

std::string ParentOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

MemoryDisk::Kind KindOf(const std::string& name) {
  const auto ends_with = [&](std::string_view end) {
    return std::string_view(name).ends_with(end);
  };
  if (ends_with(".log")) return MemoryDisk::Kind::kLog;
  if (ends_with(".sst")) return MemoryDisk::Kind::kTable;
  if (name.find("/MANIFEST-") != std::string::npos) return MemoryDisk::Kind::kManifest;
  return MemoryDisk::Kind::kOther;
}

IOStatus NotFound(const std::string& name) { return IOStatus::PathNotFound(name); }

class File {
 public:
  File(MemoryDisk& disk, std::string name, std::shared_ptr<Inode> inode)
      : disk_(disk), name_(std::move(name)), inode_(std::move(inode)) {}

 protected:
  MemoryDisk& disk_;
  const std::string name_;
  const std::shared_ptr<Inode> inode_;
};

class Writable final : File, public rocksdb::FSWritableFile {
 public:
  using File::File;
  using rocksdb::FSWritableFile::Append;

  IOStatus Append(const Slice& data, const IOOptions& /*options*/,
                  IODebugContext* /*debug*/) override {
    IOStatus status = disk_.Append(*inode_, name_, data);
    if (status.ok()) size_ += data.size();
    return status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& /*verify*/, IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions& /*options*/,
                    IODebugContext* /*debug*/) override {
    disk_.Resize(*inode_, size);
    size_ = size;
    return IOStatus::OK();
  }
  /// Cuts off what it reserved, as RocksDB's own files do, by what it believes it wrote.
  IOStatus Close(const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
    if (disk_.SizeOf(*inode_) != size_) disk_.Resize(*inode_, size_);
    return IOStatus::OK();
  }
  IOStatus Flush(const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
    return IOStatus::OK();
  }
  IOStatus Sync(const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
    return disk_.Sync(*inode_, name_);
  }
  bool IsSyncThreadSafe() const override { return true; }
  std::uint64_t GetFileSize(const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
    return size_;
  }

 private:
  std::size_t size_ = inode_->data.size();  // Made under the lock of the disk.
};

class Sequential final : File, public rocksdb::FSSequentialFile {
 public:
  using File::File;

  IOStatus Read(std::size_t size, const IOOptions& /*options*/, Slice* result, char* scratch,
                IODebugContext* /*debug*/) override {
    IOStatus status = disk_.Read(*inode_, name_, at_, size, result, scratch);
    at_ += result->size();
    return status;
  }
  IOStatus Skip(std::uint64_t size) override {
    at_ += size;
    return IOStatus::OK();
  }

 private:
  std::uint64_t at_ = 0;
};

class RandomAccess final : File, public rocksdb::FSRandomAccessFile {
 public:
  using File::File;

  IOStatus Read(std::uint64_t offset, std::size_t size, const IOOptions& /*options*/, Slice* result,
                char* scratch, IODebugContext* /*debug*/) const override {
    return disk_.Read(*inode_, name_, offset, size, result, scratch);
  }
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(MemoryDisk& disk, std::string name) : disk_(disk), name_(std::move(name)) {}
  IOStatus Fsync(const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
    return disk_.SyncDirectory(name_);
  }

 private:
  MemoryDisk& disk_;
  const std::string name_;
};

class Lock final : public rocksdb::FileLock {
 public:
  explicit Lock(std::string name) : name(std::move(name)) {}
  const std::string name;
};

}  // namespace

// ---- Cuts and faults ------------------------------------------------------------------

void MemoryDisk::ArmCut(Cut cut, std::uint64_t operations) {
  const std::scoped_lock lock(mutex_);
  armed_ = cut;
  operations_left_ = operations;
}

void MemoryDisk::DisarmCut() {
  const std::scoped_lock lock(mutex_);
  armed_.reset();
}

bool MemoryDisk::cut() const {
  const std::scoped_lock lock(mutex_);
  return cut_;
}

std::shared_ptr<MemoryDisk> MemoryDisk::TakeSurvivor() {
  const std::scoped_lock lock(mutex_);
  return std::move(survivor_);
}

void MemoryDisk::CountLocked(const std::function<void()>& torn) {
  if (!armed_ || operations_left_-- > 0) return;
  if (torn) torn();
  SurviveLocked();
  armed_.reset();
  cut_ = true;
}

void MemoryDisk::SurviveLocked() {
  auto survivor = std::make_shared<MemoryDisk>(random_.Next());
  survivor->directories_ = directories_;
  if (*armed_ == Cut::kKill) {
    KeepEverythingLocked(*survivor);
  } else {
    KeepWhatWasSyncedLocked(*survivor);
  }
  survivor_ = std::move(survivor);
}

/// A dead process: the kernel has it all, and still owes the disk what it owed.
void MemoryDisk::KeepEverythingLocked(MemoryDisk& survivor) const {
  std::map<const Inode*, std::shared_ptr<Inode>> copies;
  const auto copy = [&](const std::shared_ptr<Inode>& inode) {
    if (inode == nullptr) return inode;
    auto& made = copies[inode.get()];
    if (made == nullptr) made = std::make_shared<Inode>(*inode);
    return made;
  };
  for (const auto& [name, inode] : names_) survivor.names_[name] = copy(inode);
  for (const auto& [name, inode] : durable_) survivor.durable_[name] = copy(inode);
  for (const NameChange& change : unsynced_) {
    survivor.unsynced_.push_back({change.name, copy(change.inode)});
  }
}

void MemoryDisk::KeepWhatWasSyncedLocked(MemoryDisk& survivor) {
  Names names = durable_;
  const std::uint64_t kept = UpTo(unsynced_.size());
  for (std::uint64_t i = 0; i < kept; ++i) {
    const NameChange& change = unsynced_[i];
    if (change.inode == nullptr) {
      names.erase(change.name);
    } else {
      names[change.name] = change.inode;
    }
  }
  for (const auto& [name, inode] : names) {
    const std::size_t synced = std::min(inode->synced, inode->data.size());
    auto copy = std::make_shared<Inode>();
    copy->data = inode->data.substr(0, synced + UpTo(inode->data.size() - synced));
    if (copy->data.size() == inode->data.size()) {
      copy->data += inode->cut_off.substr(0, UpTo(inode->cut_off.size()));
    }
    copy->synced = copy->data.size();
    survivor.names_[name] = std::move(copy);
  }
  survivor.durable_ = survivor.names_;
}

void MemoryDisk::Inject(Fault fault) {
  const std::scoped_lock lock(mutex_);
  faults_.push_back(std::move(fault));
}

void MemoryDisk::Heal() {
  const std::scoped_lock lock(mutex_);
  faults_.clear();
}

std::uint64_t MemoryDisk::failures() const {
  const std::scoped_lock lock(mutex_);
  return failures_;
}

std::optional<IOStatus> MemoryDisk::FailLocked(Op op, const std::string& name) {
  const Kind kind = KindOf(name);
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (!fault->ops.contains(op) || !fault->kinds.contains(kind)) continue;
    if (fault->skip > 0) {
      --fault->skip;
      continue;
    }
    IOStatus error = fault->error;
    if (--fault->times == 0) faults_.erase(fault);
    ++failures_;
    return error;
  }
  return std::nullopt;
}

// ---- Bytes ----------------------------------------------------------------------------

IOStatus MemoryDisk::Append(Inode& inode, const std::string& name, const Slice& data) {
  const std::scoped_lock lock(mutex_);
  const auto failed = FailLocked(Op::kAppend, name);
  const std::size_t before = inode.data.size();
  const std::size_t part = UpTo(data.size());
  CountLocked([&] {
    // A kill cannot tear a write that the kernel has begun.
    if (*armed_ == Cut::kPower) inode.data.append(data.data(), part);
  });
  inode.data.resize(before);
  inode.data.append(data.data(), failed ? part : data.size());
  inode.cut_off.clear();
  return failed ? *failed : IOStatus::OK();
}

IOStatus MemoryDisk::Sync(Inode& inode, const std::string& name) {
  if (on_sync_ && KindOf(name) == Kind::kLog) on_sync_();
  const std::scoped_lock lock(mutex_);
  const auto failed = FailLocked(Op::kSync, name);
  CountLocked();
  if (failed) return *failed;
  inode.synced = inode.data.size();
  inode.cut_off.clear();
  return IOStatus::OK();
}

IOStatus MemoryDisk::Read(const Inode& inode, const std::string& name, std::uint64_t offset,
                          std::size_t size, Slice* result, char* scratch) {
  const std::scoped_lock lock(mutex_);
  *result = Slice();
  if (const auto failed = FailLocked(Op::kRead, name)) return *failed;
  if (offset >= inode.data.size()) return IOStatus::OK();
  const std::size_t count = std::min<std::size_t>(size, inode.data.size() - offset);
  inode.data.copy(scratch, count, offset);
  *result = Slice(scratch, count);
  return IOStatus::OK();
}

void MemoryDisk::Resize(Inode& inode, std::size_t size) {
  const std::scoped_lock lock(mutex_);
  if (size < inode.data.size()) inode.cut_off = inode.data.substr(size) + inode.cut_off;
  inode.data.resize(size);
  inode.synced = std::min(inode.synced, size);
}

std::size_t MemoryDisk::SizeOf(const Inode& inode) const {
  const std::scoped_lock lock(mutex_);
  return inode.data.size();
}

// ---- Names ----------------------------------------------------------------------------

void MemoryDisk::SetNameLocked(const std::string& name, std::shared_ptr<Inode> inode) {
  unsynced_.push_back({name, inode});
  if (inode == nullptr) {
    names_.erase(name);
  } else {
    names_[name] = std::move(inode);
  }
}

std::shared_ptr<Inode> MemoryDisk::FindLocked(const std::string& name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : found->second;
}

IOStatus MemoryDisk::SyncDirectory(const std::string& name) {
  const std::scoped_lock lock(mutex_);
  if (const auto failed = FailLocked(Op::kSyncDirectory, name)) return *failed;
  CountLocked();
  durable_ = names_;
  unsynced_.clear();
  return IOStatus::OK();
}

IOStatus MemoryDisk::NewSequentialFile(const std::string& path, const FileOptions& /*options*/,
                                       std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                       IODebugContext* /*debug*/) {
  const std::string name = Normal(path);
  const std::scoped_lock lock(mutex_);
  auto inode = FindLocked(name);
  if (inode == nullptr) return NotFound(name);
  *result = std::make_unique<Sequential>(*this, name, std::move(inode));
  return IOStatus::OK();
}

IOStatus MemoryDisk::NewRandomAccessFile(const std::string& path, const FileOptions& /*options*/,
                                         std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                         IODebugContext* /*debug*/) {
  const std::string name = Normal(path);
  const std::scoped_lock lock(mutex_);
  auto inode = FindLocked(name);
  if (inode == nullptr) return NotFound(name);
  *result = std::make_unique<RandomAccess>(*this, name, std::move(inode));
  return IOStatus::OK();
}

IOStatus MemoryDisk::NewWritableFile(const std::string& path, const FileOptions& /*options*/,
                                     std::unique_ptr<rocksdb::FSWritableFile>* result,
                                     IODebugContext* /*debug*/) {
  const std::string name = Normal(path);
  const std::scoped_lock lock(mutex_);
  if (const auto failed = FailLocked(Op::kCreate, name)) return *failed;
  CountLocked();
  auto inode = std::make_shared<Inode>();
  SetNameLocked(name, inode);
  *result = std::make_unique<Writable>(*this, name, std::move(inode));
  return IOStatus::OK();
}

IOStatus MemoryDisk::ReopenWritableFile(const std::string& path, const FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* result,
                                        IODebugContext* debug) {
  const std::string name = Normal(path);
  {
    const std::scoped_lock lock(mutex_);
    if (auto inode = FindLocked(name)) {
      *result = std::make_unique<Writable>(*this, name, std::move(inode));
      return IOStatus::OK();
    }
  }
  return NewWritableFile(path, options, result, debug);
}

IOStatus MemoryDisk::ReuseWritableFile(const std::string& path, const std::string& old_path,
                                       const FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* result,
                                       IODebugContext* debug) {
  IOStatus renamed = RenameFile(old_path, path, options.io_options, debug);
  if (!renamed.ok()) return renamed;
  return ReopenWritableFile(path, options, result, debug);
}

IOStatus MemoryDisk::NewDirectory(const std::string& path, const IOOptions& /*options*/,
                                  std::unique_ptr<rocksdb::FSDirectory>* result,
                                  IODebugContext* /*debug*/) {
  *result = std::make_unique<Directory>(*this, Normal(path));
  return IOStatus::OK();
}

IOStatus MemoryDisk::FileExists(const std::string& path, const IOOptions& /*options*/,
                                IODebugContext* /*debug*/) {
  const std::string name = Normal(path);
  const std::scoped_lock lock(mutex_);
  if (names_.contains(name) || directories_.contains(name)) return IOStatus::OK();
  return IOStatus::NotFound(name);
}

IOStatus MemoryDisk::GetChildren(const std::string& path, const IOOptions& /*options*/,
                                 std::vector<std::string>* result, IODebugContext* /*debug*/) {
  const std::string directory = Normal(path);
  const std::scoped_lock lock(mutex_);
  if (!directories_.contains(directory)) return NotFound(directory);
  result->clear();
  for (const auto& [name, inode] : names_) {
    if (ParentOf(name) == directory) result->push_back(name.substr(directory.size() + 1));
  }
  return IOStatus::OK();
}

IOStatus MemoryDisk::DeleteFile(const std::string& path, const IOOptions& /*options*/,
                                IODebugContext* /*debug*/) {
  const std::string name = Normal(path);
  const std::scoped_lock lock(mutex_);
  if (const auto failed = FailLocked(Op::kDelete, name)) return *failed;
  if (!names_.contains(name)) return NotFound(name);
  CountLocked();
  SetNameLocked(name, nullptr);
  return IOStatus::OK();
}

IOStatus MemoryDisk::Truncate(const std::string& path, std::size_t size,
                              const IOOptions& /*options*/, IODebugContext* /*debug*/) {
  const std::string name = Normal(path);
  std::shared_ptr<Inode> inode;
  {
    const std::scoped_lock lock(mutex_);
    inode = FindLocked(name);
  }
  if (inode == nullptr) return NotFound(name);
  Resize(*inode, size);
  return IOStatus::OK();
}

IOStatus MemoryDisk::CreateDir(const std::string& path, const IOOptions& options,
                               IODebugContext* debug) {
  if (FileExists(path, options, debug).ok()) return IOStatus::IOError("there is one", path);
  return CreateDirIfMissing(path, options, debug);
}

IOStatus MemoryDisk::CreateDirIfMissing(const std::string& path, const IOOptions& /*options*/,
                                        IODebugContext* /*debug*/) {
  const std::scoped_lock lock(mutex_);
  directories_.insert(Normal(path));
  return IOStatus::OK();
}

IOStatus MemoryDisk::DeleteDir(const std::string& path, const IOOptions& /*options*/,
                               IODebugContext* /*debug*/) {
  const std::scoped_lock lock(mutex_);
  directories_.erase(Normal(path));
  return IOStatus::OK();
}

IOStatus MemoryDisk::GetFileSize(const std::string& path, const IOOptions& /*options*/,
                                 std::uint64_t* size, IODebugContext* /*debug*/) {
  const std::string name = Normal(path);
  const std::scoped_lock lock(mutex_);
  const auto inode = FindLocked(name);
  if (inode == nullptr) return NotFound(name);
  *size = inode->data.size();
  return IOStatus::OK();
}

IOStatus MemoryDisk::GetFileModificationTime(const std::string& path, const IOOptions& options,
                                             std::uint64_t* time, IODebugContext* debug) {
  *time = 0;
  return FileExists(path, options, debug);
}

IOStatus MemoryDisk::RenameFile(const std::string& from_path, const std::string& to_path,
                                const IOOptions& /*options*/, IODebugContext* /*debug*/) {
  const std::string from = Normal(from_path);
  const std::string to = Normal(to_path);
  const std::scoped_lock lock(mutex_);
  if (const auto failed = FailLocked(Op::kRename, to)) return *failed;
  auto inode = FindLocked(from);
  if (inode == nullptr) return NotFound(from);
  CountLocked();
  SetNameLocked(to, std::move(inode));
  SetNameLocked(from, nullptr);
  return IOStatus::OK();
}

IOStatus MemoryDisk::LockFile(const std::string& path, const IOOptions& /*options*/,
                              rocksdb::FileLock** lock, IODebugContext* /*debug*/) {
  const std::string name = Normal(path);
  const std::scoped_lock guard(mutex_);
  if (!locked_.insert(name).second) return IOStatus::IOError("locked", name);
  if (!names_.contains(name)) SetNameLocked(name, std::make_shared<Inode>());
  *lock = new Lock(name);  // NOLINT(cppcoreguidelines-owning-memory): RocksDB's interface.
  return IOStatus::OK();
}

IOStatus MemoryDisk::UnlockFile(rocksdb::FileLock* lock, const IOOptions& /*options*/,
                                IODebugContext* /*debug*/) {
  const std::unique_ptr<Lock> held(static_cast<Lock*>(lock));
  const std::scoped_lock guard(mutex_);
  locked_.erase(held->name);
  return IOStatus::OK();
}

IOStatus MemoryDisk::GetTestDirectory(const IOOptions& /*options*/, std::string* path,
                                      IODebugContext* /*debug*/) {
  *path = "/test";
  return IOStatus::OK();
}

IOStatus MemoryDisk::GetAbsolutePath(const std::string& path, const IOOptions& /*options*/,
                                     std::string* absolute, IODebugContext* /*debug*/) {
  *absolute = Normal(path);
  return IOStatus::OK();
}

IOStatus MemoryDisk::IsDirectory(const std::string& path, const IOOptions& /*options*/,
                                 bool* is_directory, IODebugContext* /*debug*/) {
  const std::scoped_lock lock(mutex_);
  *is_directory = directories_.contains(Normal(path));
  return IOStatus::OK();
}

IOStatus MemoryDisk::GetFreeSpace(const std::string& /*path*/, const IOOptions& /*options*/,
                                  std::uint64_t* free, IODebugContext* /*debug*/) {
  const std::scoped_lock lock(mutex_);
  const bool full = std::ranges::any_of(
      faults_, [](const Fault& fault) { return fault.error.IsNoSpace() && fault.skip == 0; });
  *free = full ? 0 : std::numeric_limits<std::int64_t>::max();
  return IOStatus::OK();
}

}  // namespace tests

// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fault_file_system.h"

#include <algorithm>
#include <filesystem>
#include <utility>

namespace tests {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class FaultFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultFile(FaultFileSystem& system, std::string name, std::uint64_t size,
            std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)),
        system_(system),
        name_(std::move(name)),
        size_(size) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    const auto fault = system_.TakeFault(FaultFileSystem::Op::kAppend, name_);
    const Slice kept(data.data(), fault ? std::min(data.size(), fault->written) : data.size());
    const IOStatus status = target()->Append(kept, options, debug);
    if (status.ok()) size_ += kept.size();
    return fault ? fault->error : status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& /*verification*/,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    if (const auto fault = system_.TakeFault(FaultFileSystem::Op::kSync, name_)) {
      return fault->error;
    }
    return Record(target()->Sync(options, debug));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    if (const auto fault = system_.TakeFault(FaultFileSystem::Op::kSync, name_)) {
      return fault->error;
    }
    return Record(target()->Fsync(options, debug));
  }

 private:
  IOStatus Record(IOStatus status) {
    if (status.ok()) system_.RecordSynced(name_, size_);
    return status;
  }

  FaultFileSystem& system_;
  const std::string name_;
  std::uint64_t size_;
};

class CountedFile final : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  CountedFile(FaultFileSystem& system, std::string name,
              std::unique_ptr<rocksdb::FSSequentialFile> file)
      : FSSequentialFileOwnerWrapper(std::move(file)), system_(system), name_(std::move(name)) {}

  IOStatus Read(std::size_t size, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* debug) override {
    IOStatus status = target()->Read(size, options, result, scratch, debug);
    if (status.ok()) system_.RecordRead(name_, result->size());
    return status;
  }

 private:
  FaultFileSystem& system_;
  const std::string name_;
};

}  // namespace

FaultFileSystem::FaultFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}

void FaultFileSystem::Fail(Op op, std::string suffix, IOStatus error, std::size_t written) {
  const std::scoped_lock lock(mutex_);
  fault_ = Fault{op, std::move(suffix), std::move(error), written};
}

void FaultFileSystem::Heal() {
  const std::scoped_lock lock(mutex_);
  fault_.reset();
}

std::uint64_t FaultFileSystem::failures() const {
  const std::scoped_lock lock(mutex_);
  return failures_;
}

std::optional<FaultFileSystem::Fault> FaultFileSystem::TakeFault(Op op, const std::string& name) {
  const std::scoped_lock lock(mutex_);
  if (!fault_ || fault_->op != op || !name.ends_with(fault_->suffix)) return std::nullopt;
  ++failures_;
  return fault_;
}

void FaultFileSystem::RecordSynced(const std::string& name, std::uint64_t size) {
  const std::scoped_lock lock(mutex_);
  synced_[name] = size;
}

void FaultFileSystem::RecordRead(const std::string& name, std::uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  read_[name] += bytes;
}

std::uint64_t FaultFileSystem::BytesRead(const std::string& suffix) const {
  const std::scoped_lock lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& [name, bytes] : read_) sum += name.ends_with(suffix) ? bytes : 0;
  return sum;
}

void FaultFileSystem::CopySynced(const std::string& from, const std::string& to) const {
  const std::scoped_lock lock(mutex_);
  std::filesystem::create_directories(to);
  for (const auto& entry : std::filesystem::directory_iterator(from)) {
    const std::filesystem::path copy = std::filesystem::path(to) / entry.path().filename();
    std::filesystem::copy_file(entry.path(), copy);
    const auto synced = synced_.find(entry.path().string());
    if (synced != synced_.end()) std::filesystem::resize_file(copy, synced->second);
  }
}

IOStatus FaultFileSystem::NewSequentialFile(const std::string& name,
                                            const rocksdb::FileOptions& options,
                                            std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                            IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  IOStatus status = target()->NewSequentialFile(name, options, &file, debug);
  if (status.ok()) *result = std::make_unique<CountedFile>(*this, name, std::move(file));
  return status;
}

IOStatus FaultFileSystem::NewWritableFile(const std::string& name,
                                          const rocksdb::FileOptions& options,
                                          std::unique_ptr<rocksdb::FSWritableFile>* result,
                                          IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSWritableFile> file;
  IOStatus status = target()->NewWritableFile(name, options, &file, debug);
  if (!status.ok()) return status;
  RecordSynced(name, 0);
  *result = std::make_unique<FaultFile>(*this, name, 0, std::move(file));
  return status;
}

IOStatus FaultFileSystem::ReopenWritableFile(const std::string& name,
                                             const rocksdb::FileOptions& options,
                                             std::unique_ptr<rocksdb::FSWritableFile>* result,
                                             IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSWritableFile> file;
  IOStatus status = target()->ReopenWritableFile(name, options, &file, debug);
  if (!status.ok()) return status;
  const std::uint64_t size = file->GetFileSize(IOOptions(), debug);
  RecordSynced(name, size);
  *result = std::make_unique<FaultFile>(*this, name, size, std::move(file));
  return status;
}

IOStatus FaultFileSystem::FileExists(const std::string& name, const IOOptions& options,
                                     IODebugContext* debug) {
  if (const auto fault = TakeFault(Op::kExists, name)) return fault->error;
  return target()->FileExists(name, options, debug);
}

IOStatus FaultFileSystem::RenameFile(const std::string& from, const std::string& to,
                                     const IOOptions& options, IODebugContext* debug) {
  IOStatus status = target()->RenameFile(from, to, options, debug);
  const std::scoped_lock lock(mutex_);
  const auto moved = synced_.find(from);
  if (status.ok() && moved != synced_.end()) {
    synced_[to] = moved->second;
    synced_.erase(moved);
  }
  return status;
}

IOStatus FaultFileSystem::GetFreeSpace(const std::string& path, const IOOptions& options,
                                       std::uint64_t* free, IODebugContext* debug) {
  {
    const std::scoped_lock lock(mutex_);
    if (fault_ && fault_->error.IsNoSpace()) {
      *free = 0;
      return IOStatus::OK();
    }
  }
  return target()->GetFreeSpace(path, options, free, debug);
}

}  // namespace tests

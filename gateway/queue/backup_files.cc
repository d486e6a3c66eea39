// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/backup_files.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

namespace gateway::queue {
namespace {

using rocksdb::IOStatus;

constexpr std::chrono::milliseconds kTellInterval{200};

rocksdb::RateLimiter* NewLimiter(std::uint64_t bytes_per_second) {
  if (bytes_per_second == 0) return nullptr;
  constexpr std::int64_t kRefillMicros = 100'000;
  constexpr std::int32_t kFairness = 10;
  return rocksdb::NewGenericRateLimiter(static_cast<std::int64_t>(bytes_per_second), kRefillMicros,
                                        kFairness, rocksdb::RateLimiter::Mode::kAllIo);
}

class ReadFile final : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  ReadFile(std::unique_ptr<rocksdb::FSSequentialFile> file, BackupFiles& files)
      : FSSequentialFileOwnerWrapper(std::move(file)), files_(files) {}
  IOStatus Read(std::size_t n, const rocksdb::IOOptions& options, rocksdb::Slice* result,
                char* scratch, rocksdb::IODebugContext* debug) override {
    IOStatus status = target()->Read(n, options, result, scratch, debug);
    // Not before: the engine asks for megabytes and most files are small.
    if (status.ok()) status = files_.Wait(result->size());
    if (status.ok()) files_.AfterRead(result->size());
    return status;
  }

 private:
  BackupFiles& files_;
};

class WrittenFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WrittenFile(std::unique_ptr<rocksdb::FSWritableFile> file, BackupFiles& files)
      : FSWritableFileOwnerWrapper(std::move(file)), files_(files) {}
  using FSWritableFileOwnerWrapper::Append;
  IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                  rocksdb::IODebugContext* debug) override {
    IOStatus status;
    for (std::size_t at = 0; status.ok() && at < data.size();) {
      const rocksdb::Slice part(data.data() + at, files_.Part(data.size() - at));
      status = files_.Wait(part.size());
      if (status.ok()) status = target()->Append(part, options, debug);
      if (status.ok()) files_.AfterWrite(part.size());
      at += part.size();
    }
    return status;
  }

 private:
  BackupFiles& files_;
};

}  // namespace

BackupFiles::BackupFiles(const std::shared_ptr<rocksdb::FileSystem>& base, BackupProgress progress,
                         std::stop_token stop, std::uint64_t limit)
    : FileSystemWrapper(base),
      progress_(std::move(progress)),
      stop_(std::move(stop)),
      limiter_(NewLimiter(limit)) {}

void BackupFiles::Begin(BackupStep step, std::uint64_t total) {
  const std::scoped_lock lock(mutex_);
  step_ = step;
  total_ = total;
  done_ = 0;
  told_ = std::chrono::steady_clock::now();
  progress_(step_, done_, total_);
}

std::uint64_t BackupFiles::written() const {
  const std::scoped_lock lock(mutex_);
  return written_;
}

IOStatus BackupFiles::NewSequentialFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                        rocksdb::IODebugContext* debug) {
  IOStatus status = target()->NewSequentialFile(name, options, result, debug);
  if (status.ok()) *result = std::make_unique<ReadFile>(std::move(*result), *this);
  return status;
}

IOStatus BackupFiles::NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* result,
                                      rocksdb::IODebugContext* debug) {
  IOStatus status = target()->NewWritableFile(name, options, result, debug);
  if (status.ok()) *result = std::make_unique<WrittenFile>(std::move(*result), *this);
  return status;
}

std::size_t BackupFiles::Part(std::size_t bytes) const {
  if (limiter_ == nullptr) return bytes;
  // A request larger than a burst is never granted.
  const auto burst = static_cast<std::size_t>(limiter_->GetSingleBurstBytes());
  return std::min(bytes, std::max<std::size_t>(burst, 1));
}

IOStatus BackupFiles::Wait(std::size_t bytes) {
  while (bytes > 0 && limiter_ != nullptr && !stop_.stop_requested()) {
    const std::size_t part = Part(bytes);
    limiter_->Request(static_cast<std::int64_t>(part), rocksdb::Env::IO_LOW, nullptr,
                      rocksdb::RateLimiter::OpType::kWrite);
    bytes -= part;
  }
  return stop_.stop_requested() ? IOStatus::Aborted("stopped") : IOStatus::OK();
}

void BackupFiles::AfterRead(std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  if (step_ != BackupStep::kCopying) Tell(bytes);
}

void BackupFiles::AfterWrite(std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  written_ += bytes;
  if (step_ == BackupStep::kCopying) Tell(bytes);
}

void BackupFiles::Tell(std::size_t bytes) {
  done_ += bytes;
  const auto now = std::chrono::steady_clock::now();
  if (now - told_ < kTellInterval) return;
  told_ = now;
  progress_(step_, done_, total_);
}

bool IsInside(const std::string& path, const std::string& directory) {
  std::error_code error;
  const std::filesystem::path inner = std::filesystem::weakly_canonical(path, error);
  if (error) return false;
  const std::filesystem::path outer = std::filesystem::weakly_canonical(directory, error);
  if (error) return false;
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

}  // namespace gateway::queue

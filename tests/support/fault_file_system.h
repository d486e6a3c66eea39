// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace tests {

/// The machine's file system, with faults on demand: writes, syncs or looks for chosen files fail,
/// and a power cut keeps only what was synced. Thread-safe.
class FaultFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  enum class Op { kAppend, kSync, kExists };

  FaultFileSystem();
  const char* Name() const override { return "FaultFileSystem"; }

  /// From now on `op` on files whose names end with `suffix` answers `error`. A failing
  /// append leaves the first `written` bytes of its data in the file all the same.
  void Fail(Op op, std::string suffix, rocksdb::IOStatus error,
            std::size_t written = std::numeric_limits<std::size_t>::max());
  void Heal();
  /// Calls that were answered with an error.
  std::uint64_t failures() const;
  /// Bytes that were read of files from their beginning on, whose names end so.
  std::uint64_t BytesRead(const std::string& suffix) const;

  /// What a machine that lost power now would find again: a copy of directory `from` in
  /// the new directory `to`, each file cut to the length of its last sync.
  void CopySynced(const std::string& from, const std::string& to) const;

  rocksdb::IOStatus NewSequentialFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* result,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus FileExists(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

  /// None while a fault says that there is no space.
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 std::uint64_t* free, rocksdb::IODebugContext* debug) override;

  // For the files this makes.
  struct Fault {
    Op op;
    std::string suffix;
    rocksdb::IOStatus error;
    std::size_t written;
  };
  std::optional<Fault> TakeFault(Op op, const std::string& name);
  void RecordSynced(const std::string& name, std::uint64_t size);
  void RecordRead(const std::string& name, std::uint64_t bytes);

 private:
  mutable std::mutex mutex_;
  std::optional<Fault> fault_;
  std::uint64_t failures_ = 0;
  std::map<std::string, std::uint64_t> synced_;  ///< Of files written through this.
  std::map<std::string, std::uint64_t> read_;
};

}  // namespace tests

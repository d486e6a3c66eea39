// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/random.h"

namespace tests {

/// A disk in memory, as RocksDB sees one, that can do what real ones do to a queue:
///
/// * A **cut** in the middle of any operation. After a power cut there is what was synced, of
///   what was written since as much as chance left (torn at any byte), and of the names that
///   were made, changed or removed since the last sync of their directory some first ones.
///   After a kill everything written is there. The disk itself goes on as if nothing had
///   happened, so that the doomed process can be torn down in order: what it would have found
///   after the cut is another disk (TakeSurvivor).
/// * A **fault**: operations of a kind answer an error, once, a few times, or until healed; a
///   failing append leaves a part of its bytes.
///
/// Chance comes from the seed alone. Thread-safe.
class MemoryDisk final : public rocksdb::FileSystem {
 public:
  enum class Op : std::uint8_t { kAppend, kSync, kCreate, kRename, kDelete, kRead, kSyncDirectory };
  enum class Kind : std::uint8_t { kLog, kTable, kManifest, kOther };
  enum class Cut : std::uint8_t { kKill, kPower };

  struct Fault {
    std::set<Op> ops;
    std::set<Kind> kinds;
    rocksdb::IOStatus error;
    std::uint64_t skip = 0;   ///< Operations that go well before.
    std::uint64_t times = 1;  ///< Then so many that fail.
  };

  explicit MemoryDisk(std::uint64_t seed) : random_(seed) {}
  const char* Name() const override { return "MemoryDisk"; }

  /// The cut comes in the middle of the changing operation after `operations` others.
  void ArmCut(Cut cut, std::uint64_t operations);
  void DisarmCut();
  /// Whether it has come: nothing that happened later did happen.
  bool cut() const;
  /// The disk after the cut. Once, after cut().
  std::shared_ptr<MemoryDisk> TakeSurvivor();

  void Inject(Fault fault);
  void Heal();
  /// Operations that were answered with an error.
  std::uint64_t failures() const;
  /// Called in each sync of a log file, before it; for a clock that a slow disk moves.
  void OnSync(std::function<void()> on_sync) { on_sync_ = std::move(on_sync); }

  rocksdb::IOStatus NewSequentialFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                        rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* result,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReuseWritableFile(const std::string& name, const std::string& old_name,
                                      const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* result,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* result,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus FileExists(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetChildren(const std::string& directory, const rocksdb::IOOptions& options,
                                std::vector<std::string>* result,
                                rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Truncate(const std::string& name, std::size_t size,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDir(const std::string& name, const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDirIfMissing(const std::string& name, const rocksdb::IOOptions& options,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteDir(const std::string& name, const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetFileSize(const std::string& name, const rocksdb::IOOptions& options,
                                std::uint64_t* size, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetFileModificationTime(const std::string& name,
                                            const rocksdb::IOOptions& options, std::uint64_t* time,
                                            rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus LockFile(const std::string& name, const rocksdb::IOOptions& options,
                             rocksdb::FileLock** lock, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus UnlockFile(rocksdb::FileLock* lock, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetTestDirectory(const rocksdb::IOOptions& options, std::string* path,
                                     rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetAbsolutePath(const std::string& path, const rocksdb::IOOptions& options,
                                    std::string* absolute, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus IsDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                bool* is_directory, rocksdb::IODebugContext* debug) override;
  /// None while a fault says that there is no space.
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 std::uint64_t* free, rocksdb::IODebugContext* debug) override;

  // For the files this makes.
  struct Inode {
    std::string data;
    std::size_t synced = 0;
    /// What a truncation took away, which the disk may still have behind `data` until a sync.
    std::string cut_off;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  rocksdb::IOStatus Append(Inode& inode, const std::string& name, const rocksdb::Slice& data);
  rocksdb::IOStatus Sync(Inode& inode, const std::string& name);
  rocksdb::IOStatus Read(const Inode& inode, const std::string& name, std::uint64_t offset,
                         std::size_t size, rocksdb::Slice* result, char* scratch);
  rocksdb::IOStatus SyncDirectory(const std::string& name);
  void Resize(Inode& inode, std::size_t size);
  std::size_t SizeOf(const Inode& inode) const;

 private:
  /// A name that was given to an inode, or taken from it (null).
  struct NameChange {
    std::string name;
    std::shared_ptr<Inode> inode;
  };

  /// The error of a fault that meets this operation.
  std::optional<rocksdb::IOStatus> FailLocked(Op op, const std::string& name);
  /// One changing operation is about to happen; `torn` may do a part of it first.
  void CountLocked(const std::function<void()>& torn = nullptr);
  void SurviveLocked();
  void KeepEverythingLocked(MemoryDisk& survivor) const;
  void KeepWhatWasSyncedLocked(MemoryDisk& survivor);
  void SetNameLocked(const std::string& name, std::shared_ptr<Inode> inode);
  std::shared_ptr<Inode> FindLocked(const std::string& name) const;
  /// Uniform in [0, limit].
  std::uint64_t UpTo(std::uint64_t limit) { return random_.Next() % (limit + 1); }

  mutable std::mutex mutex_;
  common::FastRandom random_;
  Names names_;
  Names durable_;                     ///< As of the last sync of a directory.
  std::vector<NameChange> unsynced_;  ///< Since then.
  std::set<std::string> directories_;
  std::set<std::string> locked_;
  std::vector<Fault> faults_;
  std::uint64_t failures_ = 0;
  std::optional<Cut> armed_;
  std::uint64_t operations_left_ = 0;
  std::shared_ptr<MemoryDisk> survivor_;
  bool cut_ = false;
  std::function<void()> on_sync_;
};

}  // namespace tests

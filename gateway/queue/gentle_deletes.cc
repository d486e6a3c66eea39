// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/gentle_deletes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>

#include "gateway/queue/store_files.h"

namespace gateway::queue {
namespace {

/// Some 1 ms of discards; a sync for each costs little where the disk does not want them.
constexpr std::uint64_t kPieceBytes = std::uint64_t{4} << 20;
/// For one file: no flush begins meanwhile, and a disk that slow gains nothing by pieces.
constexpr std::chrono::milliseconds kPatience{200};

/// Whether nobody else has the file open: the kernel grants a lease to write only then.
bool IsOursAlone(int file) {
  // Who opens it meanwhile breaks the lease; the signal for that would end the process.
  if (::fcntl(file, F_SETSIG, SIGURG) != 0) return false;
  if (::fcntl(file, F_SETLEASE, F_WRLCK) != 0) return false;
  const bool alone = ::fcntl(file, F_GETLEASE) == F_WRLCK;
  return ::fcntl(file, F_SETLEASE, F_UNLCK) == 0 && alone;
}

/// Frees what `file` holds, whose name is gone. What it cannot, closing it does.
void FreeInPieces(int file, std::uint64_t piece_bytes) {
  struct stat now{};
  // Another name, in a checkpoint, is another owner; so is who looks at the store from outside.
  if (::fstat(file, &now) != 0 || now.st_nlink != 0 || !IsOursAlone(file)) return;
  auto size = static_cast<std::uint64_t>(now.st_size);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (size > piece_bytes && std::chrono::steady_clock::now() < until) {
    size -= piece_bytes;
    if (::ftruncate(file, static_cast<off_t>(size)) != 0 || ::fdatasync(file) != 0) return;
  }
}

}  // namespace

GentleDeletes::GentleDeletes(const std::shared_ptr<rocksdb::FileSystem>& files,
                             std::uint64_t piece_bytes)
    : FileSystemWrapper(files), piece_bytes_(piece_bytes) {}

rocksdb::IOStatus GentleDeletes::DeleteFile(const std::string& path,
                                            const rocksdb::IOOptions& options,
                                            rocksdb::IODebugContext* debug) {
  const std::string name = std::filesystem::path(path).filename().string();
  if (!IsLogFile(name) && !IsTableFile(name)) {
    return FileSystemWrapper::DeleteFile(path, options, debug);
  }
  const int file = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  rocksdb::IOStatus deleted = FileSystemWrapper::DeleteFile(path, options, debug);
  if (file < 0) return deleted;
  if (deleted.ok()) FreeInPieces(file, piece_bytes_);
  ::close(file);
  return deleted;
}

rocksdb::Env* GentleEnv() {
  // Never destroyed: RocksDB's threads may outlive the statics.
  static rocksdb::Env* const kEnv =
      rocksdb::NewCompositeEnv(
          std::make_shared<GentleDeletes>(rocksdb::FileSystem::Default(), kPieceBytes))
          .release();
  return kEnv;
}

}  // namespace gateway::queue

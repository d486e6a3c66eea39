// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <cstdint>
#include <memory>
#include <string>

namespace gateway::queue {

/// The machine's file system, but a log file or table that is deleted gives its space back in
/// pieces, each of them synced.
///
/// To free 64 MiB is one transaction of the file system's journal, and on ext4 with `discard` the
/// disk is told of each freed block before the next one may commit: every acknowledgement waited
/// 17 ms for each log file, and eight of them go together. The name goes first, so a crash leaves
/// nothing that is half a file; and what another process has open goes as one.
class GentleDeletes : public rocksdb::FileSystemWrapper {
 public:
  /// Frees `piece_bytes` at a time.
  GentleDeletes(const std::shared_ptr<rocksdb::FileSystem>& files, std::uint64_t piece_bytes);

  const char* Name() const override { return "GentleDeletes"; }
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

 private:
  const std::uint64_t piece_bytes_;
};

/// An Env on the machine's file system that deletes gently; lives as long as the process.
rocksdb::Env* GentleEnv();

}  // namespace gateway::queue

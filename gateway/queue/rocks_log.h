// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/env.h>

#include <cstdarg>

namespace gateway::queue {

/// RocksDB's own log as lines of ours: its warnings and errors, one line each. In place of
/// its file LOG, for Debian's build aborts when it writes to that file after the disk was
/// full.
class RocksLog final : public rocksdb::Logger {
 public:
  RocksLog() : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}

  using rocksdb::Logger::Logv;
  void Logv(rocksdb::InfoLogLevel level, const char* format, std::va_list arguments) override;
  /// RocksDB asks this for what has no level: headers, which nobody needs.
  void Logv(const char* /*format*/, std::va_list /*arguments*/) override {}
};

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/rocks_log.h"

#include <array>
#include <cstdio>

#include "common/log.h"

namespace gateway::queue {

void RocksLog::Logv(rocksdb::InfoLogLevel level, const char* format, std::va_list arguments) {
  if (level < GetInfoLogLevel()) return;
  std::array<char, 1024> text{};
  std::vsnprintf(text.data(), text.size(), format, arguments);
  const bool error =
      level >= rocksdb::InfoLogLevel::ERROR_LEVEL && level != rocksdb::InfoLogLevel::HEADER_LEVEL;
  if (error) {
    common::log::Error("rocksdb", text.data());
  } else if (level == rocksdb::InfoLogLevel::WARN_LEVEL) {
    common::log::Warning("rocksdb", text.data());
  }
}

}  // namespace gateway::queue

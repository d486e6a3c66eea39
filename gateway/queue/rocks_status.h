// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue: names RocksDB types.

#include <rocksdb/status.h>

#include <string>

#include "common/result.h"

namespace gateway::queue {

/// RocksDB's status as one of ours; `context` says what was tried, e.g. "write a commit".
inline common::Error ToError(const rocksdb::Status& status, const std::string& context) {
  using common::ErrorCode;
  ErrorCode code = ErrorCode::kIo;
  if (status.IsCorruption()) code = ErrorCode::kDataLoss;
  if (status.IsNotFound()) code = ErrorCode::kNotFound;
  if (status.IsShutdownInProgress()) code = ErrorCode::kUnavailable;
  if (status.IsNoSpace()) code = ErrorCode::kNoSpace;
  std::string message = "cannot " + context + ": ";
  if (status.IsNoSpace()) message += "no space left on the device; ";
  return {code, message + status.ToString()};
}

}  // namespace gateway::queue

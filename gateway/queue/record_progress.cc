// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/record_progress.h"

#include "gateway/queue/record_key.h"
#include "gateway/queue/stored_records.h"

namespace gateway::queue {

std::optional<std::uint64_t> ProgressOf(std::string_view key, std::string_view value) {
  switch (key.empty() ? '\0' : key.front()) {
    case kVersionKey.front():
    case kDeadIdKey.front():
    case kTailPrefix:
      if (const auto number = DecodeNumber(value)) return *number;
      return std::nullopt;
    case kCursorPrefix:
      if (const auto cursor = DecodeCursor(value)) return cursor->cursor.next() + cursor->dead;
      return std::nullopt;
    case kRejectedPrefix:
    case kDeadPrefix:
      if (const auto letters = DecodeLetters(value)) return letters->last_id + letters->evicted;
      return std::nullopt;
    case kIdsPrefix:
      if (const auto ids = DecodeIds(value)) {
        return static_cast<std::uint64_t>(ids->forget_before_ms);
      }
      return std::nullopt;
    default:
      return 0;  // Never changes.
  }
}

}  // namespace gateway::queue

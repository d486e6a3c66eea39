// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/row_kind.h"

#include <algorithm>
#include <array>
#include <string>

#include "gateway/queue/chunk_codec.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/record_progress.h"
#include "gateway/queue/stored_records.h"

namespace gateway::queue {

namespace {

bool IsChunk(std::string_view key, std::string_view value) {
  const std::optional<EntryKey> entry = DecodeEntryKey(key);
  // Its checksum has the key in it.
  return entry && DecodeChunk(entry->log, entry->number, std::string(value)).has_value();
}

bool IsMetaRecord(std::string_view key, std::string_view value) {
  constexpr std::array kPrefixes{kLogPrefix,  kCursorPrefix, kRejectedPrefix,
                                 kDeadPrefix, kIdsPrefix,    kTailPrefix};
  const bool known =
      key == kVersionKey || key == kDeadIdKey || std::ranges::any_of(kPrefixes, [&](char prefix) {
        return DecodeMetaKey(prefix, key).has_value();
      });
  if (!known) return false;
  return key.front() == kLogPrefix ? DecodeLog(value).has_value()
                                   : ProgressOf(key, value).has_value();
}

bool IsLetter(std::string_view key, std::string_view value) {
  if (!DecodeEntryKey(key)) return false;
  const auto letter = DecodeDeadLetter(value);
  return letter && !letter->code.empty();
}

bool IsQuarantined(std::string_view key) {
  const std::optional<QuarantineKey> range = DecodeQuarantineKey(key);
  return range && range->first < range->end;
}

bool IsRecordOf(Family family, std::string_view key, std::string_view value) {
  switch (family) {
    case Family::kMeta:
    case Family::kRegistry:
      return IsMetaRecord(key, value);
    case Family::kQueue:
      return IsChunk(key, value);
    case Family::kDead:
    case Family::kRejected:
      return IsLetter(key, value);
    case Family::kQuarantine:
      return IsQuarantined(key);
    case Family::kIds:
      return DecodeIdKey(key) && DecodeNumber(value);
  }
  return false;
}

}  // namespace

std::optional<Family> KindOfRow(std::optional<Family> table, std::string_view key,
                                std::string_view value) {
  for (const Family family : {Family::kQueue, Family::kMeta}) {
    if (!table && IsRecordOf(family, key, value)) return family;
  }
  return table && IsRecordOf(*table, key, value) ? table : std::nullopt;
}

}  // namespace gateway::queue

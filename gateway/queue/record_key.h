// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/pipeline/event.h"

namespace gateway::queue {

// The keys of the store, byte by byte in docs/storage-format.md. All integers are big
// endian, so that RocksDB's order of bytes is the order of logs and of events in a log.
// None is longer than 20 bytes; those of the hot path (12) need no allocation.

inline constexpr char kLogPrefix = 'L';
inline constexpr char kCursorPrefix = 'C';
inline constexpr char kRejectedPrefix = 'R';
inline constexpr char kDeadPrefix = 'X';
inline constexpr char kIdsPrefix = 'I';
inline constexpr char kTailPrefix = 'T';
/// Meta record: the format version of the whole store.
inline constexpr std::string_view kVersionKey = "V";
/// Meta record: the highest dead letter id ever given out.
inline constexpr std::string_view kDeadIdKey = "D";

/// Key of an entry that belongs to one log: an event record by its first Seq, a dead
/// letter or a refused event by its id.
struct EntryKey {
  pipeline::LogId log = 0;
  std::uint64_t number = 0;

  friend bool operator==(const EntryKey&, const EntryKey&) = default;
};

/// Key of a record that was damaged: the events [first, end) were in it.
struct QuarantineKey {
  pipeline::LogId log = 0;
  pipeline::Seq first = 0;
  pipeline::Seq end = 0;

  friend bool operator==(const QuarantineKey&, const QuarantineKey&) = default;
};

/// Key of a remembered messageId.
struct IdKey {
  pipeline::LogId log = 0;
  pipeline::EventId id;

  friend bool operator==(const IdKey&, const IdKey&) = default;
};
inline constexpr std::size_t kIdKeyBytes = 20;

std::string EncodeKey(const EntryKey& key);
std::string EncodeKey(const QuarantineKey& key);
std::string EncodeKey(const IdKey& key);
/// nullopt when `bytes` has not the length of such a key.
std::optional<EntryKey> DecodeEntryKey(std::string_view bytes);
std::optional<IdKey> DecodeIdKey(std::string_view bytes);
std::optional<QuarantineKey> DecodeQuarantineKey(std::string_view bytes);

/// A meta key of one log: one of the prefixes above and the number.
std::string EncodeMetaKey(char prefix, pipeline::LogId log);
std::optional<pipeline::LogId> DecodeMetaKey(char prefix, std::string_view bytes);

/// Sorts behind every entry of `log` and before every entry of the next one.
std::string LogUpperBound(pipeline::LogId log);

}  // namespace gateway::queue

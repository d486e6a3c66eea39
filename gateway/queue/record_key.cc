// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/record_key.h"

#include <limits>

#include "common/bytes.h"

namespace gateway::queue {

using common::AppendBigEndian;
using common::ReadBigEndian;
using pipeline::LogId;

namespace {
constexpr std::size_t kEntryKeyBytes = 12;
constexpr std::size_t kQuarantineKeyBytes = 20;
constexpr std::size_t kMetaKeyBytes = 5;
}  // namespace

std::string EncodeKey(const EntryKey& key) {
  std::string bytes;
  AppendBigEndian(bytes, key.log);
  AppendBigEndian(bytes, key.number);
  return bytes;
}

std::string EncodeKey(const QuarantineKey& key) {
  std::string bytes;
  AppendBigEndian(bytes, key.log);
  AppendBigEndian(bytes, key.first);
  AppendBigEndian(bytes, key.end);
  return bytes;
}

std::string EncodeKey(const IdKey& key) {
  std::string bytes;
  bytes.reserve(kIdKeyBytes);
  AppendBigEndian(bytes, key.log);
  AppendBigEndian(bytes, key.id.high);
  AppendBigEndian(bytes, key.id.low);
  return bytes;
}

std::optional<EntryKey> DecodeEntryKey(std::string_view bytes) {
  if (bytes.size() != kEntryKeyBytes) return std::nullopt;
  return EntryKey{.log = ReadBigEndian<LogId>(&bytes[0]),
                  .number = ReadBigEndian<std::uint64_t>(&bytes[4])};
}

std::optional<QuarantineKey> DecodeQuarantineKey(std::string_view bytes) {
  if (bytes.size() != kQuarantineKeyBytes) return std::nullopt;
  return QuarantineKey{.log = ReadBigEndian<LogId>(&bytes[0]),
                       .first = ReadBigEndian<std::uint64_t>(&bytes[4]),
                       .end = ReadBigEndian<std::uint64_t>(&bytes[12])};
}

std::optional<IdKey> DecodeIdKey(std::string_view bytes) {
  if (bytes.size() != kIdKeyBytes) return std::nullopt;
  return IdKey{.log = ReadBigEndian<LogId>(&bytes[0]),
               .id = {.high = ReadBigEndian<std::uint64_t>(&bytes[4]),
                      .low = ReadBigEndian<std::uint64_t>(&bytes[12])}};
}

std::string EncodeMetaKey(char prefix, LogId log) {
  std::string bytes(1, prefix);
  AppendBigEndian(bytes, log);
  return bytes;
}

std::optional<LogId> DecodeMetaKey(char prefix, std::string_view bytes) {
  if (bytes.size() != kMetaKeyBytes || bytes.front() != prefix) return std::nullopt;
  return ReadBigEndian<LogId>(&bytes[1]);
}

std::string LogUpperBound(LogId log) {
  std::string bytes;
  if (log == std::numeric_limits<LogId>::max()) {
    bytes.assign(kEntryKeyBytes + 1, '\xff');
  } else {
    AppendBigEndian(bytes, log + 1);
  }
  return bytes;
}

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gateway/normalize/json_walk.h"

namespace gateway::normalize {

/// The keys, top level of an event or of a batch, that mean something to the gateway.
enum class FieldId : std::uint8_t {
  kUnknown,  ///< Anything else: copied as it came.
  kType,
  kMessageId,
  kTimestamp,
  kUserId,
  kAnonymousId,
  kGroupId,
  kPreviousId,
  kEvent,
  kName,
  kCategory,
  kProperties,
  kTraits,
  kContext,
  kIntegrations,
  kTenantId,
  kBatch,
  kWriteKey,  ///< From here on: fields that the server owns and no event may bring along.
  kSentAt,
  kReceivedAt,
  kOriginalTimestamp,
  kProjectId,
  kVersion,
};
inline constexpr std::size_t kFieldIds = 23;

inline bool IsServerOwned(FieldId id) { return id >= FieldId::kWriteKey; }

/// `key` unescaped, without quotes.
FieldId LookupField(std::string_view key);

/// One member of an object, found by the walk that validated it.
struct Field {
  FieldId id = FieldId::kUnknown;
  std::uint32_t key_begin = 0;    ///< Offset of the key's opening quote.
  Span value;                     ///< Without surrounding blanks.
  std::uint32_t value_token = 0;  ///< Where the value is in the index.
};

/// The known fields of one object; of a key that comes twice, the last.
using KnownFields = std::array<const Field*, kFieldIds>;

inline const Field* Get(const KnownFields& fields, FieldId id) {
  return fields[static_cast<std::size_t>(id)];
}

enum class ValueKind { kAbsent, kString, kNumber, kBool, kObject, kArray };

/// kAbsent for no field and for null: official clients write null for "no such id".
inline ValueKind KindOf(const Field* field, const char* text) {
  if (field == nullptr) return ValueKind::kAbsent;
  switch (text[field->value.begin]) {
    case '"':
      return ValueKind::kString;
    case '{':
      return ValueKind::kObject;
    case '[':
      return ValueKind::kArray;
    case 'n':
      return ValueKind::kAbsent;
    case 't':
    case 'f':
      return ValueKind::kBool;
    default:
      return ValueKind::kNumber;
  }
}

}  // namespace gateway::normalize

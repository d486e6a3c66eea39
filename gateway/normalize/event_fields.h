// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

namespace internal {

struct FieldName {
  std::string_view name;
  FieldId id = FieldId::kUnknown;
};

inline constexpr std::size_t kShortestName = 4;
inline constexpr std::size_t kLongestName = 17;
inline constexpr std::size_t kNameSlots = 64;

/// Of a key of kShortestName to kLongestName bytes. No two names share a slot.
constexpr std::size_t NameSlot(std::string_view key) {
  return (key.size() * 8 + static_cast<unsigned char>(key.front()) +
          static_cast<std::size_t>(static_cast<unsigned char>(key.back())) * 4) %
         kNameSlots;
}

inline constexpr auto kFieldNames = [] {
  constexpr std::array<FieldName, kFieldIds - 1> kNames{
      {{"type", FieldId::kType},
       {"messageId", FieldId::kMessageId},
       {"timestamp", FieldId::kTimestamp},
       {"userId", FieldId::kUserId},
       {"anonymousId", FieldId::kAnonymousId},
       {"groupId", FieldId::kGroupId},
       {"previousId", FieldId::kPreviousId},
       {"event", FieldId::kEvent},
       {"name", FieldId::kName},
       {"category", FieldId::kCategory},
       {"properties", FieldId::kProperties},
       {"traits", FieldId::kTraits},
       {"context", FieldId::kContext},
       {"integrations", FieldId::kIntegrations},
       {"tenantId", FieldId::kTenantId},
       {"batch", FieldId::kBatch},
       {"writeKey", FieldId::kWriteKey},
       {"sentAt", FieldId::kSentAt},
       {"receivedAt", FieldId::kReceivedAt},
       {"originalTimestamp", FieldId::kOriginalTimestamp},
       {"projectId", FieldId::kProjectId},
       {"version", FieldId::kVersion}}};
  std::array<FieldName, kNameSlots> slots{};
  std::size_t taken = 0;
  for (const FieldName& name : kNames) {
    FieldName& slot = slots[NameSlot(name.name)];
    taken += slot.name.empty() ? 1U : 0U;
    slot = name;
  }
  // Choose other factors in NameSlot when a new name makes this fail.
  if (taken != kNames.size()) throw "two names share a slot";
  return slots;
}();

/// Whether two texts of one length, kShortestName to kLongestName bytes, are equal: by two
/// loads of each, which overlap, instead of a call. Two words miss the middle of the
/// longest name.
inline bool SameName(std::string_view a, std::string_view b) {
  const auto same = [a, b]<typename Word>(Word /*type*/) {
    const auto load = [](std::string_view text, std::size_t at) {
      Word word = 0;
      std::memcpy(&word, text.data() + at, sizeof(word));
      return word;
    };
    const std::size_t last = a.size() - sizeof(Word);
    return load(a, 0) == load(b, 0) && load(a, last) == load(b, last);
  };
  if (a.size() < sizeof(std::uint64_t)) return same(std::uint32_t{});
  return same(std::uint64_t{}) && a[a.size() / 2] == b[b.size() / 2];
}

}  // namespace internal

/// `key` unescaped, without quotes.
inline FieldId LookupField(std::string_view key) {
  if (key.size() < internal::kShortestName || key.size() > internal::kLongestName) {
    return FieldId::kUnknown;
  }
  const internal::FieldName& field = internal::kFieldNames[internal::NameSlot(key)];
  const bool same = field.name.size() == key.size() && internal::SameName(field.name, key);
  return same ? field.id : FieldId::kUnknown;
}

/// What a value is, by its first byte.
enum class ValueKind : std::uint8_t {
  kAbsent,  ///< null, or no field: official clients write null for "no such id".
  kString,
  kNumber,
  kBool,
  kObject,
  kArray
};

namespace internal {

inline constexpr auto kKinds = [] {
  std::array<ValueKind, 256> kinds{};
  kinds.fill(ValueKind::kNumber);
  kinds['"'] = ValueKind::kString;
  kinds['{'] = ValueKind::kObject;
  kinds['['] = ValueKind::kArray;
  kinds['n'] = ValueKind::kAbsent;
  kinds['t'] = kinds['f'] = ValueKind::kBool;
  return kinds;
}();

}  // namespace internal

/// Of a value that is valid.
inline ValueKind KindOfValue(char first) {
  return internal::kKinds[static_cast<unsigned char>(first)];
}

/// One member of an object, found by the walk that validated it.
struct Field {
  FieldId id = FieldId::kUnknown;
  ValueKind kind = ValueKind::kAbsent;
  std::uint32_t key_begin = 0;    ///< Offset of the key's opening quote.
  Span value;                     ///< Without surrounding blanks.
  std::uint32_t value_token = 0;  ///< Where an object or array is in the index.
};

/// The known fields of one object; of a key that comes twice, the last.
using KnownFields = std::array<const Field*, kFieldIds>;

inline const Field* Get(const KnownFields& fields, FieldId id) {
  return fields[static_cast<std::size_t>(id)];
}

inline ValueKind KindOf(const Field* field) {
  return field == nullptr ? ValueKind::kAbsent : field->kind;
}

}  // namespace gateway::normalize

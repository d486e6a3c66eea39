// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gateway/normalize/event_fields.h"
#include "gateway/normalize/normalized.h"

namespace gateway::normalize {

/// Why an event is refused. Codes are Segment's own discard codes where it has one.
struct Problem {
  std::string_view code;
  std::string message;
};

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

/// The object that holds an event's payload ("properties" or "traits"); kUnknown for alias.
inline FieldId PayloadField(EventType type) {
  switch (type) {
    case EventType::kTrack:
    case EventType::kPage:
    case EventType::kScreen:
      return FieldId::kProperties;
    case EventType::kIdentify:
    case EventType::kGroup:
      return FieldId::kTraits;
    case EventType::kAlias:
      break;
  }
  return FieldId::kUnknown;
}

/// Whether the gateway reads `id` as an identity on events of `type`.
inline bool IsIdentity(EventType type, FieldId id) {
  if (id == FieldId::kUserId || id == FieldId::kAnonymousId) return true;
  return (id == FieldId::kGroupId && type == EventType::kGroup) ||
         (id == FieldId::kPreviousId && type == EventType::kAlias);
}

/// Segment's server-side checks, which it reports to nobody. First problem found, or
/// nullopt; adds to the notes of `out`. `fields` come from a validated text.
std::optional<Problem> CheckEvent(EventType type, const KnownFields& fields, const char* text,
                                  Normalized& out);

}  // namespace gateway::normalize

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
ValueKind KindOf(const Field* field, const char* text);

/// The object that holds an event's payload ("properties" or "traits"); kUnknown for alias.
FieldId PayloadField(EventType type);

/// Whether the gateway reads `id` as an identity on events of `type`.
bool IsIdentity(EventType type, FieldId id);

/// Segment's server-side checks, which it reports to nobody. First problem found, or
/// nullopt; adds to the notes of `out`. `fields` come from a validated text.
std::optional<Problem> CheckEvent(EventType type, const KnownFields& fields, const char* text,
                                  Normalized& out);

}  // namespace gateway::normalize

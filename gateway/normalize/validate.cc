// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/validate.h"

#include <fmt/format.h>

#include <array>

namespace gateway::normalize {
namespace {

constexpr std::uint32_t kEmptyString = 2;  // The quotes.

/// An identity is a non-empty string or a number.
std::optional<Problem> CheckId(const KnownFields& fields, FieldId id, std::string_view name,
                               const char* text, Normalized& out) {
  const Field* field = Get(fields, id);
  switch (KindOf(field, text)) {
    case ValueKind::kAbsent:
      return std::nullopt;
    case ValueKind::kNumber:
      out.Add(Note::kNumberId);
      return std::nullopt;
    case ValueKind::kString:
      if (field->value.size() > kEmptyString) return std::nullopt;
      return Problem{"id_not_string", fmt::format("`{}` is empty", name)};
    case ValueKind::kBool:
    case ValueKind::kObject:
    case ValueKind::kArray:
      break;
  }
  return Problem{"id_not_string", fmt::format("`{}` must be a string", name)};
}

std::optional<Problem> CheckIdentity(EventType type, const KnownFields& fields, const char* text,
                                     Normalized& out) {
  if (auto problem = CheckId(fields, FieldId::kUserId, "userId", text, out)) return problem;
  if (auto problem = CheckId(fields, FieldId::kAnonymousId, "anonymousId", text, out)) {
    return problem;
  }
  const auto has = [&](FieldId id) { return KindOf(Get(fields, id), text) != ValueKind::kAbsent; };
  const bool user = has(FieldId::kUserId);
  const bool someone = user || has(FieldId::kAnonymousId);
  switch (type) {
    case EventType::kGroup:
      if (auto problem = CheckId(fields, FieldId::kGroupId, "groupId", text, out)) return problem;
      if (!has(FieldId::kGroupId)) {
        return Problem{"group_id_missing", "A group call needs a `groupId`"};
      }
      if (!someone) out.Add(Note::kGroupWithoutUser);
      return std::nullopt;
    case EventType::kAlias:
      if (auto problem = CheckId(fields, FieldId::kPreviousId, "previousId", text, out)) {
        return problem;
      }
      if (!user) return Problem{"user_id_missing", "An alias call needs a `userId`"};
      if (!has(FieldId::kPreviousId)) out.Add(Note::kAliasWithoutPrevious);
      return std::nullopt;
    case EventType::kTrack:
    case EventType::kIdentify:
    case EventType::kPage:
    case EventType::kScreen:
      break;
  }
  if (!someone) {
    return Problem{"no_user_anon_id", "The event needs a `userId` or an `anonymousId`"};
  }
  return std::nullopt;
}

std::optional<Problem> CheckObject(const Field* field, const char* text, std::string_view code,
                                   std::string_view name) {
  const ValueKind kind = KindOf(field, text);
  if (kind == ValueKind::kAbsent || kind == ValueKind::kObject) return std::nullopt;
  return Problem{code, fmt::format("`{}` must be an object", name)};
}

std::optional<Problem> CheckName(const Field* field, const char* text, std::string_view code,
                                 std::string_view name) {
  const ValueKind kind = KindOf(field, text);
  if (kind == ValueKind::kAbsent || kind == ValueKind::kString) return std::nullopt;
  return Problem{code, fmt::format("`{}` must be a string", name)};
}

std::optional<Problem> CheckTrackedEvent(const Field* field, const char* text) {
  const ValueKind kind = KindOf(field, text);
  if (kind == ValueKind::kAbsent ||
      (kind == ValueKind::kString && field->value.size() == kEmptyString)) {
    return Problem{"event_not_defined", "A track call needs an `event` name"};
  }
  if (kind != ValueKind::kString) return Problem{"event_not_string", "`event` must be a string"};
  return std::nullopt;
}

}  // namespace

std::optional<Problem> CheckEvent(EventType type, const KnownFields& fields, const char* text,
                                  Normalized& out) {
  if (auto problem = CheckIdentity(type, fields, text, out)) return problem;
  if (auto problem =
          CheckObject(Get(fields, FieldId::kContext), text, "context_not_object", "context")) {
    return problem;
  }
  if (auto problem = CheckObject(Get(fields, FieldId::kIntegrations), text,
                                 "integrations_not_object", "integrations")) {
    return problem;
  }
  const FieldId payload = PayloadField(type);
  if (payload == FieldId::kProperties) {
    if (auto problem =
            CheckObject(Get(fields, payload), text, "properties_not_object", "properties")) {
      return problem;
    }
  } else if (payload == FieldId::kTraits) {
    if (auto problem = CheckObject(Get(fields, payload), text, "traits_not_object", "traits")) {
      return problem;
    }
  }
  if (type == EventType::kTrack) return CheckTrackedEvent(Get(fields, FieldId::kEvent), text);
  if (type != EventType::kPage && type != EventType::kScreen) return std::nullopt;
  if (auto problem = CheckName(Get(fields, FieldId::kName), text, "name_not_string", "name")) {
    return problem;
  }
  return CheckName(Get(fields, FieldId::kCategory), text, "category_not_string", "category");
}

}  // namespace gateway::normalize

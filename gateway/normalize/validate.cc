// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/validate.h"

#include <fmt/format.h>

namespace gateway::normalize {
namespace {

constexpr std::uint32_t kEmptyString = 2;  // The quotes.

bool IsStrict(const Candidate& candidate) { return candidate.destination->strict; }

/// An identity is a non-empty string or, unless the destination is strict, a number.
std::optional<Problem> CheckId(Candidate& candidate, FieldId id, std::string_view name) {
  const Field* field = Get(candidate.known, id);
  switch (KindOf(field)) {
    case ValueKind::kAbsent:
      return std::nullopt;
    case ValueKind::kNumber:
      if (IsStrict(candidate)) break;
      candidate.notes.Add(Note::kNumberId);
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

Problem Nobody() { return {"no_user_anon_id", "The event needs a `userId` or an `anonymousId`"}; }

std::optional<Problem> CheckGroup(Candidate& candidate, bool someone) {
  if (auto problem = CheckId(candidate, FieldId::kGroupId, "groupId")) return problem;
  if (KindOf(Get(candidate.known, FieldId::kGroupId)) == ValueKind::kAbsent) {
    return Problem{"group_id_missing", "A group call needs a `groupId`"};
  }
  if (someone) return std::nullopt;
  if (IsStrict(candidate)) return Nobody();
  candidate.notes.Add(Note::kGroupWithoutUser);
  return std::nullopt;
}

std::optional<Problem> CheckAlias(Candidate& candidate, bool user) {
  if (auto problem = CheckId(candidate, FieldId::kPreviousId, "previousId")) return problem;
  if (!user) return Problem{"user_id_missing", "An alias call needs a `userId`"};
  if (KindOf(Get(candidate.known, FieldId::kPreviousId)) != ValueKind::kAbsent) {
    return std::nullopt;
  }
  if (IsStrict(candidate)) {
    return Problem{"previous_id_missing", "An alias call needs a `previousId`"};
  }
  candidate.notes.Add(Note::kAliasWithoutPrevious);
  return std::nullopt;
}

std::optional<Problem> CheckIdentity(Candidate& candidate) {
  if (auto problem = CheckId(candidate, FieldId::kUserId, "userId")) return problem;
  if (auto problem = CheckId(candidate, FieldId::kAnonymousId, "anonymousId")) {
    return problem;
  }
  const auto has = [&](FieldId id) {
    return KindOf(Get(candidate.known, id)) != ValueKind::kAbsent;
  };
  const bool user = has(FieldId::kUserId);
  const bool someone = user || has(FieldId::kAnonymousId);
  if (candidate.type == EventType::kGroup) return CheckGroup(candidate, someone);
  if (candidate.type == EventType::kAlias) return CheckAlias(candidate, user);
  if (!someone) return Nobody();
  return std::nullopt;
}

std::optional<Problem> CheckObject(const Field* field, std::string_view code,
                                   std::string_view name) {
  const ValueKind kind = KindOf(field);
  if (kind == ValueKind::kAbsent || kind == ValueKind::kObject) return std::nullopt;
  return Problem{code, fmt::format("`{}` must be an object", name)};
}

/// Of every type: Segment drops an event for either field, also for the one that its type has
/// no use for.
std::optional<Problem> CheckPayload(const Candidate& candidate) {
  if (auto problem = CheckObject(Get(candidate.known, FieldId::kProperties),
                                 "properties_not_object", "properties")) {
    return problem;
  }
  return CheckObject(Get(candidate.known, FieldId::kTraits), "traits_not_object", "traits");
}

std::optional<Problem> CheckName(const Candidate& candidate, FieldId id, std::string_view code,
                                 std::string_view name) {
  const Field* field = Get(candidate.known, id);
  const ValueKind kind = KindOf(field);
  if (kind == ValueKind::kAbsent) return std::nullopt;
  if (kind != ValueKind::kString) {
    return Problem{code, fmt::format("`{}` must be a string", name)};
  }
  if (IsStrict(candidate) && field->value.size() == kEmptyString) {
    return Problem{code, fmt::format("`{}` is empty", name)};
  }
  return std::nullopt;
}

std::optional<Problem> CheckTrackedEvent(const Field* field) {
  const ValueKind kind = KindOf(field);
  if (kind == ValueKind::kAbsent ||
      (kind == ValueKind::kString && field->value.size() == kEmptyString)) {
    return Problem{"event_not_defined", "A track call needs an `event` name"};
  }
  if (kind != ValueKind::kString) return Problem{"event_not_string", "`event` must be a string"};
  return std::nullopt;
}

/// What compat mode replaces or passes on as it came.
std::optional<Problem> CheckStrictly(const Candidate& candidate) {
  switch (candidate.message_id.state) {
    case GivenId::State::kNone:
    case GivenId::State::kText:
      break;
    case GivenId::State::kNumber:
    case GivenId::State::kUnfit:
      return Problem{"message_id_not_string", "`messageId` must be a string that is not empty"};
    case GivenId::State::kTooLong:
      return Problem{"message_id_too_long", "`messageId` has too many characters"};
  }
  if (candidate.timestamp.state == GivenTime::State::kUnreadable) {
    return Problem{"timestamp_not_date", "`timestamp` must be a date in ISO 8601"};
  }
  if (candidate.sent_at_unreadable) {
    return Problem{"sent_at_not_date", "`sentAt` must be a date in ISO 8601"};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Problem> CheckEvent(Candidate& candidate) {
  if (auto problem = CheckIdentity(candidate)) return problem;
  const KnownFields& known = candidate.known;
  if (auto problem = CheckObject(Get(known, FieldId::kContext), "context_not_object", "context")) {
    return problem;
  }
  if (auto problem = CheckObject(Get(known, FieldId::kIntegrations), "integrations_not_object",
                                 "integrations")) {
    return problem;
  }
  if (auto problem = CheckPayload(candidate)) return problem;
  if (candidate.type == EventType::kTrack) {
    if (auto problem = CheckTrackedEvent(Get(known, FieldId::kEvent))) return problem;
  } else if (candidate.type == EventType::kPage || candidate.type == EventType::kScreen) {
    if (auto problem = CheckName(candidate, FieldId::kName, "name_not_string", "name")) {
      return problem;
    }
    if (auto problem =
            CheckName(candidate, FieldId::kCategory, "category_not_string", "category")) {
      return problem;
    }
  }
  if (IsStrict(candidate)) return CheckStrictly(candidate);
  return std::nullopt;
}

}  // namespace gateway::normalize

// SPDX-License-Identifier: Apache-2.0
#include "gateway/sandbox/verdict.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>

namespace gateway::sandbox {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxMessageIdChars = 100;
constexpr std::array<std::string_view, 6> kTypes = {"track", "identify", "group",
                                                    "page",  "screen",   "alias"};

/// The member, or null when it is absent: Segment's clients send both for "none".
const json& Member(const json& event, std::string_view name) {
  static const json kNull;
  const auto it = event.find(name);
  return it == event.end() ? kNull : *it;
}

bool IsFilledString(const json& value) {
  return value.is_string() && !value.get_ref<const std::string&>().empty();
}

std::size_t CharacterCount(const std::string& utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

Verdict CheckIdentity(const json& event) {
  const json& user = Member(event, "userId");
  const json& anonymous = Member(event, "anonymousId");
  if (user.is_null() && anonymous.is_null()) return Verdict::kNoUserAnonId;
  for (const json* id : {&user, &anonymous}) {
    if (!id->is_null() && !IsFilledString(*id)) return Verdict::kIdNotString;
  }
  return Verdict::kAccepted;
}

Verdict CheckType(const json& event, std::string_view type) {
  const json& properties = Member(event, "properties");
  if (!properties.is_null() && !properties.is_object()) return Verdict::kPropertiesNotObject;
  const json& traits = Member(event, "traits");
  if (!traits.is_null() && !traits.is_object()) return Verdict::kTraitsNotObject;
  if (type == "track") {
    const json& name = Member(event, "event");
    if (name.is_null()) return Verdict::kEventNotDefined;
    if (!name.is_string()) return Verdict::kEventNotString;
    if (!IsFilledString(name)) return Verdict::kEventNotDefined;
  }
  if (type == "page" || type == "screen") {
    const json& name = Member(event, "name");
    if (!name.is_null() && !IsFilledString(name)) return Verdict::kNameNotString;
    const json& category = Member(event, "category");
    if (!category.is_null() && !IsFilledString(category)) return Verdict::kCategoryNotString;
  }
  if (type == "group" && !IsFilledString(Member(event, "groupId"))) {
    return Verdict::kGroupIdMissing;
  }
  return Verdict::kAccepted;
}

}  // namespace

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kAccepted:
      return "accepted";
    case Verdict::kDuplicate:
      return "duplicate";
    case Verdict::kNoUserAnonId:
      return "no_user_anon_id";
    case Verdict::kIdNotString:
      return "id_not_string";
    case Verdict::kEventNotDefined:
      return "event_not_defined";
    case Verdict::kEventNotString:
      return "event_not_string";
    case Verdict::kPropertiesNotObject:
      return "properties_not_object";
    case Verdict::kTraitsNotObject:
      return "traits_not_object";
    case Verdict::kNameNotString:
      return "name_not_string";
    case Verdict::kCategoryNotString:
      return "category_not_string";
    case Verdict::kGroupIdMissing:
      return "group_id_missing";
    case Verdict::kTypeInvalid:
      return "type_invalid";
    case Verdict::kEventNotObject:
      return "event_not_object";
    case Verdict::kMessageIdTooLong:
      return "message_id_too_long";
    case Verdict::kBatchTooLarge:
      return "batch_too_large";
    case Verdict::kUnknownWriteKey:
      return "unknown_write_key";
  }
  return "";
}

std::string_view VerdictHelp(Verdict verdict) {
  switch (verdict) {
    case Verdict::kAccepted:
      return "kept";
    case Verdict::kDuplicate:
      return "an event with this messageId came in the last 24 hours, for this or any other "
             "write key";
    case Verdict::kNoUserAnonId:
      return "neither userId nor anonymousId is there";
    case Verdict::kIdNotString:
      return "userId or anonymousId is empty or not a string";
    case Verdict::kEventNotDefined:
      return "a track call needs a non-empty event name";
    case Verdict::kEventNotString:
      return "the event name of a track call is not a string";
    case Verdict::kPropertiesNotObject:
      return "properties is not an object";
    case Verdict::kTraitsNotObject:
      return "traits is not an object";
    case Verdict::kNameNotString:
      return "name is there but empty or not a string";
    case Verdict::kCategoryNotString:
      return "category is there but empty or not a string";
    case Verdict::kGroupIdMissing:
      return "a group call needs a non-empty string groupId";
    case Verdict::kTypeInvalid:
      return "type is missing or none of track, identify, group, page, screen, alias";
    case Verdict::kEventNotObject:
      return "the batch item is not a JSON object";
    case Verdict::kMessageIdTooLong:
      return "messageId is longer than 100 characters, or not a string";
    case Verdict::kBatchTooLarge:
      return "the batch holds more than 2,500 events; all of them are dropped";
    case Verdict::kUnknownWriteKey:
      return "the write key is well-formed but belongs to no source";
  }
  return "";
}

Verdict CheckEvent(const json& event, std::string_view implied_type) {
  if (!event.is_object()) return Verdict::kEventNotObject;
  std::string_view type = implied_type;
  if (type.empty()) {
    const json& member = Member(event, "type");
    if (!member.is_string()) return Verdict::kTypeInvalid;
    type = member.get_ref<const std::string&>();
    if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end()) {
      return Verdict::kTypeInvalid;
    }
  }
  const json& id = Member(event, "messageId");
  if (!id.is_null() &&
      (!id.is_string() || CharacterCount(id.get_ref<const std::string&>()) > kMaxMessageIdChars)) {
    return Verdict::kMessageIdTooLong;
  }
  const Verdict identity = CheckIdentity(event);
  return identity == Verdict::kAccepted ? CheckType(event, type) : identity;
}

}  // namespace gateway::sandbox

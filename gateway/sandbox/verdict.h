// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace gateway::sandbox {

/// What Segment does with an event after it has answered 200: keeps it, or drops it without
/// a word to the sender.
enum class Verdict {
  kAccepted,
  kDuplicate,
  kNoUserAnonId,
  kIdNotString,
  kEventNotDefined,
  kEventNotString,
  kPropertiesNotObject,
  kTraitsNotObject,
  kNameNotString,
  kCategoryNotString,
  kGroupIdMissing,
  kTypeInvalid,
  kEventNotObject,
  kMessageIdTooLong,
  kBatchTooLarge,
  kUnknownWriteKey,
};

/// Segment's discard code where it has one ("no_user_anon_id"), a name in the same style
/// where it is silent ("batch_too_large").
std::string_view VerdictName(Verdict verdict);
/// One sentence for the person who looks for a missing event.
std::string_view VerdictHelp(Verdict verdict);

/// Checks one event by itself. `implied_type` is what the path says ("track" for
/// /v1/track) and empty for a batch item, which must carry its type.
/// Source: delivery overview discard codes and HTTP API pages of Segment's documentation.
Verdict CheckEvent(const nlohmann::json& event, std::string_view implied_type);

}  // namespace gateway::sandbox

// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/event_fields.h"

namespace gateway::normalize {
// By length first: at most three comparisons of a few bytes for each key of each event.
FieldId LookupField(std::string_view key) {
  switch (key.size()) {
    case 4:
      if (key == "type") return FieldId::kType;
      if (key == "name") return FieldId::kName;
      break;
    case 5:
      if (key == "event") return FieldId::kEvent;
      if (key == "batch") return FieldId::kBatch;
      break;
    case 6:
      if (key == "userId") return FieldId::kUserId;
      if (key == "traits") return FieldId::kTraits;
      if (key == "sentAt") return FieldId::kSentAt;
      break;
    case 7:
      if (key == "context") return FieldId::kContext;
      if (key == "groupId") return FieldId::kGroupId;
      if (key == "version") return FieldId::kVersion;
      break;
    case 8:
      if (key == "writeKey") return FieldId::kWriteKey;
      if (key == "category") return FieldId::kCategory;
      if (key == "tenantId") return FieldId::kTenantId;
      break;
    case 9:
      if (key == "messageId") return FieldId::kMessageId;
      if (key == "timestamp") return FieldId::kTimestamp;
      if (key == "projectId") return FieldId::kProjectId;
      break;
    case 10:
      if (key == "properties") return FieldId::kProperties;
      if (key == "previousId") return FieldId::kPreviousId;
      if (key == "receivedAt") return FieldId::kReceivedAt;
      break;
    case 11:
      if (key == "anonymousId") return FieldId::kAnonymousId;
      break;
    case 12:
      if (key == "integrations") return FieldId::kIntegrations;
      break;
    case 17:
      if (key == "originalTimestamp") return FieldId::kOriginalTimestamp;
      break;
    default:
      break;
  }
  return FieldId::kUnknown;
}

}  // namespace gateway::normalize

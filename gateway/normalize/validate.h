// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/normalize/body_reader.h"
#include "gateway/normalize/event_fields.h"
#include "gateway/normalize/message_id.h"
#include "gateway/normalize/normalized.h"
#include "gateway/normalize/timestamp.h"

namespace gateway::normalize {

/// Why an event is refused. Codes are Segment's own discard codes where it has one.
struct Problem {
  std::string_view code;
  std::string message;
};

/// The notes of one item, each at most once.
class NoteSet {
 public:
  void Add(Note note) { bits_ |= 1U << static_cast<unsigned>(note); }
  bool Has(Note note) const { return (bits_ >> static_cast<unsigned>(note) & 1U) != 0; }
  bool empty() const { return bits_ == 0; }

 private:
  std::uint32_t bits_ = 0;
};

/// An item of a request on its way to become an event.
struct Candidate {
  const Item* item = nullptr;
  const Destination* destination = nullptr;  ///< Null when it has none.
  EventType type = EventType::kTrack;
  KnownFields known{};
  bool repeats = false;  ///< A known key comes twice.
  GivenId message_id;
  GivenTime timestamp;
  bool sent_at_unreadable = false;  ///< That of the request.
  NoteSet notes;
};

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
/// nullopt; adds to the candidate's notes, which is complete and has a destination.
///
/// A strict destination refuses also
///  - ids that are numbers, and a messageId that is empty, too long or no string;
///  - a timestamp or a sentAt that is not a date;
///  - a group call without a user, an alias call without a previousId;
///  - an empty `name` or `category` of a page or screen.
/// null is "absent" there too: official clients write it for ids that they have not.
std::optional<Problem> CheckEvent(Candidate& candidate);

}  // namespace gateway::normalize

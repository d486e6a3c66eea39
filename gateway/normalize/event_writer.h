// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gateway/normalize/body_reader.h"
#include "gateway/normalize/context_merge.h"
#include "gateway/normalize/normalized.h"

namespace gateway::normalize {

/// Writes the final JSON of one event after the other.
///
/// Every event begins with {"type":…,"messageId":…,"timestamp":… in this order and without
/// blanks; then its own fields, byte for byte and in their order, but for
///  - server-owned fields and earlier ones of equal known keys: left out;
///  - ids that are numbers: put in quotes;
///  - null or empty `name` and `category` of page and screen, null `properties` or
///    `traits`, null `context` and `integrations`: left out. Null ids stay, as official
///    clients send them; nulls inside objects always stay;
///  - `context` and `integrations`: merged with the envelope's. A context that names no
///    library gets the gateway's, if the event has room for it.
class EventWriter {
 public:
  EventWriter(const Limits& limits, const BodyReader& body);

  /// Call once for each request, after it has been read.
  void Begin(const RequestContext& request, Route route, Normalized& out);
  /// Appends a valid event to `out.events.bytes`; returns the bytes of the item as it came
  /// plus what merging added to it.
  std::size_t Write(EventType type, const Item& item, const KnownFields& known, Normalized& out);
  /// The item without its server-owned fields, for a dead letter.
  std::string WithoutServerFields(const Item& item) const;

  /// Whether there is an envelope to merge, and how large it is.
  std::size_t envelope_size() const { return envelope_size_; }

 private:
  enum class Action { kKeep, kDrop, kQuote, kMerge };

  Action Decide(EventType type, const Field& field, const KnownFields& known) const;
  void WriteMessageId(const Field* field, Normalized& out);
  void WriteTimestamp(const Field* field, Normalized& out);
  void WriteMerged(FieldId id, const Field* mine, std::string& out);
  bool StripsAlways(FieldId id) const;
  std::optional<common::WallTime> ReadSentAt(const Field* field, Normalized& out);

  const Limits limits_;
  const BodyReader& body_;
  const RequestContext* request_ = nullptr;
  std::optional<common::WallTime> sent_at_;
  const Field* envelope_context_ = nullptr;  ///< Objects only, else null.
  const Field* envelope_integrations_ = nullptr;
  std::size_t envelope_size_ = 0;
  bool add_library_ = false;  ///< To the event at hand.
  ContextMerger merger_;
  std::string scratch_;
};

}  // namespace gateway::normalize

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/normalize/body_reader.h"
#include "gateway/normalize/context_merge.h"
#include "gateway/normalize/message_id.h"
#include "gateway/normalize/normalized.h"
#include "gateway/normalize/timestamp.h"
#include "gateway/normalize/validate.h"

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
///    library gets the gateway's. Where the caller's address counts (RequestContext) one
///    that names no `ip` gets it, and a `direct` that is true, which asked Segment for the
///    same, goes. Both are added only where the event has room for them.
class EventWriter {
 public:
  EventWriter(const Limits& limits, const BodyReader& body, TimestampCodec& timestamps);

  /// Call once for each request, after it has been read.
  void Begin(const RequestContext& request, Route route);
  /// Appends a valid event to `out`; returns the bytes of the item as it came plus what
  /// merging added to it.
  std::size_t Write(Candidate& candidate, std::string& out);
  /// The item without its server-owned fields, for a dead letter. The tenantId of a service's
  /// event is one when it found its tenant; of an event that is nobody's it tells whom to ask.
  std::string WithoutServerFields(const Item& item, bool has_tenant) const;

  /// When the request was sent, by its client's clock.
  const GivenTime& sent_at() const { return sent_at_; }
  /// Whether there is an envelope to merge, and how large it is.
  std::size_t envelope_size() const { return envelope_size_; }

 private:
  enum class Action { kKeep, kDrop, kQuote, kMerge };

  Action Decide(EventType type, const Field& field, const KnownFields& known) const;
  std::uint32_t Doubtful(const Candidate& candidate) const;
  /// Of the event at hand, beyond what the event itself says.
  bool ChangesContext() const {
    return envelope_context_ != nullptr || !additions_.empty() || drop_direct_;
  }
  void WriteMessageId(Candidate& candidate, std::string& out);
  void WriteTimestamp(Candidate& candidate, std::string& out);
  void PlanContext(const Item& item, bool has_context);
  void WriteMerged(FieldId id, const Field* mine, std::string& out);
  bool StripsAlways(FieldId id) const;

  const Limits limits_;
  const BodyReader& body_;
  TimestampCodec& timestamps_;
  const RequestContext* request_ = nullptr;
  GivenTime sent_at_;
  const Field* envelope_context_ = nullptr;  ///< Objects only, else null.
  const Field* envelope_integrations_ = nullptr;
  ContextFacts envelope_facts_;
  std::size_t envelope_size_ = 0;
  std::string additions_;     ///< Members for the context of the event at hand.
  bool drop_direct_ = false;  ///< From it.
  ContextMerger merger_;
  MessageIdScoper scoper_;
  std::string scratch_;
};

}  // namespace gateway::normalize

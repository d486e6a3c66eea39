// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/random.h"
#include "gateway/pipeline/event.h"

namespace gateway::normalize {

/// What a path stands for. /v1/import is a batch under another name. kAny is a batch when the
/// body has a `batch`, else a single event that says its `type` itself.
enum class Route : std::uint8_t { kTrack, kIdentify, kGroup, kPage, kScreen, kAlias, kBatch, kAny };

/// The six calls of the Tracking API.
enum class EventType : std::uint8_t { kTrack, kIdentify, kGroup, kPage, kScreen, kAlias };
inline constexpr std::size_t kEventTypes = 6;

/// "track", "identify", …
std::string_view EventTypeName(EventType type);
/// nullopt for any other text; case matters.
std::optional<EventType> ParseEventType(std::string_view name);

/// Sizes count bytes.
struct Limits {
  std::size_t max_event_bytes;  ///< One event as it came, and after the envelope is merged in.
  std::size_t max_batch_events;
  std::size_t max_batch_bytes;  ///< Body of a batch request.
  /// All events of a batch after each has got the envelope's context: bounds what a small
  /// body with a big context can grow to. Only checked when there is something to merge.
  std::size_t max_merged_bytes;
  std::size_t max_message_id_chars;  ///< Code points of a messageId that is kept.
  std::uint32_t max_depth;           ///< Nesting of the whole body.
};

/// Whom an event goes to, and how that tenant wants its events.
struct Destination {
  std::uint32_t slot = 0;  ///< A small number that the caller gives out, 0 for the request's own.
  /// Refuse also what compat mode puts right or passes on: see validate.h.
  bool strict = false;
  /// When not empty, outgoing messageIds are scoped by it (message_id.h): the tenant's id.
  std::string_view scope = {};
  /// The tenant takes nothing now, for too many of its events wait: refused as
  /// "tenant_backlog". Events of others in the same request go on.
  bool closed = false;
  bool collect_ids = false;  ///< Fill EventBlock::ids, from the ids before they are scoped.
};

/// The destination of events with this tenantId; null when nobody has the id. What is
/// returned outlives the Build.
using TenantResolver = std::function<const Destination*(std::string_view tenant_id)>;

inline constexpr Destination kPlainDestination{};

struct ItemReport;
/// Sees what becomes of each item, in their order.
using ItemObserver = std::function<void(const ItemReport&)>;

/// What normalising needs from outside.
struct RequestContext {
  common::WallTime received_at;
  common::Random& random;  ///< For generated message ids.
  /// Of events without a tenantId (slot 0); null when those have none.
  const Destination* own = &kPlainDestination;
  /// For a service key, whose caller may send for any tenant; null otherwise. `tenantId` of
  /// an event is then address and not data, and stripped.
  const TenantResolver* tenant_of = nullptr;
  /// Pass over events whose tenantId is nobody's (Note::kUnknownTenantIgnored) instead of
  /// refusing them.
  bool ignore_unknown_tenant = false;
  /// The caller's address in text; empty when it is not IPv4 (Segment fills in no other).
  std::string_view client_ip = {};
  /// The request came from a browser or a device: an event without `context.ip` gets
  /// client_ip. Otherwise only one with `context.direct` does.
  bool client_side = false;
  const ItemObserver* observer = nullptr;  ///< May be null.
};

/// Why one event of a request is not forwarded; the others go on.
struct Rejection {
  std::uint32_t index;    ///< In the batch; 0 for a single call.
  std::string_view code;  ///< Stable name; static storage.
  std::string message;    ///< For a person; quotes nothing of the event.
  std::string event;      ///< Its JSON without the server-owned fields, for the dead letter.
  /// The tenant it would have gone to; none when its tenantId is missing or nobody's.
  std::optional<std::uint32_t> slot = 0;
};

/// Why a whole request is refused; nothing of it may be stored.
struct RequestError {
  int http_status;
  std::string_view code;  ///< Stable name; static storage.
  std::string message;    ///< For a person; quotes nothing of the body.
};

/// Things worth counting that are no reason to refuse an event.
enum class Note : std::uint8_t {
  kTypeOverridden,     ///< The body's `type` is not what the path says.
  kMessageIdReplaced,  ///< Present, but empty, too long or of a wrong type.
  kTimestampKept,      ///< Not a timestamp: forwarded as it came.
  kSentAtIgnored,      ///< Not a timestamp: no skew correction. Of a batch, once for all.
  kNumberId,           ///< An id came as a number and was made a string.
  kEmptyFieldDropped,  ///< `name` or `category` empty; or null where Segment wants an object.
  kGroupWithoutUser,
  kAliasWithoutPrevious,
  kEmptyBatch,            ///< `batch` is [].
  kForeignWriteKey,       ///< The body's writeKey is not the header's, which counts.
  kUnknownTenantIgnored,  ///< RequestContext::ignore_unknown_tenant.
};
inline constexpr std::size_t kNotes = 11;

/// What became of one item of a request. Views hold during the call.
struct ItemReport {
  std::uint32_t index = 0;
  const Destination* destination = nullptr;  ///< Null when it has none.
  std::span<const Note> notes;
  std::string_view event;                ///< As it will go out; empty when it will not.
  const Rejection* rejection = nullptr;  ///< Null when it will, or was passed over.
};

/// Events of a tenant other than the request's own.
struct ElsewhereBlock {
  std::uint32_t slot = 0;
  pipeline::EventBlock events;
};

struct Normalized {
  pipeline::EventBlock events;            ///< Of slot 0.
  std::vector<ElsewhereBlock> elsewhere;  ///< Of other slots, each once; none without a resolver.
  std::array<std::uint32_t, kEventTypes> by_type{};  ///< Of all events, by EventType.
  std::array<std::uint32_t, kNotes> notes{};         ///< By Note.
  std::vector<Rejection> rejected;                   ///< By ascending index.

  std::size_t count() const {
    std::size_t n = events.count();
    for (const ElsewhereBlock& block : elsewhere) n += block.events.count();
    return n;
  }
  std::uint32_t Count(EventType type) const { return by_type[static_cast<std::size_t>(type)]; }
  std::uint32_t Count(Note note) const { return notes[static_cast<std::size_t>(note)]; }
  void Add(Note note) { ++notes[static_cast<std::size_t>(note)]; }
};

}  // namespace gateway::normalize

// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/normalizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include "gateway/normalize/body_reader.h"
#include "gateway/normalize/event_writer.h"
#include "gateway/normalize/validate.h"

namespace gateway::normalize {
namespace {

constexpr int kBadRequest = 400;

// Prologue, generated id and own library: what an event grows by at most, unmerged.
constexpr std::size_t kGrowthPerEvent = 192;

std::optional<EventType> TypeOfRoute(Route route) {
  switch (route) {
    case Route::kTrack:
      return EventType::kTrack;
    case Route::kIdentify:
      return EventType::kIdentify;
    case Route::kGroup:
      return EventType::kGroup;
    case Route::kPage:
      return EventType::kPage;
    case Route::kScreen:
      return EventType::kScreen;
    case Route::kAlias:
      return EventType::kAlias;
    case Route::kBatch:
    case Route::kAny:
      break;
  }
  return std::nullopt;
}

Problem TooLarge(std::size_t size, const Limits& limits, std::string_view why) {
  return {"event_too_large", fmt::format("The event has {} bytes{}; {} are allowed", size, why,
                                         limits.max_event_bytes)};
}

/// An event of another slot than 0, before it is known how many there are of each.
struct AwayEvent {
  std::uint32_t slot;
  std::uint32_t begin;  ///< In the text of all such events.
  std::uint32_t size;
  bool has_id;
  pipeline::EventId id;
};

/// Of sorted events.
std::size_t CountSlots(std::span<const AwayEvent> away) {
  std::size_t slots = away.empty() ? 0 : 1;
  for (std::size_t i = 1; i < away.size(); ++i) slots += away[i].slot != away[i - 1].slot ? 1U : 0U;
  return slots;
}

/// Blocks of the right size, with each slot's events in their order. Sorts `away`.
std::vector<ElsewhereBlock> Distribute(std::vector<AwayEvent>& away, std::string_view text) {
  std::ranges::sort(away, {}, [](const AwayEvent& e) { return std::pair(e.slot, e.begin); });
  std::vector<ElsewhereBlock> blocks;
  blocks.reserve(CountSlots(away));
  for (auto begin = away.begin(); begin != away.end();) {
    const std::uint32_t slot = begin->slot;
    const auto end = std::ranges::upper_bound(begin, away.end(), slot, {}, &AwayEvent::slot);
    const std::span<const AwayEvent> run(begin, end);
    pipeline::EventBlock& block = blocks.emplace_back(ElsewhereBlock{slot, {}}).events;
    std::size_t bytes = run.size();
    for (const AwayEvent& e : run) bytes += e.size;
    block.bytes.reserve(bytes);
    block.sizes.reserve(run.size());
    if (begin->has_id) block.ids.reserve(run.size());
    for (const AwayEvent& e : run) {
      block.Append(text.substr(e.begin, e.size));
      if (e.has_id) block.ids.push_back(e.id);
    }
    begin = end;
  }
  return blocks;
}

void AddAll(const NoteSet& notes, Normalized& out) {
  for (std::size_t i = 0; i < kNotes; ++i) {
    if (notes.Has(static_cast<Note>(i))) out.Add(static_cast<Note>(i));
  }
}

}  // namespace

static_assert(Normalizer::kPadding >= JsonIndex::kPadding);

/// The parts that live as long as the normalizer, and one request's way through them.
struct Normalizer::Scratch {
  explicit Scratch(const Limits& l) : limits(l), body(l), writer(l, body, timestamps) {}

  tl::expected<Normalized, RequestError> Build(const RequestContext& request);
  void Reserve(const RequestContext& request, Normalized& out) const;
  /// Settles what becomes of one item; its event is in `event` when it has become one.
  std::optional<Problem> Examine(const RequestContext& request, Normalized& out);
  std::optional<Problem> FindTenant(const RequestContext& request);
  std::optional<Problem> FindType();
  /// Writes the event where its destination's events gather.
  std::optional<Problem> Write(Normalized& out);
  void Report(const RequestContext& request, std::uint32_t index, const Rejection* rejection) const;

  const Limits limits;
  Route route = Route::kBatch;
  BodyReader body;
  TimestampCodec timestamps;
  EventWriter writer;
  std::size_t merged_bytes = 0;  ///< Written so far, refused events included.
  Candidate candidate;           ///< The item at hand.
  std::string_view event;        ///< What it became; empty when nothing.
  std::string away_text;         ///< Of the events of other slots, one behind the other.
  std::vector<AwayEvent> away;
  std::string text;
  std::string id_text;
  std::string key_text;
};

Normalizer::Normalizer(const Limits& limits) : scratch_(std::make_unique<Scratch>(limits)) {}
Normalizer::~Normalizer() = default;

tl::expected<void, RequestError> Normalizer::Parse(Route route, std::string& body) {
  scratch_->route = route;
  if (auto error = scratch_->body.Read(route, body)) return tl::make_unexpected(std::move(*error));
  if (route == Route::kAny && scratch_->body.is_batch()) scratch_->route = Route::kBatch;
  return {};
}

bool Normalizer::is_batch() const { return scratch_->body.is_batch(); }

std::optional<std::string_view> Normalizer::write_key() const {
  const BodyReader& body = scratch_->body;
  KnownFields known{};
  if (scratch_->route == Route::kBatch) {
    FindKnown(body.envelope_fields(), known);
  } else if (!body.items().empty()) {
    FindKnown(body.FieldsOf(body.items().front()), known);
  }
  const Field* field = Get(known, FieldId::kWriteKey);
  if (KindOf(field) != ValueKind::kString) return std::nullopt;
  const std::string_view key = body.StringValue(*field, scratch_->key_text);
  if (key.empty()) return std::nullopt;
  return key;
}

tl::expected<Normalized, RequestError> Normalizer::Build(const RequestContext& request) {
  return scratch_->Build(request);
}

tl::expected<Normalized, RequestError> Normalizer::Normalize(Route route, std::string& body,
                                                             const RequestContext& request) {
  if (auto parsed = Parse(route, body); !parsed) {
    return tl::make_unexpected(std::move(parsed.error()));
  }
  return Build(request);
}

tl::expected<Normalized, RequestError> Normalizer::Scratch::Build(const RequestContext& request) {
  Normalized out;
  const auto items = body.items();
  if (items.empty()) {
    out.Add(Note::kEmptyBatch);
    return out;
  }
  writer.Begin(request, route);
  merged_bytes = 0;
  away_text.clear();
  away.clear();
  Reserve(request, out);
  const bool sent_at_unreadable = writer.sent_at().state == GivenTime::State::kUnreadable;
  if (sent_at_unreadable && route == Route::kBatch) out.Add(Note::kSentAtIgnored);
  candidate.sent_at_unreadable = sent_at_unreadable;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    candidate.item = &items[i];
    candidate.destination = request.own;
    candidate.notes = {};
    event = {};
    const Rejection* rejection = nullptr;
    if (auto problem = Examine(request, out)) {
      const Destination* to = candidate.destination;
      rejection = &out.rejected.emplace_back(
          Rejection{i, problem->code, std::move(problem->message),
                    writer.WithoutServerFields(items[i], to != nullptr),
                    to != nullptr ? std::optional(to->slot) : std::nullopt});
    }
    if (!candidate.notes.empty()) AddAll(candidate.notes, out);
    if (request.observer != nullptr) Report(request, i, rejection);
    if (merged_bytes > limits.max_merged_bytes) {
      return tl::make_unexpected(
          RequestError{kBadRequest, "payload_too_large",
                       fmt::format("Exceed payload limit: with the batch's context in each event "
                                   "there are more than {} bytes",
                                   limits.max_merged_bytes)});
    }
  }
  if (!away.empty()) out.elsewhere = Distribute(away, away_text);
  return out;
}

/// So that the number of allocations does not grow with that of events.
void Normalizer::Scratch::Reserve(const RequestContext& request, Normalized& out) const {
  if (request.own == nullptr) return;
  const auto items = body.items();
  const std::size_t body_bytes = items.back().span.end - items.front().span.begin;
  const std::size_t merging =
      std::min(items.size() * writer.envelope_size(), limits.max_merged_bytes);
  out.events.bytes.reserve(body_bytes + items.size() * kGrowthPerEvent + merging);
  out.events.sizes.reserve(items.size());
  if (request.own->collect_ids) out.events.ids.reserve(items.size());
}

std::optional<Problem> Normalizer::Scratch::Examine(const RequestContext& request,
                                                    Normalized& out) {
  const Item& item = *candidate.item;
  if (!item.is_object) return Problem{"event_not_object", "An event must be a JSON object"};
  candidate.repeats = FindKnown(body.FieldsOf(item), candidate.known);
  if (auto problem = FindTenant(request)) return problem;
  if (candidate.destination == nullptr) return std::nullopt;  // Passed over.
  if (candidate.destination->closed) {
    return Problem{"tenant_backlog", "Too many events of this tenant wait for delivery"};
  }
  if (item.span.size() > limits.max_event_bytes) return TooLarge(item.span.size(), limits, "");
  if (item.has_huge_number) {
    return Problem{"number_out_of_range",
                   "The event holds a number that is out of range (no 64-bit float can hold it)"};
  }
  if (auto problem = FindType()) return problem;
  const KnownFields& known = candidate.known;
  ReadMessageId(Get(known, FieldId::kMessageId), body, limits.max_message_id_chars, id_text,
                candidate.message_id);
  candidate.timestamp = timestamps.Read(Get(known, FieldId::kTimestamp), body, text);
  if (candidate.sent_at_unreadable && route != Route::kBatch) {
    candidate.notes.Add(Note::kSentAtIgnored);
  }
  if (auto problem = CheckEvent(candidate)) return problem;
  return Write(out);
}

std::optional<Problem> Normalizer::Scratch::Write(Normalized& out) {
  const Destination& to = *candidate.destination;
  const bool own = to.slot == 0;
  std::string& bytes = own ? out.events.bytes : away_text;
  const std::size_t before = bytes.size();
  if (own && before > 0) bytes += ',';
  const std::size_t begin = bytes.size();
  const std::size_t content = writer.Write(candidate, bytes);
  const auto size = static_cast<std::uint32_t>(bytes.size() - begin);
  if (writer.envelope_size() > 0) {
    // Merging reads the whole envelope, however little of it is new to the event.
    merged_bytes += std::max<std::size_t>(size, writer.envelope_size());
    if (content > limits.max_event_bytes) {
      bytes.resize(before);
      return TooLarge(content, limits, " with the batch's context");
    }
  }
  pipeline::EventId id;
  if (to.collect_ids && candidate.message_id.usable()) id = EventIdOf(candidate.message_id.value);
  if (own) {
    out.events.sizes.push_back(size);
    if (to.collect_ids) out.events.ids.push_back(id);
  } else {
    away.push_back({to.slot, static_cast<std::uint32_t>(begin), size, to.collect_ids, id});
  }
  event = std::string_view(bytes).substr(begin);
  ++out.by_type[static_cast<std::size_t>(candidate.type)];
  return std::nullopt;
}

std::optional<Problem> Normalizer::Scratch::FindTenant(const RequestContext& request) {
  const Field* field =
      request.tenant_of != nullptr ? Get(candidate.known, FieldId::kTenantId) : nullptr;
  const ValueKind kind = KindOf(field);
  if (kind == ValueKind::kAbsent) {
    if (candidate.destination != nullptr) return std::nullopt;
    return Problem{"tenant_missing",
                   "With a service key, say whose event it is: the header X-Tenant-Id, or "
                   "`tenantId` on the event"};
  }
  candidate.destination = nullptr;
  if (kind == ValueKind::kString) {
    candidate.destination = (*request.tenant_of)(body.StringValue(*field, text));
  } else if (kind == ValueKind::kNumber) {
    candidate.destination = (*request.tenant_of)(body.Text(field->value));
  } else {
    return Problem{"tenant_unknown", "`tenantId` must be a string"};
  }
  if (candidate.destination != nullptr) return std::nullopt;
  if (request.ignore_unknown_tenant) {
    candidate.notes.Add(Note::kUnknownTenantIgnored);
    return std::nullopt;
  }
  return Problem{"tenant_unknown", "No tenant with the event's `tenantId` is configured here"};
}

std::optional<Problem> Normalizer::Scratch::FindType() {
  const Field* field = Get(candidate.known, FieldId::kType);
  const ValueKind kind = KindOf(field);
  std::optional<EventType> named;
  if (kind == ValueKind::kString) named = ParseEventType(body.StringValue(*field, text));
  if (const auto implied = TypeOfRoute(route)) {
    if (kind != ValueKind::kAbsent && named != implied) candidate.notes.Add(Note::kTypeOverridden);
    candidate.type = *implied;
    return std::nullopt;
  }
  if (kind == ValueKind::kAbsent) {
    return Problem{"type_missing", "An event of a batch needs a `type`"};
  }
  if (!named) {
    return Problem{"type_unknown", "`type` must be track, identify, group, page, screen or alias"};
  }
  candidate.type = *named;
  return std::nullopt;
}

void Normalizer::Scratch::Report(const RequestContext& request, std::uint32_t index,
                                 const Rejection* rejection) const {
  std::array<Note, kNotes> notes{};
  std::size_t count = 0;
  for (std::size_t i = 0; i < kNotes; ++i) {
    const auto note = static_cast<Note>(i);
    if (candidate.notes.Has(note)) notes[count++] = note;
  }
  (*request.observer)({.index = index,
                       .destination = candidate.destination,
                       .notes = std::span(notes).first(count),
                       .event = event,
                       .rejection = rejection});
}

}  // namespace gateway::normalize

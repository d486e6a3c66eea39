// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/normalizer.h"

#include <fmt/format.h>

#include <algorithm>

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
      break;
  }
  return std::nullopt;
}

Problem TooLarge(std::size_t size, const Limits& limits, std::string_view why) {
  return {"event_too_large", fmt::format("The event has {} bytes{}; {} are allowed", size, why,
                                         limits.max_event_bytes)};
}

pipeline::EventBlock& BlockOf(std::uint32_t slot, Normalized& out) {
  const auto found = std::ranges::find(out.elsewhere, slot, &ElsewhereBlock::slot);
  if (found != out.elsewhere.end()) return found->events;
  return out.elsewhere.emplace_back(ElsewhereBlock{slot, {}}).events;
}

}  // namespace

static_assert(Normalizer::kPadding >= JsonIndex::kPadding);

/// The parts that live as long as the normalizer, and one request's way through them.
struct Normalizer::Scratch {
  explicit Scratch(const Limits& l) : limits(l), body(l), writer(l, body) {}

  tl::expected<Normalized, RequestError> Build(const RequestContext& request);
  /// Appends the event of one item, or says why not. `slot` tells whose it is.
  std::optional<Problem> Append(const Item& item, const RequestContext& request,
                                std::optional<std::uint32_t>& slot, Normalized& out);
  std::optional<Problem> FindTenant(const RequestContext& request,
                                    std::optional<std::uint32_t>& slot);
  std::optional<Problem> FindType(EventType& type, Normalized& out);

  const Limits limits;
  Route route = Route::kBatch;
  BodyReader body;
  EventWriter writer;
  KnownFields known{};
  std::size_t merged_bytes = 0;  ///< Written so far, refused events included.
  std::string text;
  std::string key_text;
};

Normalizer::Normalizer(const Limits& limits) : scratch_(std::make_unique<Scratch>(limits)) {}
Normalizer::~Normalizer() = default;

tl::expected<void, RequestError> Normalizer::Parse(Route route, std::string& body) {
  scratch_->route = route;
  if (auto error = scratch_->body.Read(route, body)) return tl::make_unexpected(std::move(*error));
  return {};
}

std::optional<std::string_view> Normalizer::write_key() const {
  const BodyReader& body = scratch_->body;
  KnownFields known{};
  if (scratch_->route == Route::kBatch) {
    FindKnown(body.envelope_fields(), known);
  } else if (!body.items().empty()) {
    FindKnown(body.FieldsOf(body.items().front()), known);
  }
  const Field* field = Get(known, FieldId::kWriteKey);
  if (KindOf(field, body.text()) != ValueKind::kString) return std::nullopt;
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
  if (items.empty()) return out;
  writer.Begin(request, route, out);
  merged_bytes = 0;
  const std::size_t body_bytes = items.back().span.end - items.front().span.begin;
  out.events.bytes.reserve(body_bytes + items.size() * kGrowthPerEvent);
  out.events.sizes.reserve(items.size());
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    std::optional<std::uint32_t> slot = 0;
    if (auto problem = Append(items[i], request, slot, out)) {
      out.rejected.push_back({i, problem->code, std::move(problem->message),
                              writer.WithoutServerFields(items[i]), slot});
    }
    if (merged_bytes > limits.max_merged_bytes) {
      return tl::make_unexpected(
          RequestError{kBadRequest, "payload_too_large",
                       fmt::format("With the batch's context in each event it exceeds {} bytes",
                                   limits.max_merged_bytes)});
    }
  }
  return out;
}

std::optional<Problem> Normalizer::Scratch::Append(const Item& item, const RequestContext& request,
                                                   std::optional<std::uint32_t>& slot,
                                                   Normalized& out) {
  if (!item.is_object) return Problem{"event_not_object", "An event must be a JSON object"};
  if (item.span.size() > limits.max_event_bytes) return TooLarge(item.span.size(), limits, "");
  FindKnown(body.FieldsOf(item), known);
  if (request.tenant_of != nullptr) {
    if (auto problem = FindTenant(request, slot)) return problem;
  }
  EventType type = EventType::kTrack;
  if (auto problem = FindType(type, out)) return problem;
  if (auto problem = CheckEvent(type, known, body.text(), out)) return problem;

  pipeline::EventBlock& events = out.events;
  const std::size_t before = events.bytes.size();
  if (events.count() > 0) events.bytes += ',';
  const std::size_t begin = events.bytes.size();
  const std::size_t content = writer.Write(type, item, known, out);
  if (writer.envelope_size() > 0) {
    // Merging reads the whole envelope, however little of it is new to the event.
    merged_bytes += std::max(events.bytes.size() - begin, writer.envelope_size());
    if (content > limits.max_event_bytes) {
      events.bytes.resize(before);
      return TooLarge(content, limits, " with the batch's context");
    }
  }
  if (*slot == 0) {
    events.sizes.push_back(static_cast<std::uint32_t>(events.bytes.size() - begin));
  } else {
    BlockOf(*slot, out).Append(std::string_view(events.bytes).substr(begin));
    events.bytes.resize(before);
  }
  ++out.by_type[static_cast<std::size_t>(type)];
  return std::nullopt;
}

std::optional<Problem> Normalizer::Scratch::FindTenant(const RequestContext& request,
                                                       std::optional<std::uint32_t>& slot) {
  const Field* field = Get(known, FieldId::kTenantId);
  const ValueKind kind = KindOf(field, body.text());
  if (kind == ValueKind::kAbsent) {
    if (request.own != nullptr) return std::nullopt;
    slot.reset();
    return Problem{"tenant_missing",
                   "With a service key, say whose event it is: the header X-Tenant-Id, or "
                   "`tenantId` on the event"};
  }
  slot.reset();
  const Destination* to = nullptr;
  if (kind == ValueKind::kString) to = (*request.tenant_of)(body.StringValue(*field, text));
  if (to != nullptr) slot = to->slot;
  if (slot) return std::nullopt;
  return Problem{"tenant_unknown", "No tenant with the event's `tenantId` is configured here"};
}

std::optional<Problem> Normalizer::Scratch::FindType(EventType& type, Normalized& out) {
  const Field* field = Get(known, FieldId::kType);
  const ValueKind kind = KindOf(field, body.text());
  std::optional<EventType> named;
  if (kind == ValueKind::kString) named = ParseEventType(body.StringValue(*field, text));
  if (const auto implied = TypeOfRoute(route)) {
    if (kind != ValueKind::kAbsent && named != implied) out.Add(Note::kTypeOverridden);
    type = *implied;
    return std::nullopt;
  }
  if (kind == ValueKind::kAbsent) {
    return Problem{"type_missing", "An event of a batch needs a `type`"};
  }
  if (!named) {
    return Problem{"type_unknown", "`type` must be track, identify, group, page, screen or alias"};
  }
  type = *named;
  return std::nullopt;
}

}  // namespace gateway::normalize

// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/event_writer.h"

#include <array>
#include <span>

namespace gateway::normalize {
namespace {

constexpr std::string_view kOwnLibrary =
    R"("library":{"name":"segment-gateway","version":")" GW_VERSION R"("})";

constexpr std::string_view kIp = R"("ip":")";
constexpr std::string_view kDirect = "direct";

/// Up to the value of messageId, by EventType.
constexpr std::array<std::string_view, kEventTypes> kPrologues = {
    R"({"type":"track","messageId":)",  R"({"type":"identify","messageId":)",
    R"({"type":"group","messageId":)",  R"({"type":"page","messageId":)",
    R"({"type":"screen","messageId":)", R"({"type":"alias","messageId":)"};

/// Behind the messageId.
constexpr std::string_view kTimestampMember = R"(,"timestamp":"0000-00-00T00:00:00.000Z")";
static_assert(kTimestampMember.ends_with(kQuotedTimestamp));

/// What the gateway adds at most of its own: prologue, generated id and timestamp, and
/// the wrapping of a context.
constexpr std::size_t kOwnFieldBytes = 128;

constexpr std::uint32_t kEmptyString = 2;  // The quotes.

bool IsEmptyOrNull(const Field& field) {
  return field.kind == ValueKind::kAbsent ||
         (field.kind == ValueKind::kString && field.value.size() == kEmptyString);
}

const Field* ObjectOrNull(const Field* field) {
  return KindOf(field) == ValueKind::kObject ? field : nullptr;
}

/// A set of fields.
using FieldSet = std::uint32_t;

constexpr FieldSet Set(FieldId id) { return FieldSet{1} << static_cast<unsigned>(id); }

template <typename... Ids>
constexpr FieldSet Set(FieldId id, Ids... more) {
  return Set(id) | Set(more...);
}

/// Written in the prologue, or never forwarded.
constexpr FieldSet kAlwaysDropped = Set(
    FieldId::kType, FieldId::kMessageId, FieldId::kTimestamp, FieldId::kWriteKey, FieldId::kSentAt,
    FieldId::kReceivedAt, FieldId::kOriginalTimestamp, FieldId::kProjectId, FieldId::kVersion);
constexpr FieldSet kIdentities =
    Set(FieldId::kUserId, FieldId::kAnonymousId, FieldId::kGroupId, FieldId::kPreviousId);

/// Writes members of an object, with commas between them.
class MemberWriter {
 public:
  MemberWriter(const char* text, std::string& out, bool first)
      : text_(text), out_(out), first_(first) {}

  /// Members that lie beside each other, in one piece, commas and blanks included.
  void Copy(std::span<const Field> run) {
    if (run.empty()) return;
    std::uint32_t begin = run.front().key_begin;
    // Mostly the comma that is needed stands right before the run.
    if (!first_ && text_[begin - 1] == ',') {
      --begin;
    } else {
      Comma();
    }
    first_ = false;
    out_.append(text_ + begin, run.back().value.end - begin);
  }
  void Comma() {
    if (!first_) out_ += ',';
    first_ = false;
  }

 private:
  const char* text_;
  std::string& out_;
  bool first_;
};

}  // namespace

EventWriter::EventWriter(const Limits& limits, const BodyReader& body, TimestampCodec& timestamps)
    : limits_(limits), body_(body), timestamps_(timestamps) {}

void EventWriter::Begin(const RequestContext& request, Route route) {
  request_ = &request;
  KnownFields known;
  envelope_context_ = nullptr;
  envelope_integrations_ = nullptr;
  if (route == Route::kBatch) {
    FindKnown(body_.envelope_fields(), known);
    envelope_context_ = ObjectOrNull(Get(known, FieldId::kContext));
    envelope_integrations_ = ObjectOrNull(Get(known, FieldId::kIntegrations));
  } else {
    FindKnown(body_.FieldsOf(body_.items().front()), known);
  }
  sent_at_ = timestamps_.Read(Get(known, FieldId::kSentAt), body_, scratch_);
  envelope_facts_ = envelope_context_ != nullptr ? body_.envelope().context : ContextFacts{};
  envelope_size_ = 0;
  for (const Field* field : {envelope_context_, envelope_integrations_}) {
    if (field != nullptr) envelope_size_ += field->value.size();
  }
}

bool EventWriter::StripsAlways(FieldId id) const {
  return IsServerOwned(id) || (id == FieldId::kTenantId && request_->tenant_of != nullptr);
}

EventWriter::Action EventWriter::Decide(EventType type, const Field& field,
                                        const KnownFields& known) const {
  const FieldId id = field.id;
  if (id == FieldId::kUnknown) return Action::kKeep;
  if (StripsAlways(id) || Get(known, id) != &field) return Action::kDrop;
  if (id == FieldId::kType || id == FieldId::kMessageId || id == FieldId::kTimestamp) {
    return Action::kDrop;  // Written in the prologue.
  }
  if (IsIdentity(type, id)) {
    return field.kind == ValueKind::kNumber ? Action::kQuote : Action::kKeep;
  }
  if (id == FieldId::kContext) {
    if (field.kind != ValueKind::kObject) return Action::kDrop;
    return ChangesContext() ? Action::kMerge : Action::kKeep;
  }
  if (id == FieldId::kIntegrations) {
    if (field.kind != ValueKind::kObject) return Action::kDrop;
    return envelope_integrations_ == nullptr ? Action::kKeep : Action::kMerge;
  }
  if (id == PayloadField(type)) {
    return field.kind == ValueKind::kAbsent ? Action::kDrop : Action::kKeep;
  }
  if ((id == FieldId::kName || id == FieldId::kCategory) &&
      (type == EventType::kPage || type == EventType::kScreen)) {
    return IsEmptyOrNull(field) ? Action::kDrop : Action::kKeep;
  }
  return Action::kKeep;
}

/// The fields that may not be kept as they are: only about these Decide has to be asked.
FieldSet EventWriter::Doubtful(const Candidate& candidate) const {
  if (candidate.repeats) return ~Set(FieldId::kUnknown);
  FieldSet doubtful = kAlwaysDropped;
  const auto add_if = [&](FieldId id, bool condition) { doubtful |= condition ? Set(id) : 0U; };
  const auto absent = [&](FieldId id) {
    return KindOf(Get(candidate.known, id)) == ValueKind::kAbsent;
  };
  add_if(FieldId::kTenantId, request_->tenant_of != nullptr);
  add_if(FieldId::kContext, ChangesContext() || absent(FieldId::kContext));
  add_if(FieldId::kIntegrations,
         envelope_integrations_ != nullptr || absent(FieldId::kIntegrations));
  const FieldId payload = PayloadField(candidate.type);
  if (payload != FieldId::kUnknown) add_if(payload, absent(payload));
  if (candidate.notes.Has(Note::kNumberId)) doubtful |= kIdentities;
  if (candidate.type == EventType::kPage || candidate.type == EventType::kScreen) {
    doubtful |= Set(FieldId::kName, FieldId::kCategory);
  }
  return doubtful;
}

/// Decides what the context of the event gets and loses.
void EventWriter::PlanContext(const Item& item, bool has_context) {
  const ContextFacts mine = has_context ? item.context : ContextFacts{};
  const ContextFacts& theirs = envelope_facts_;
  additions_.clear();
  drop_direct_ = mine.has_direct ? mine.direct : theirs.direct;
  const bool wants_ip = (request_->client_side || drop_direct_) && !request_->client_ip.empty() &&
                        !mine.has_ip && !theirs.has_ip;
  const bool wants_library = !mine.has_library && !theirs.has_library;
  if (!wants_ip && !wants_library) return;
  const std::size_t size = item.span.size() + envelope_size_ + kOwnFieldBytes;
  const auto fits = [&](std::size_t more) {
    return size + additions_.size() + more <= limits_.max_event_bytes;
  };
  if (wants_ip && fits(kIp.size() + request_->client_ip.size() + 1)) {
    additions_ += kIp;
    additions_ += request_->client_ip;
    additions_ += '"';
  }
  if (wants_library && fits(kOwnLibrary.size() + 1)) {
    if (!additions_.empty()) additions_ += ',';
    additions_ += kOwnLibrary;
  }
}

std::size_t EventWriter::Write(Candidate& candidate, std::string& out) {
  const char* text = body_.text();
  const Item& item = *candidate.item;
  const KnownFields& known = candidate.known;
  const Field* context = ObjectOrNull(Get(known, FieldId::kContext));
  const Field* integrations = ObjectOrNull(Get(known, FieldId::kIntegrations));
  PlanContext(item, context != nullptr);

  out += kPrologues[static_cast<std::size_t>(candidate.type)];
  WriteMessageId(candidate, out);
  WriteTimestamp(candidate, out);

  MemberWriter members(text, out, false);
  std::size_t content = item.span.size();
  const auto merge = [&](FieldId id, const Field* mine) {
    members.Comma();
    const std::size_t before = out.size();
    WriteMerged(id, mine, out);
    if (mine != nullptr) content -= mine->value.end - mine->key_begin;
    content += out.size() - before;
  };
  const FieldSet doubtful = Doubtful(candidate);
  const std::span<const Field> fields = body_.FieldsOf(item);
  std::size_t kept = 0;  // Where the run of kept fields begins.
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const Field& field = fields[i];
    if ((doubtful & Set(field.id)) == 0) continue;
    const Action action = Decide(candidate.type, field, known);
    if (action == Action::kKeep) continue;
    members.Copy(fields.subspan(kept, i - kept));
    kept = i + 1;
    if (action == Action::kQuote) {
      members.Comma();
      out.append(text + field.key_begin, field.value.begin - field.key_begin);
      out += '"';
      out += body_.Text(field.value);
      out += '"';
    } else if (action == Action::kMerge) {
      merge(field.id, &field);
    } else if (field.id == FieldId::kName || field.id == FieldId::kCategory ||
               field.id == PayloadField(candidate.type)) {
      if (Get(known, field.id) == &field) candidate.notes.Add(Note::kEmptyFieldDropped);
    }
  }
  members.Copy(fields.subspan(kept));
  if (context == nullptr && (envelope_context_ != nullptr || !additions_.empty())) {
    merge(FieldId::kContext, nullptr);
  }
  if (integrations == nullptr && envelope_integrations_ != nullptr) {
    merge(FieldId::kIntegrations, nullptr);
  }
  out += '}';
  return content;
}

void EventWriter::WriteMerged(FieldId id, const Field* mine, std::string& out) {
  const bool is_context = id == FieldId::kContext;
  const Field* theirs = is_context ? envelope_context_ : envelope_integrations_;
  const std::string_view additions = is_context ? additions_ : std::string_view();
  out += is_context ? R"("context":)" : R"("integrations":)";
  const bool drops = is_context && drop_direct_;
  if (drops || (mine != nullptr && theirs != nullptr)) {
    const auto token = [](const Field* field) {
      return field != nullptr ? field->value_token : ContextMerger::kNone;
    };
    merger_.Merge(body_.text(), body_.tokens(), token(mine), token(theirs),
                  {.first_members = additions, .dropped_key = drops ? kDirect : ""}, out);
    return;
  }
  // One object, whose members are copied in one piece.
  const Field* only = mine != nullptr ? mine : theirs;
  out += '{';
  out += additions;
  if (only != nullptr) {
    const bool empty = body_.text()[body_.tokens()[only->value_token + 1]] == '}';
    if (!additions.empty() && !empty) out += ',';
    out += body_.Text({only->value.begin + 1, only->value.end - 1});
  }
  out += '}';
}

void EventWriter::WriteMessageId(Candidate& candidate, std::string& out) {
  const GivenId& id = candidate.message_id;
  const std::string_view scope = candidate.destination->scope;
  if (id.state == GivenId::State::kUnfit || id.too_long()) {
    candidate.notes.Add(Note::kMessageIdReplaced);
  }
  if (!id.usable()) {
    AppendMessageId(out, request_->received_at, request_->random);
  } else if (!scope.empty() || id.too_long()) {
    scoper_.Append(out, scope, id);
  } else if (id.state == GivenId::State::kText) {
    out += body_.Text(Get(candidate.known, FieldId::kMessageId)->value);  // With its quotes.
  } else {
    out += '"';
    out += id.raw;
    out += '"';
  }
}

void EventWriter::WriteTimestamp(Candidate& candidate, std::string& out) {
  const GivenTime& given = candidate.timestamp;
  if (given.state == GivenTime::State::kNone) {
    timestamps_.Append(out, request_->received_at, kTimestampMember);
    return;
  }
  if (given.state == GivenTime::State::kUnreadable) {
    candidate.notes.Add(Note::kTimestampKept);
  } else if (sent_at_.state == GivenTime::State::kTime) {
    // Segment's own formula: the client's clock is wrong by as much as sentAt differs from
    // the moment of arrival.
    const common::WallTime corrected = request_->received_at - (sent_at_.time - given.time);
    if (corrected != given.time && InRange(corrected)) {
      timestamps_.Append(out, corrected, kTimestampMember);
      return;
    }
  }
  out += kTimestampMember.substr(0, kTimestampMember.size() - kQuotedTimestamp.size());
  out += body_.Text(Get(candidate.known, FieldId::kTimestamp)->value);
}

std::string EventWriter::WithoutServerFields(const Item& item, bool has_tenant) const {
  if (!item.is_object) return std::string(body_.Text(item.span));
  std::string out = "{";
  MemberWriter members(body_.text(), out, true);
  const std::span<const Field> fields = body_.FieldsOf(item);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (!(has_tenant ? StripsAlways(fields[i].id) : IsServerOwned(fields[i].id))) continue;
    members.Copy(fields.subspan(kept, i - kept));
    kept = i + 1;
  }
  members.Copy(fields.subspan(kept));
  out += '}';
  return out;
}

}  // namespace gateway::normalize

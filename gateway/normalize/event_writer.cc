// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/event_writer.h"

#include <array>

#include "gateway/normalize/message_id.h"
#include "gateway/normalize/timestamp.h"
#include "gateway/normalize/validate.h"

namespace gateway::normalize {
namespace {

constexpr std::string_view kOwnLibrary =
    R"("library":{"name":"segment-gateway","version":")" GW_VERSION R"("})";

/// Up to the value of messageId, by EventType.
constexpr std::array<std::string_view, kEventTypes> kPrologues = {
    R"({"type":"track","messageId":)",  R"({"type":"identify","messageId":)",
    R"({"type":"group","messageId":)",  R"({"type":"page","messageId":)",
    R"({"type":"screen","messageId":)", R"({"type":"alias","messageId":)"};

/// What the gateway adds at most of its own: prologue, generated id and timestamp, and
/// the wrapping of a context.
constexpr std::size_t kOwnFieldBytes = 128;

constexpr std::uint32_t kEmptyString = 2;  // The quotes.

bool IsEmptyOrNull(const Field& field, const char* text) {
  const ValueKind kind = KindOf(&field, text);
  return kind == ValueKind::kAbsent ||
         (kind == ValueKind::kString && field.value.size() == kEmptyString);
}

const Field* ObjectOrNull(const Field* field, const char* text) {
  return KindOf(field, text) == ValueKind::kObject ? field : nullptr;
}

/// Copies members that lie beside each other in one piece, commas and blanks included.
class RunCopier {
 public:
  RunCopier(const char* text, std::string& out, bool first)
      : text_(text), out_(out), first_(first) {}

  void Keep(const Field& field) {
    if (run_.size() == 0) run_.begin = field.key_begin;
    run_.end = field.value.end;
  }
  void Flush() {
    if (run_.size() == 0) return;
    Comma();
    out_.append(text_ + run_.begin, run_.size());
    run_ = {};
  }
  void Comma() {
    if (!first_) out_ += ',';
    first_ = false;
  }

 private:
  const char* text_;
  std::string& out_;
  bool first_;
  Span run_;
};

}  // namespace

EventWriter::EventWriter(const Limits& limits, const BodyReader& body)
    : limits_(limits), body_(body) {}

void EventWriter::Begin(const RequestContext& request, Route route, Normalized& out) {
  request_ = &request;
  KnownFields known;
  if (route == Route::kBatch) {
    FindKnown(body_.envelope_fields(), known);
    envelope_context_ = ObjectOrNull(Get(known, FieldId::kContext), body_.text());
    envelope_integrations_ = ObjectOrNull(Get(known, FieldId::kIntegrations), body_.text());
  } else {
    FindKnown(body_.FieldsOf(body_.items().front()), known);
    envelope_context_ = nullptr;
    envelope_integrations_ = nullptr;
  }
  sent_at_ = ReadSentAt(Get(known, FieldId::kSentAt), out);
  envelope_size_ = 0;
  for (const Field* field : {envelope_context_, envelope_integrations_}) {
    if (field != nullptr) envelope_size_ += field->value.size();
  }
}

std::optional<common::WallTime> EventWriter::ReadSentAt(const Field* field, Normalized& out) {
  const ValueKind kind = KindOf(field, body_.text());
  if (kind == ValueKind::kAbsent) return std::nullopt;
  std::optional<common::WallTime> time;
  if (kind == ValueKind::kString) time = ReadTimestamp(body_.StringValue(*field, scratch_));
  if (!time) out.Add(Note::kSentAtIgnored);
  return time;
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
  const char* text = body_.text();
  if (IsIdentity(type, id)) {
    return KindOf(&field, text) == ValueKind::kNumber ? Action::kQuote : Action::kKeep;
  }
  if (id == FieldId::kContext) {
    const bool as_it_is = envelope_context_ == nullptr && !add_library_;
    if (KindOf(&field, text) != ValueKind::kObject) return Action::kDrop;
    return as_it_is ? Action::kKeep : Action::kMerge;
  }
  if (id == FieldId::kIntegrations) {
    if (KindOf(&field, text) != ValueKind::kObject) return Action::kDrop;
    return envelope_integrations_ == nullptr ? Action::kKeep : Action::kMerge;
  }
  if (id == PayloadField(type)) {
    return KindOf(&field, text) == ValueKind::kAbsent ? Action::kDrop : Action::kKeep;
  }
  if ((id == FieldId::kName || id == FieldId::kCategory) &&
      (type == EventType::kPage || type == EventType::kScreen)) {
    return IsEmptyOrNull(field, text) ? Action::kDrop : Action::kKeep;
  }
  return Action::kKeep;
}

std::size_t EventWriter::Write(EventType type, const Item& item, const KnownFields& known,
                               Normalized& out) {
  const char* text = body_.text();
  const Field* context = ObjectOrNull(Get(known, FieldId::kContext), text);
  const Field* integrations = ObjectOrNull(Get(known, FieldId::kIntegrations), text);
  const bool has_library = (context != nullptr && item.context_has_library) ||
                           (envelope_context_ != nullptr && body_.envelope().context_has_library);
  add_library_ =
      !has_library && item.span.size() + envelope_size_ + kOwnFieldBytes + kOwnLibrary.size() <=
                          limits_.max_event_bytes;

  std::string& bytes = out.events.bytes;
  bytes += kPrologues[static_cast<std::size_t>(type)];
  WriteMessageId(Get(known, FieldId::kMessageId), out);
  bytes += R"(,"timestamp":)";
  WriteTimestamp(Get(known, FieldId::kTimestamp), out);

  RunCopier copier(text, bytes, false);
  std::size_t content = item.span.size();
  const auto merge = [&](FieldId id, const Field* mine) {
    copier.Comma();
    const std::size_t before = bytes.size();
    WriteMerged(id, mine, bytes);
    if (mine != nullptr) content -= mine->value.end - mine->key_begin;
    content += bytes.size() - before;
  };
  for (const Field& field : body_.FieldsOf(item)) {
    const Action action = Decide(type, field, known);
    if (action == Action::kKeep) {
      copier.Keep(field);
      continue;
    }
    copier.Flush();
    if (action == Action::kQuote) {
      copier.Comma();
      bytes.append(text + field.key_begin, field.value.begin - field.key_begin);
      bytes += '"';
      bytes += body_.Text(field.value);
      bytes += '"';
    } else if (action == Action::kMerge) {
      merge(field.id, &field);
    } else if (field.id == FieldId::kName || field.id == FieldId::kCategory ||
               field.id == PayloadField(type)) {
      if (Get(known, field.id) == &field) out.Add(Note::kEmptyFieldDropped);
    }
  }
  copier.Flush();
  if (context == nullptr && (envelope_context_ != nullptr || add_library_)) {
    merge(FieldId::kContext, nullptr);
  }
  if (integrations == nullptr && envelope_integrations_ != nullptr) {
    merge(FieldId::kIntegrations, nullptr);
  }
  bytes += '}';
  return content;
}

void EventWriter::WriteMerged(FieldId id, const Field* mine, std::string& out) {
  const bool is_context = id == FieldId::kContext;
  const Field* theirs = is_context ? envelope_context_ : envelope_integrations_;
  const std::string_view library = is_context && add_library_ ? kOwnLibrary : std::string_view();
  out += is_context ? R"("context":)" : R"("integrations":)";
  if (mine != nullptr && theirs != nullptr) {
    merger_.Merge(body_.text(), body_.tokens(), mine->value_token, theirs->value_token, library,
                  out);
    return;
  }
  const Field* only = mine != nullptr ? mine : theirs;
  out += '{';
  out += library;
  if (only != nullptr) {
    const bool empty = body_.text()[body_.tokens()[only->value_token + 1]] == '}';
    if (!library.empty() && !empty) out += ',';
    out += body_.Text({only->value.begin + 1, only->value.end - 1});
  }
  out += '}';
}

void EventWriter::WriteMessageId(const Field* field, Normalized& out) {
  std::string& bytes = out.events.bytes;
  const ValueKind kind = KindOf(field, body_.text());
  if (kind == ValueKind::kString) {
    const std::size_t size = body_.StringValue(*field, scratch_).size();
    if (size > 0 && size <= limits_.max_message_id_bytes) {
      bytes += body_.Text(field->value);
      return;
    }
  } else if (kind == ValueKind::kNumber && field->value.size() <= limits_.max_message_id_bytes) {
    bytes += '"';
    bytes += body_.Text(field->value);
    bytes += '"';
    return;
  }
  if (kind != ValueKind::kAbsent) out.Add(Note::kMessageIdReplaced);
  AppendMessageId(bytes, request_->received_at, request_->random);
}

void EventWriter::WriteTimestamp(const Field* field, Normalized& out) {
  std::string& bytes = out.events.bytes;
  const ValueKind kind = KindOf(field, body_.text());
  if (kind == ValueKind::kAbsent) {
    AppendTimestamp(bytes, request_->received_at);
    return;
  }
  std::optional<common::WallTime> time;
  if (kind == ValueKind::kString) time = ReadTimestamp(body_.StringValue(*field, scratch_));
  if (!time) out.Add(Note::kTimestampKept);
  if (time && sent_at_) {
    // Segment's own formula: the client's clock is wrong by as much as sentAt differs from
    // the moment of arrival.
    const common::WallTime corrected = request_->received_at - (*sent_at_ - *time);
    if (corrected != *time && InRange(corrected)) {
      AppendTimestamp(bytes, corrected);
      return;
    }
  }
  bytes += body_.Text(field->value);
}

std::string EventWriter::WithoutServerFields(const Item& item) const {
  if (!item.is_object) return std::string(body_.Text(item.span));
  std::string out = "{";
  RunCopier copier(body_.text(), out, true);
  for (const Field& field : body_.FieldsOf(item)) {
    if (StripsAlways(field.id)) {
      copier.Flush();
    } else {
      copier.Keep(field);
    }
  }
  copier.Flush();
  out += '}';
  return out;
}

}  // namespace gateway::normalize

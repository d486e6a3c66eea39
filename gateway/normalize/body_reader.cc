// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/body_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "gateway/normalize/json_escape.h"

namespace gateway::normalize {
namespace {

constexpr int kBadRequest = 400;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

RequestError Refuse(std::string_view code, std::string message) {
  return {kBadRequest, code, std::move(message)};
}

RequestError IndexError(JsonIndex::Failure failure) {
  switch (failure) {
    case JsonIndex::Failure::kUtf8:
      return Refuse("invalid_utf8", "The body is not valid UTF-8");
    case JsonIndex::Failure::kEmpty:
      return Refuse("invalid_json", "The body is empty");
    case JsonIndex::Failure::kUnclosedString:
      return Refuse("invalid_json", "Invalid JSON: a string is not closed");
    case JsonIndex::Failure::kControlCharacter:
      return Refuse("invalid_json", "Invalid JSON: a string holds a raw control character");
    case JsonIndex::Failure::kTooLarge:
    case JsonIndex::Failure::kNone:
      break;
  }
  return Refuse("payload_too_large", "Exceed payload limit");
}

/// `first` is the first byte of the member's value.
void NoteContextMember(std::string_view key, char first, ContextFacts& facts) {
  switch (key.size()) {
    case 2:
      facts.has_ip |= key == "ip";
      break;
    case 6:
      if (key == "direct") {
        facts.has_direct = true;
        facts.direct = first == 't';
      }
      break;
    case 7:
      facts.has_library |= key == "library";
      break;
    default:
      break;
  }
}

}  // namespace

bool FindKnown(std::span<const Field> fields, KnownFields& known) {
  known.fill(nullptr);
  std::uint32_t seen = 0;
  std::uint32_t again = 0;
  for (const Field& field : fields) {
    const std::uint32_t bit = 1U << static_cast<unsigned>(field.id);
    again |= seen & bit;
    seen |= bit;
    known[static_cast<std::size_t>(field.id)] = &field;
  }
  return (again >> 1) != 0;  // Without kUnknown.
}

BodyReader::BodyReader(const Limits& limits) : limits_(limits), closers_(limits.max_depth + 1) {}

std::string_view BodyReader::Unescaped(std::string_view raw, std::string& scratch) {
  scratch.clear();
  AppendUnescaped(raw, scratch);
  return scratch;
}

void BodyReader::Clear() {
  envelope_ = {};
  envelope_fields_.clear();
  items_.clear();
  fields_.clear();
  too_many_items_ = false;
}

std::optional<RequestError> BodyReader::Read(Route route, std::string& body) {
  Clear();
  const bool may_be_batch = route == Route::kBatch || route == Route::kAny;
  const std::size_t limit = may_be_batch ? limits_.max_batch_bytes : limits_.max_event_bytes;
  if (body.size() > limit) return Refuse("payload_too_large", "Exceed payload limit");
  body.reserve(body.size() + JsonIndex::kPadding);
  const std::size_t skip = body.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  std::optional<RequestError> error = ReadText(route, body.data() + skip, body.size() - skip);
  if (error) Clear();
  return error;
}

std::optional<RequestError> BodyReader::ReadText(Route route, char* text, std::size_t size) {
  text_ = text;
  const JsonIndex::Failure failure = index_.Build(text, size);
  if (failure != JsonIndex::Failure::kNone) return IndexError(failure);
  const EscapeCheck escapes = CheckEscapes(text, size);
  has_escapes_ = escapes.found;
  if (escapes.invalid) {
    return Refuse("invalid_json",
                  fmt::format("Invalid JSON: bad escape at byte {}", *escapes.invalid));
  }
  JsonWalker walker(text_, index_.tokens(), limits_.max_depth, closers_);
  const Token first = walker.first();
  if (walker.At(first) != '{') return Refuse("not_an_object", "The body must be a JSON object");
  const bool may_be_batch = route == Route::kBatch || route == Route::kAny;
  Item& outermost = may_be_batch ? envelope_ : items_.emplace_back();
  const Token end =
      ReadObject(walker, first, 0, may_be_batch ? envelope_fields_ : fields_, outermost);
  if (end == nullptr) return WalkError(walker);
  outermost.has_huge_number |= walker.TakeHugeNumber();
  if (walker.Index(end) != index_.count()) {
    return Refuse("invalid_json",
                  fmt::format("Invalid JSON: more text after the object, at byte {}", *end));
  }
  if (route == Route::kAny && !HasBatch()) return TakeAsSingle(size);
  return may_be_batch ? CheckEnvelope() : std::nullopt;
}

/// An event may have a member of that name, but its `type` tells it from a batch.
bool BodyReader::HasBatch() const {
  KnownFields known;
  FindKnown(envelope_fields_, known);
  const Field* batch = Get(known, FieldId::kBatch);
  if (batch == nullptr) return false;
  return text_[batch->value.begin] == '[' || Get(known, FieldId::kType) == nullptr;
}

/// What was read as an envelope is an event.
std::optional<RequestError> BodyReader::TakeAsSingle(std::size_t size) {
  if (size > limits_.max_event_bytes) return Refuse("payload_too_large", "Exceed payload limit");
  items_.push_back(std::exchange(envelope_, Item{}));
  fields_.swap(envelope_fields_);
  return std::nullopt;
}

std::optional<RequestError> BodyReader::CheckEnvelope() const {
  if (envelope_.has_huge_number) {
    return Refuse("number_out_of_range",
                  "The batch's envelope holds a number that is out of range");
  }
  KnownFields known;
  FindKnown(envelope_fields_, known);
  const Field* batch = Get(known, FieldId::kBatch);
  if (batch == nullptr || text_[batch->value.begin] != '[') {
    return Refuse("batch_not_array", "`batch` must be an array of events");
  }
  std::size_t merged = 0;
  for (const FieldId id : {FieldId::kContext, FieldId::kIntegrations}) {
    const Field* field = Get(known, id);
    if (field == nullptr || text_[field->value.begin] == 'n') continue;
    if (text_[field->value.begin] != '{') {
      return id == FieldId::kContext
                 ? Refuse("context_not_object", "The batch's `context` must be an object")
                 : Refuse("integrations_not_object",
                          "The batch's `integrations` must be an object");
    }
    merged += field->value.size();
  }
  if (merged > limits_.max_event_bytes) {
    return Refuse(
        "payload_too_large",
        fmt::format(
            "Exceed payload limit: the batch's context and integrations have {} bytes; they become "
            "part of each event, which may have {}",
            merged, limits_.max_event_bytes));
  }
  return std::nullopt;
}

RequestError BodyReader::WalkError(const JsonWalker& walker) const {
  if (too_many_items_) {
    return Refuse("batch_too_large",
                  fmt::format("A batch may hold {} events", limits_.max_batch_events));
  }
  if (walker.failure() == JsonWalker::Failure::kTooDeep) {
    return Refuse("too_deep", fmt::format("The body nests deeper than {} levels, at byte {}",
                                          limits_.max_depth, walker.failed_at()));
  }
  return Refuse("invalid_json", fmt::format("Invalid JSON at byte {}", walker.failed_at()));
}

Token BodyReader::ReadObject(JsonWalker& walker, Token t, std::uint32_t depth,
                             std::vector<Field>& fields, Item& item) {
  item.is_object = true;
  item.span.begin = *t;
  item.first_field = static_cast<std::uint32_t>(fields.size());
  t = walker.Enter(t, depth);
  if (t == nullptr) return nullptr;
  if (walker.At(t) != '}') {
    for (;;) {
      const Token key = t;
      t = walker.SkipKey(key);
      if (t == nullptr) return nullptr;
      const ValueKind kind = KindOfValue(walker.At(t));
      // Filled in place: a copy would wait for the stores of its parts. It stays where it
      // is, since what the value adds (items of a batch) goes into another list.
      Field& field = fields.emplace_back();
      field.id = LookupField(KeyText(key));
      field.kind = kind;
      field.key_begin = *key;
      field.value.begin = *t;
      if (kind == ValueKind::kObject || kind == ValueKind::kArray) {
        field.value_token = walker.Index(t);
        t = ReadContainer(walker, t, depth + 1, field.id, item);
        if (t == nullptr) return nullptr;
        field.value.end = t[-1] + 1;
      } else {
        t = kind == ValueKind::kString ? t + 1 : walker.SkipScalar(t);
        if (t == nullptr) return nullptr;
        field.value.end = TrimBlanks(text_, *t);
      }
      if (walker.At(t) != ',') break;
      ++t;
    }
    if (walker.At(t) != '}') return walker.Fail(t);
  }
  item.span.end = *t + 1;
  item.field_count = static_cast<std::uint32_t>(fields.size()) - item.first_field;
  return t + 1;
}

Token BodyReader::ReadContainer(JsonWalker& walker, Token t, std::uint32_t depth, FieldId id,
                                Item& item) {
  const bool is_object = walker.At(t) == '{';
  if (id == FieldId::kContext && is_object) return ReadContext(walker, t, depth, item.context);
  if (id == FieldId::kBatch && !is_object && &item == &envelope_) {
    return ReadItems(walker, t, depth);
  }
  return walker.SkipContainer(t, depth);
}

Token BodyReader::ReadContext(JsonWalker& walker, Token t, std::uint32_t depth,
                              ContextFacts& facts) {
  facts = {};
  t = walker.Enter(t, depth);
  if (t == nullptr) return nullptr;
  if (walker.At(t) != '}') {
    for (;;) {
      const Token key = t;
      t = walker.SkipKey(key);
      if (t == nullptr) return nullptr;
      NoteContextMember(KeyText(key), walker.At(t), facts);
      t = walker.SkipValue(t, depth + 1);
      if (t == nullptr) return nullptr;
      if (walker.At(t) != ',') break;
      ++t;
    }
    if (walker.At(t) != '}') return walker.Fail(t);
  }
  return t + 1;
}

Token BodyReader::ReadItems(JsonWalker& walker, Token t, std::uint32_t depth) {
  envelope_.has_huge_number |= walker.TakeHugeNumber();
  // A second `batch` replaces the first, as any JSON reader has it.
  for (const Item& item : items_) envelope_.has_huge_number |= item.has_huge_number;
  items_.clear();
  fields_.clear();
  t = walker.Enter(t, depth);
  if (t == nullptr) return nullptr;
  if (walker.At(t) != ']') {
    for (;;) {
      if (items_.size() == limits_.max_batch_events) {
        too_many_items_ = true;
        return walker.Fail(t);
      }
      Item& item = items_.emplace_back();
      if (walker.At(t) == '{') {
        t = ReadObject(walker, t, depth + 1, fields_, item);
      } else {
        item.span.begin = *t;
        t = walker.SkipValue(t, depth + 1);
        if (t != nullptr) item.span.end = walker.EndOfValue(t);
      }
      if (t == nullptr) return nullptr;
      item.has_huge_number = walker.TakeHugeNumber();
      if (walker.At(t) != ',') break;
      ++t;
    }
    if (walker.At(t) != ']') return walker.Fail(t);
  }
  return t + 1;
}

}  // namespace gateway::normalize

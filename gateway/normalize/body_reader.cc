// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/body_reader.h"

#include <fmt/format.h>

#include <cstring>

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

void FindKnown(std::span<const Field> fields, KnownFields& known) {
  known.fill(nullptr);
  for (const Field& field : fields) known[static_cast<std::size_t>(field.id)] = &field;
}

BodyReader::BodyReader(const Limits& limits) : limits_(limits), closers_(limits.max_depth + 1) {}

std::string_view BodyReader::StringValue(const Field& field, std::string& scratch) const {
  const std::string_view raw = Text({field.value.begin + 1, field.value.end - 1});
  if (!has_escapes_ || raw.find('\\') == std::string_view::npos) return raw;
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
  const std::size_t limit =
      route == Route::kBatch ? limits_.max_batch_bytes : limits_.max_event_bytes;
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
  if (walker.Peek() != '{') return Refuse("not_an_object", "The body must be a JSON object");
  bool read = false;
  if (route == Route::kBatch) {
    read = ReadObject(walker, 0, envelope_fields_, envelope_);
  } else {
    Item item;
    read = ReadObject(walker, 0, fields_, item);
    items_.push_back(item);
  }
  if (!read) return WalkError(walker);
  if (walker.index() != index_.count()) {
    return Refuse(
        "invalid_json",
        fmt::format("Invalid JSON: more text after the object, at byte {}", walker.offset()));
  }
  return route == Route::kBatch ? CheckEnvelope() : std::nullopt;
}

std::optional<RequestError> BodyReader::CheckEnvelope() const {
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
    return Refuse("payload_too_large",
                  fmt::format("The batch's context and integrations have {} bytes; they become "
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
                                          limits_.max_depth, walker.offset()));
  }
  return Refuse("invalid_json", fmt::format("Invalid JSON at byte {}", walker.offset()));
}

bool BodyReader::ReadObject(JsonWalker& walker, std::uint32_t depth, std::vector<Field>& fields,
                            Item& item) {
  item.is_object = true;
  item.span.begin = walker.offset();
  item.first_field = static_cast<std::uint32_t>(fields.size());
  if (!walker.Enter(depth)) return false;
  walker.Advance();
  if (walker.Peek() != '}') {
    for (;;) {
      // Filled in place: a copy would wait for the stores of its parts.
      if (!ReadMember(walker, depth + 1, fields.emplace_back(), item)) return false;
      if (walker.Peek() != ',') break;
      walker.Advance();
    }
    if (walker.Peek() != '}') return walker.Fail();
  }
  item.span.end = walker.offset() + 1;
  item.field_count = static_cast<std::uint32_t>(fields.size()) - item.first_field;
  walker.Advance();
  return true;
}

bool BodyReader::ReadMember(JsonWalker& walker, std::uint32_t depth, Field& field, Item& item) {
  Span key;
  if (!walker.Key(key)) return false;
  field.id = IdOf(key);
  field.key_begin = key.begin;
  field.value.begin = walker.offset();
  field.value_token = walker.index();
  bool read = false;
  if (field.id == FieldId::kBatch && &item == &envelope_ && walker.Peek() == '[') {
    read = ReadItems(walker, depth);
  } else if (field.id == FieldId::kContext && walker.Peek() == '{') {
    read = ReadContext(walker, depth, item.context);
  } else {
    read = walker.SkipValue(depth);
  }
  if (!read) return false;
  field.value.end = walker.EndOfValue();
  return true;
}

bool BodyReader::ReadContext(JsonWalker& walker, std::uint32_t depth, ContextFacts& facts) {
  facts = {};
  if (!walker.Enter(depth)) return false;
  walker.Advance();
  if (walker.Peek() != '}') {
    for (;;) {
      Span key;
      if (!walker.Key(key)) return false;
      NoteContextMember(KeyText(key), walker.Peek(), facts);
      if (!walker.SkipValue(depth + 1)) return false;
      if (walker.Peek() != ',') break;
      walker.Advance();
    }
    if (walker.Peek() != '}') return walker.Fail();
  }
  walker.Advance();
  return true;
}

bool BodyReader::ReadItems(JsonWalker& walker, std::uint32_t depth) {
  // A second `batch` replaces the first, as any JSON reader has it.
  items_.clear();
  fields_.clear();
  if (!walker.Enter(depth)) return false;
  walker.Advance();
  if (walker.Peek() != ']') {
    for (;;) {
      if (items_.size() == limits_.max_batch_events) {
        too_many_items_ = true;
        return false;
      }
      Item& item = items_.emplace_back();
      if (walker.Peek() == '{') {
        if (!ReadObject(walker, depth + 1, fields_, item)) return false;
      } else {
        item.span.begin = walker.offset();
        if (!walker.SkipValue(depth + 1)) return false;
        item.span.end = walker.EndOfValue();
      }
      if (walker.Peek() != ',') break;
      walker.Advance();
    }
    if (walker.Peek() != ']') return walker.Fail();
  }
  walker.Advance();
  return true;
}

std::string_view BodyReader::KeyText(Span key) {
  const std::string_view raw = Text({key.begin + 1, key.end - 1});
  if (!has_escapes_ || raw.find('\\') == std::string_view::npos) return raw;
  key_scratch_.clear();
  AppendUnescaped(raw, key_scratch_);
  return key_scratch_;
}

FieldId BodyReader::IdOf(Span key) { return LookupField(KeyText(key)); }

}  // namespace gateway::normalize

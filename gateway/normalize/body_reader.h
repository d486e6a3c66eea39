// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/normalize/event_fields.h"
#include "gateway/normalize/json_index.h"
#include "gateway/normalize/json_walk.h"
#include "gateway/normalize/normalized.h"

namespace gateway::normalize {

/// What a `context` says of the members that matter to the gateway.
struct ContextFacts {
  bool has_library = false;
  bool has_ip = false;
  bool has_direct = false;
  bool direct = false;  ///< The last `direct` is true.
};

/// One event of a body (or the envelope around a batch), as found by the reader.
struct Item {
  Span span;
  bool is_object = false;
  bool has_huge_number = false;  ///< One that no double can hold.
  ContextFacts context;          ///< Of the last `context` that is an object.
  std::uint32_t first_field = 0;
  std::uint32_t field_count = 0;
};

/// Reads a body once: proves every byte of it to be JSON and notes where the events and
/// their top-level fields lie. Decides nothing about their meaning.
///
/// What it hands out points into the body and into itself, and holds until the next Read.
/// Not thread-safe; keeps its memory from one body to the next.
class BodyReader {
 public:
  explicit BodyReader(const Limits& limits);

  /// Reads `body`, whose capacity exceeds its size by JsonIndex::kPadding (else it is
  /// reallocated). Lone surrogates are repaired in place (CheckEscapes). A body that is
  /// refused leaves the reader empty.
  std::optional<RequestError> Read(Route route, std::string& body);

  /// Whether what was read last is a batch.
  bool is_batch() const { return envelope_.is_object; }
  /// The events: one for a single call. An item of a batch need not be an object.
  std::span<const Item> items() const { return items_; }
  std::span<const Field> FieldsOf(const Item& item) const {
    return std::span(fields_).subspan(item.first_field, item.field_count);
  }
  /// What lies around the items of a batch; no fields for a single call.
  const Item& envelope() const { return envelope_; }
  std::span<const Field> envelope_fields() const { return envelope_fields_; }

  const char* text() const { return text_; }
  const std::uint32_t* tokens() const { return index_.tokens(); }
  std::string_view Text(Span span) const { return {text_ + span.begin, span.size()}; }
  /// The characters of a string value; unescaped into `scratch` if need be.
  std::string_view StringValue(const Field& field, std::string& scratch) const {
    const std::string_view raw = Text({field.value.begin + 1, field.value.end - 1});
    return IsPlain(raw) ? raw : Unescaped(raw, scratch);
  }

 private:
  std::optional<RequestError> ReadText(Route route, char* text, std::size_t size);
  Token ReadObject(JsonWalker& walker, Token t, std::uint32_t depth, std::vector<Field>& fields,
                   Item& item);
  Token ReadContainer(JsonWalker& walker, Token t, std::uint32_t depth, FieldId id, Item& item);
  Token ReadContext(JsonWalker& walker, Token t, std::uint32_t depth, ContextFacts& facts);
  Token ReadItems(JsonWalker& walker, Token t, std::uint32_t depth);
  std::string_view KeyText(Token key) {
    const std::uint32_t begin = key[0] + 1;
    const std::string_view raw = Text({begin, TrimBlanks(text_, key[1]) - 1});
    return IsPlain(raw) ? raw : Unescaped(raw, key_scratch_);
  }
  /// Whether a string's inside holds no escapes.
  bool IsPlain(std::string_view raw) const {
    return !has_escapes_ || raw.find('\\') == std::string_view::npos;
  }
  static std::string_view Unescaped(std::string_view raw, std::string& scratch);
  bool HasBatch() const;
  std::optional<RequestError> TakeAsSingle(std::size_t size);
  std::optional<RequestError> CheckEnvelope() const;
  RequestError WalkError(const JsonWalker& walker) const;
  void Clear();

  const Limits limits_;
  JsonIndex index_;
  std::vector<std::uint8_t> closers_;
  const char* text_ = nullptr;
  bool has_escapes_ = false;
  bool too_many_items_ = false;
  Item envelope_;
  std::vector<Field> envelope_fields_;
  std::vector<Item> items_;
  std::vector<Field> fields_;
  std::string key_scratch_;
};

/// Fills `known` with the fields of one object; the last of equal keys wins. Returns
/// whether a known key comes twice.
bool FindKnown(std::span<const Field> fields, KnownFields& known);

}  // namespace gateway::normalize

// SPDX-License-Identifier: Apache-2.0
#include "gateway/sandbox/tracking.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "common/strings.h"

namespace gateway::sandbox {
namespace {

using common::WallTime;
using nlohmann::json;
namespace ondemand = simdjson::ondemand;

constexpr std::string_view kTooLarge = "Exceed payload limit";
constexpr std::string_view kBadKey = "An invalid write key was provided";
constexpr std::string_view kBadJson = "Malformed JSON: the body does not parse";
constexpr std::string_view kNotObject = "Malformed JSON: the body is not an object";
constexpr std::string_view kNoBatch = "Malformed JSON: 'batch' is not an array";
constexpr std::size_t kMaxKeyChars = 256;

struct Path {
  std::string_view name;
  Route route;
};
constexpr std::array<Path, 16> kPaths = {{
    {"track", {Route::Kind::kSingle, "track"}},
    {"t", {Route::Kind::kSingle, "track"}},
    {"identify", {Route::Kind::kSingle, "identify"}},
    {"i", {Route::Kind::kSingle, "identify"}},
    {"group", {Route::Kind::kSingle, "group"}},
    {"g", {Route::Kind::kSingle, "group"}},
    {"page", {Route::Kind::kSingle, "page"}},
    {"p", {Route::Kind::kSingle, "page"}},
    {"screen", {Route::Kind::kSingle, "screen"}},
    {"s", {Route::Kind::kSingle, "screen"}},
    {"alias", {Route::Kind::kSingle, "alias"}},
    {"a", {Route::Kind::kSingle, "alias"}},
    {"batch", {Route::Kind::kBatch, ""}},
    {"b", {Route::Kind::kBatch, ""}},
    {"import", {Route::Kind::kBatch, ""}},
    {"m", {Route::Kind::kMetrics, ""}},
}};

/// The members of the body that the sandbox looks at, with the raw text of the events.
struct Envelope {
  std::string_view error;
  std::optional<std::string> write_key;
  std::optional<std::string> sent_at;
  std::size_t count = 0;
  std::vector<std::string_view> items;  ///< Empty when only counting.
};

std::string_view Trimmed(std::string_view token) {
  while (!token.empty() && static_cast<unsigned char>(token[0]) <= ' ') token.remove_prefix(1);
  while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') token.remove_suffix(1);
  return token;
}

/// Any value's own text. Throws simdjson_error.
std::string_view RawText(ondemand::value value) {
  switch (value.type().value()) {
    case ondemand::json_type::object:
      return value.get_object().value().raw_json().value();
    case ondemand::json_type::array:
      return value.get_array().value().raw_json().value();
    case ondemand::json_type::number:
    case ondemand::json_type::string:
    case ondemand::json_type::boolean:
    case ondemand::json_type::null:
      return Trimmed(value.raw_json_token());
  }
  return {};
}

std::optional<std::string> TextOf(ondemand::value value) {
  if (value.type().value() != ondemand::json_type::string) return std::nullopt;
  return std::string(value.get_string().value());
}

void ReadBatch(ondemand::value value, bool count_only, Envelope& envelope) {
  if (value.type().value() != ondemand::json_type::array) {
    envelope.error = kNoBatch;
    return;
  }
  if (count_only) {
    ondemand::array batch = value.get_array();
    envelope.count = batch.count_elements();
    return;
  }
  for (auto item : value.get_array()) {
    envelope.items.push_back(RawText(item.value()));
  }
  envelope.count = envelope.items.size();
}

Envelope Open(const Route& route, const std::string& body, bool count_only) {
  // One parser a thread keeps its buffers; they are as large as the largest body.
  static thread_local ondemand::parser parser;
  Envelope envelope;
  try {
    auto document =
        parser.iterate(simdjson::padded_string_view(body.data(), body.size(), body.capacity()));
    if (document.type().value() != ondemand::json_type::object) {
      envelope.error = kNotObject;
      return envelope;
    }
    const bool batch = route.kind == Route::Kind::kBatch;
    bool has_batch = false;
    for (auto field : document.get_object()) {
      const std::string_view name = field.unescaped_key();
      if (name == "writeKey") envelope.write_key = TextOf(field.value());
      if (name == "sentAt") envelope.sent_at = TextOf(field.value());
      if (batch && name == "batch") {
        has_batch = true;
        envelope.items.clear();
        ReadBatch(field.value(), count_only, envelope);
      }
      if (!envelope.error.empty()) return envelope;
    }
    if (batch && !has_batch) envelope.error = kNoBatch;
  } catch (const simdjson::simdjson_error&) {
    envelope.error = kBadJson;
  }
  if (route.kind == Route::Kind::kSingle && envelope.error.empty()) {
    envelope.count = 1;
    if (!count_only) envelope.items.push_back(body);
  }
  return envelope;
}

/// timestamp = receivedAt - (sentAt - originalTimestamp), each part when it is there.
std::optional<WallTime> StoredTimestamp(const json& event, const std::optional<WallTime>& sent_at,
                                        WallTime received_at) {
  const auto it = event.find("timestamp");
  if (it == event.end() || it->is_null()) return received_at;
  if (!it->is_string()) return std::nullopt;
  const auto original = common::ParseTimestamp(it->get_ref<const std::string&>());
  if (!original || !sent_at) return original;
  return received_at - (*sent_at - *original);
}

std::string StringMember(const json& event, const char* name) {
  const auto it = event.find(name);
  return it != event.end() && it->is_string() ? it->get<std::string>() : std::string();
}

ReceivedEvent ReadEvent(std::string_view raw, const Route& route,
                        const std::optional<WallTime>& sent_at, WallTime received_at) {
  ReceivedEvent event;
  event.raw = Trimmed(raw);
  // Outside a string a line break is blank, and inside JSON has none.
  std::replace_if(
      event.raw.begin(), event.raw.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  const json document = json::parse(event.raw, nullptr, /*allow_exceptions=*/false);
  event.verdict = CheckEvent(document, route.type);
  if (!document.is_object()) return event;
  event.type = route.type.empty() ? StringMember(document, "type") : std::string(route.type);
  event.message_id = StringMember(document, "messageId");
  event.user_id = StringMember(document, "userId");
  if (event.user_id.empty()) event.user_id = StringMember(document, "anonymousId");
  event.timestamp = StoredTimestamp(document, sent_at, received_at);
  return event;
}

}  // namespace

std::optional<Route> FindRoute(std::string_view path) {
  static constexpr std::string_view kPrefix = "/v1/";
  if (path.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  path.remove_prefix(kPrefix.size());
  if (!path.empty() && path.back() == '/') path.remove_suffix(1);
  const auto* found = std::find_if(kPaths.begin(), kPaths.end(),
                                   [&](const Path& candidate) { return candidate.name == path; });
  if (found == kPaths.end()) return std::nullopt;
  return found->route;
}

std::optional<std::string> KeyFromAuthorization(std::string_view header) {
  static constexpr std::string_view kBasic = "Basic ";
  if (!common::EqualsIgnoreCase(header.substr(0, kBasic.size()), kBasic)) return std::nullopt;
  auto decoded = common::Base64Decode(header.substr(kBasic.size()));
  if (decoded) decoded->resize(std::min(decoded->find(':'), decoded->size()));
  return decoded;
}

bool IsWellFormedKey(std::string_view key, bool strict) {
  if (strict) {
    return key.size() == 32 && std::all_of(key.begin(), key.end(), [](char c) {
             return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
           });
  }
  return !key.empty() && key.size() <= kMaxKeyChars &&
         std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c <= '~'; });
}

Reading ReadRequest(const Route& route, const std::string& body, WallTime received_at,
                    const ReadOptions& options) {
  Reading reading;
  reading.write_key = options.header_key;
  const auto fail = [&](std::string_view why) {
    reading.error = why;
    reading.events.clear();
    return reading;
  };
  const std::size_t limit = route.kind == Route::Kind::kSingle ? kMaxEventBytes : kMaxRequestBytes;
  if (body.size() > limit) return fail(kTooLarge);

  const Envelope envelope = Open(route, body, options.count_only);
  if (!envelope.error.empty()) return fail(envelope.error);
  if (!options.count_only && !json::accept(body)) return fail(kBadJson);
  reading.sent_at = envelope.sent_at;
  reading.key_in_body = envelope.write_key.has_value();
  if (reading.write_key.empty()) reading.write_key = envelope.write_key.value_or("");
  reading.event_count = envelope.count;
  if (route.kind == Route::Kind::kMetrics) return reading;
  if (!IsWellFormedKey(reading.write_key, options.strict_write_keys)) return fail(kBadKey);

  if (envelope.count == 0) reading.batch_code = "empty_batch";
  if (envelope.count > kMaxBatchEvents) {
    reading.batch_code = VerdictName(Verdict::kBatchTooLarge);
  }
  const auto sent_at = common::ParseTimestamp(envelope.sent_at.value_or(""));
  for (const std::string_view item : envelope.items) {
    if (item.size() > kMaxEventBytes) return fail(kTooLarge);
    reading.events.push_back(ReadEvent(item, route, sent_at, received_at));
    if (envelope.count > kMaxBatchEvents) reading.events.back().verdict = Verdict::kBatchTooLarge;
  }
  return reading;
}

}  // namespace gateway::sandbox

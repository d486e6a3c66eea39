// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/event_model.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "common/strings.h"
#include "gateway/normalize/message_id.h"

namespace fuzz {

using gateway::normalize::Destination;
using gateway::normalize::EventIdOf;
using gateway::normalize::EventType;
using gateway::normalize::EventTypeName;
using gateway::normalize::ParseEventType;
using gateway::normalize::Route;
using gateway::pipeline::EventId;
using nlohmann::json;

namespace {

constexpr std::size_t kMaxIdChars = 100;

bool BadId(const json& id, bool strict) {
  if (id.is_null() || (id.is_number() && !strict)) return false;
  return !id.is_string() || id.get_ref<const std::string&>().empty();
}

bool NotDate(const json& value) {
  return !value.is_null() &&
         !(value.is_string() && common::ParseTimestamp(value.get<std::string>()));
}

bool BadName(const json& name, bool strict) {
  return !name.is_null() && (!name.is_string() || (strict && IsEmptyText(name)));
}

/// Code points of valid UTF-8.
std::size_t Characters(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

/// "" or what a strict destination has against the messageId and the dates of an item.
std::string ExpectedStrictCode(const json& item, const json& sent_at) {
  const json& id = At(item, "messageId");
  if (!id.is_null()) {
    if (!id.is_string() || IsEmptyText(id)) return "message_id_not_string";
    if (Characters(id.get<std::string>()) > kMaxIdChars) return "message_id_too_long";
  }
  if (NotDate(At(item, "timestamp"))) return "timestamp_not_date";
  if (NotDate(sent_at)) return "sent_at_not_date";
  return "";
}

std::string ExpectedIdentityCode(const json& item, EventType type, bool strict) {
  const bool user = !At(item, "userId").is_null();
  const bool someone = user || !At(item, "anonymousId").is_null();
  if (BadId(At(item, "userId"), strict) || BadId(At(item, "anonymousId"), strict)) {
    return "id_not_string";
  }
  if (type == EventType::kGroup) {
    if (BadId(At(item, "groupId"), strict)) return "id_not_string";
    if (At(item, "groupId").is_null()) return "group_id_missing";
    return strict && !someone ? "no_user_anon_id" : "";
  }
  if (type == EventType::kAlias) {
    if (BadId(At(item, "previousId"), strict)) return "id_not_string";
    if (!user) return "user_id_missing";
    return strict && At(item, "previousId").is_null() ? "previous_id_missing" : "";
  }
  return someone ? "" : "no_user_anon_id";
}

/// The code of the first rule an item breaks, "" when none. Sets `type`.
std::string ExpectedCode(const json& item, Route route, bool strict, const json& sent_at,
                         EventType& type) {
  if (route == Route::kBatch) {
    const json& named = At(item, "type");
    if (named.is_null()) return "type_missing";
    const auto parsed = named.is_string() ? ParseEventType(named.get<std::string>()) : std::nullopt;
    if (!parsed) return "type_unknown";
    type = *parsed;
  } else {
    type = static_cast<EventType>(route);
  }
  if (const std::string code = ExpectedIdentityCode(item, type, strict); !code.empty()) return code;
  if (NotObject(At(item, "context"))) return "context_not_object";
  if (NotObject(At(item, "integrations"))) return "integrations_not_object";
  const bool page = type == EventType::kPage || type == EventType::kScreen;
  if (NotObject(At(item, "properties"))) return "properties_not_object";
  if (NotObject(At(item, "traits"))) return "traits_not_object";
  if (type == EventType::kTrack) {
    const json& event = At(item, "event");
    if (event.is_null() || IsEmptyText(event)) return "event_not_defined";
    if (!event.is_string()) return "event_not_string";
  }
  if (page && BadName(At(item, "name"), strict)) return "name_not_string";
  if (page && BadName(At(item, "category"), strict)) return "category_not_string";
  return strict ? ExpectedStrictCode(item, sent_at) : "";
}

json Merge(const json& envelope, const json& item) {
  json merged = envelope;
  for (const auto& [key, value] : item.items()) {
    const auto found = merged.find(key);
    const bool both = found != merged.end() && found->is_object() && value.is_object();
    merged[key] = both ? Merge(*found, value) : value;
  }
  return merged;
}

std::string Sha256Hex(const std::string& bytes) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), hash, &size, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", hash[i]);
  return hex;
}

void CheckMessageId(const json& given, const json& written, const Destination& to,
                    const EventId* id) {
  Require(written.is_string(), "messageId is a string");
  const auto& out = written.get_ref<const std::string&>();
  Require(!out.empty() && Characters(out) <= kMaxIdChars, "messageId has 1 to 100 characters");
  const bool text = given.is_string() && !IsEmptyText(given);
  if (!text && !given.is_number()) {
    Require(out.size() == 36, "an id is generated");
    if (id != nullptr) Require(id->made_here(), "and no name of its own");
    return;
  }
  if (!text) return;  // A number's digits are not in the model.
  const auto value = given.get<std::string>();
  if (id != nullptr) Require(*id == EventIdOf(value), "an id is remembered by its characters");
  const std::string scope(to.scope);
  if (scope.empty() && Characters(value) <= kMaxIdChars) {
    Require(out == value, "messageId is kept");
  } else if (!scope.empty() && value.size() + 1 + scope.size() <= 99) {
    Require(out == value + '~' + scope, "messageId names its tenant");
  } else {
    Require(out == "sha256:" + Sha256Hex(scope + '\0' + value), "or is hashed with it");
  }
}

void CheckTimestamp(const json& given, const json& sent_at, const json& written) {
  if (given.is_null()) {
    Require(written == common::FormatTimestamp(kNow), "timestamp is the time of arrival");
    return;
  }
  const auto parse = [](const json& value) {
    return value.is_string() ? common::ParseTimestamp(value.get<std::string>()) : std::nullopt;
  };
  const auto time = parse(given);
  const auto sent = parse(sent_at);
  if (time && sent) {
    const common::WallTime corrected = kNow - (*sent - *time);
    const std::string text = common::FormatTimestamp(corrected);
    if (corrected != *time && text.size() == 24 && text[0] != '-') {
      Require(written == text, "timestamp is corrected");
      return;
    }
  }
  Require(given == written, "timestamp is kept");
}

/// Ids that came as numbers are strings that read as the same number.
void CheckIds(json& expected, const json& written, EventType type) {
  for (const char* id : {"userId", "anonymousId", "groupId", "previousId"}) {
    if (id == std::string_view("groupId") && type != EventType::kGroup) continue;
    if (id == std::string_view("previousId") && type != EventType::kAlias) continue;
    if (!At(expected, id).is_number()) continue;
    Require(At(written, id).is_string(), "a number id became a string");
    Require(json::parse(At(written, id).get<std::string>()) == expected[id], "with its digits");
    expected[id] = written[id];
  }
}

}  // namespace

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}
const json& At(const json& object, const char* key) {
  static const json kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}
bool IsEmptyText(const json& value) {
  return value.is_string() && value.get_ref<const std::string&>().empty();
}

bool NotObject(const json& value) { return !value.is_null() && !value.is_object(); }

Options ReadOptions(std::uint8_t control, std::uint8_t bits) {
  static const std::string kLongTenant(128, 't');
  Options options;
  options.service_key = (control & 0x40U) != 0;
  options.own.strict = (bits & 0x01U) != 0;
  if ((bits & 0x02U) != 0) options.own.scope = "acme";
  if ((bits & 0x06U) == 0x06U) options.own.scope = kLongTenant;
  options.own.collect_ids = (bits & 0x08U) != 0;
  options.client_side = (bits & 0x10U) != 0;
  options.has_ip = (bits & 0x20U) != 0;
  options.ignore_unknown = (bits & 0x40U) != 0;
  options.has_own = !options.service_key || (bits & 0x80U) == 0;
  options.elsewhere = {.slot = 1,
                       .strict = !options.own.strict,
                       .scope = "globex",
                       .collect_ids = !options.own.collect_ids};
  return options;
}
Expected Expect(const json& item, const json& sent_at, Route route, const Options& options) {
  Expected expected{.code = {}, .to = options.has_own ? &options.own : nullptr};
  if (!item.is_object()) {
    expected.code = "event_not_object";
    return expected;
  }
  const json& tenant = At(item, "tenantId");
  if (options.service_key && !tenant.is_null()) {
    const bool is_name = tenant.is_string() || tenant.is_number();
    // Find tells tenants by their first letter, and numbers have none.
    const std::string name = tenant.is_string() ? tenant.get<std::string>() : "1";
    expected.to = is_name ? options.Find(name) : nullptr;
    if (expected.to == nullptr) {
      if (!options.ignore_unknown || !is_name) expected.code = "tenant_unknown";
      return expected;
    }
  }
  if (expected.to == nullptr) {
    expected.code = "tenant_missing";
    return expected;
  }
  expected.code = ExpectedCode(item, route, expected.to->strict, sent_at, expected.type);
  return expected;
}

void CheckEvent(const ModelItem& model, const Options& options, std::string_view text,
                const EventId* id) {
  const auto& [item, envelope, sent_at, type, to] = model;
  std::multiset<std::string> keys;
  const auto count_keys = [&keys](int depth, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::key && depth == 1) keys.insert(parsed.get<std::string>());
    return true;
  };
  const json written = json::parse(text, count_keys, false);
  Require(written.is_object(), "an event is an object");
  for (const char* key : {"type", "messageId", "timestamp"}) {
    Require(keys.count(key) == 1, "one of each known field");
  }
  for (const char* key : {"userId", "anonymousId", "context", "integrations", "event"}) {
    Require(keys.count(key) <= 1, "at most one of each known field");
  }
  CheckMessageId(At(item, "messageId"), written["messageId"], to, id);
  CheckTimestamp(At(item, "timestamp"), sent_at, written["timestamp"]);

  json expected = item;
  for (const std::string& key : kServerOwned) expected.erase(key);
  if (options.service_key) expected.erase("tenantId");
  expected["type"] = EventTypeName(type);
  expected["messageId"] = written["messageId"];
  expected["timestamp"] = written["timestamp"];
  CheckIds(expected, written, type);
  const bool page = type == EventType::kPage || type == EventType::kScreen;
  const bool traits = type == EventType::kIdentify || type == EventType::kGroup;
  if ((page || type == EventType::kTrack) && At(expected, "properties").is_null()) {
    expected.erase("properties");
  }
  if (traits && At(expected, "traits").is_null()) expected.erase("traits");
  for (const char* key : {"name", "category"}) {
    if (page && (At(expected, key).is_null() || IsEmptyText(At(expected, key))))
      expected.erase(key);
  }
  const auto object = [](const json& value) { return value.is_object() ? value : json::object(); };
  json context = Merge(object(At(envelope, "context")), object(At(item, "context")));
  const bool direct = At(context, "direct") == true;
  if (direct) context.erase("direct");
  if ((direct || options.client_side) && options.has_ip && !context.contains("ip")) {
    context["ip"] = kClientIp;
  }
  if (!context.contains("library")) {
    context["library"] = {{"name", "segment-gateway"}, {"version", GW_VERSION}};
  }
  expected["context"] = context;
  expected.erase("integrations");
  if (At(item, "integrations").is_object() || At(envelope, "integrations").is_object()) {
    expected["integrations"] =
        Merge(object(At(envelope, "integrations")), object(At(item, "integrations")));
  }
  Require(expected == written, "an event equals its input but for owned fields");
}

}  // namespace fuzz

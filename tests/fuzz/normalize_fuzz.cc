// SPDX-License-Identifier: Apache-2.0
// Differential fuzzing of gateway/normalize against nlohmann-json: the same verdict on
// what is JSON, and events that are equal by value to what a plain model makes of the
// input. First byte: route (low three bits), 0x40 service key, 0x80 tight limits.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "common/strings.h"
#include "gateway/normalize/normalizer.h"

namespace {

using gateway::normalize::EventType;
using gateway::normalize::EventTypeName;
using gateway::normalize::Limits;
using gateway::normalize::Normalized;
using gateway::normalize::Normalizer;
using gateway::normalize::ParseEventType;
using gateway::normalize::RequestError;
using gateway::normalize::Route;
using nlohmann::json;

constexpr Limits kWide{.max_event_bytes = 1 << 20,
                       .max_batch_events = 20,
                       .max_batch_bytes = 1 << 20,
                       .max_merged_bytes = 1 << 26,
                       .max_message_id_chars = 100,
                       .max_depth = 16};
constexpr Limits kTight{.max_event_bytes = 200,
                        .max_batch_events = 3,
                        .max_batch_bytes = 2000,
                        .max_merged_bytes = 600,
                        .max_message_id_chars = 100,
                        .max_depth = 4};
const common::WallTime kNow{std::chrono::milliseconds(1767323045678)};
const std::set<std::string> kServerOwned = {"writeKey",          "sentAt",    "receivedAt",
                                            "originalTimestamp", "projectId", "version"};

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

/// Nesting of valid JSON; from the text, since a DOM forgets values of repeated keys.
unsigned DepthOf(std::string_view text) {
  unsigned depth = 0;
  unsigned deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

const json kNull;

const json& At(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

bool BadId(const json& id) {
  return !id.is_null() && !id.is_number() &&
         !(id.is_string() && !id.get_ref<const std::string&>().empty());
}

bool NotObject(const json& value) { return !value.is_null() && !value.is_object(); }

/// The code of the first rule an item breaks, "" when none. Sets `type`.
std::string ExpectedCode(const json& item, Route route, EventType& type) {
  if (!item.is_object()) return "event_not_object";
  if (route == Route::kBatch) {
    const json& named = At(item, "type");
    if (named.is_null()) return "type_missing";
    const auto parsed = named.is_string() ? ParseEventType(named.get<std::string>()) : std::nullopt;
    if (!parsed) return "type_unknown";
    type = *parsed;
  } else {
    type = static_cast<EventType>(route);
  }
  const bool user = !At(item, "userId").is_null();
  if (BadId(At(item, "userId")) || BadId(At(item, "anonymousId"))) return "id_not_string";
  if (type == EventType::kGroup) {
    if (BadId(At(item, "groupId"))) return "id_not_string";
    if (At(item, "groupId").is_null()) return "group_id_missing";
  } else if (type == EventType::kAlias) {
    if (BadId(At(item, "previousId"))) return "id_not_string";
    if (!user) return "user_id_missing";
  } else if (!user && At(item, "anonymousId").is_null()) {
    return "no_user_anon_id";
  }
  if (NotObject(At(item, "context"))) return "context_not_object";
  if (NotObject(At(item, "integrations"))) return "integrations_not_object";
  const bool page = type == EventType::kPage || type == EventType::kScreen;
  if ((page || type == EventType::kTrack) && NotObject(At(item, "properties"))) {
    return "properties_not_object";
  }
  if ((type == EventType::kIdentify || type == EventType::kGroup) &&
      NotObject(At(item, "traits"))) {
    return "traits_not_object";
  }
  if (type == EventType::kTrack) {
    const json& event = At(item, "event");
    if (event.is_null() || event == "") return "event_not_defined";
    if (!event.is_string()) return "event_not_string";
  }
  if (page && !At(item, "name").is_null() && !At(item, "name").is_string())
    return "name_not_string";
  if (page && !At(item, "category").is_null() && !At(item, "category").is_string()) {
    return "category_not_string";
  }
  return "";
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

void CheckMessageId(const json& given, const json& written) {
  Require(written.is_string(), "messageId is a string");
  const auto& id = written.get_ref<const std::string&>();
  Require(!id.empty() && id.size() <= 100, "messageId has 1 to 100 bytes");
  if (given.is_string() && !given.get_ref<const std::string&>().empty() &&
      given.get_ref<const std::string&>().size() <= 100) {
    Require(given == written, "messageId is kept");
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

void CheckEvent(const json& item, const json& envelope, EventType type, bool service_key,
                const json& sent_at, std::string_view text) {
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
  CheckMessageId(At(item, "messageId"), written["messageId"]);
  CheckTimestamp(At(item, "timestamp"), sent_at, written["timestamp"]);

  json expected = item;
  for (const std::string& key : kServerOwned) expected.erase(key);
  if (service_key) expected.erase("tenantId");
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
    if (page && (At(expected, key).is_null() || At(expected, key) == "")) expected.erase(key);
  }
  const auto object = [](const json& value) { return value.is_object() ? value : json::object(); };
  json context = Merge(object(At(envelope, "context")), object(At(item, "context")));
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

/// Block layout, and every text valid: holds under any limits.
void CheckShape(const Normalized& out, std::size_t items) {
  Require(out.events.count() + out.rejected.size() == items, "every item is accounted for");
  std::size_t at = 0;
  for (std::size_t i = 0; i < out.events.count(); ++i) {
    if (i > 0) Require(out.events.bytes[at++] == ',', "a comma between events");
    Require(json::accept(out.events.bytes.substr(at, out.events.sizes[i])), "events are JSON");
    at += out.events.sizes[i];
  }
  Require(at == out.events.bytes.size(), "sizes cover the block");
  std::size_t typed = 0;
  for (const auto n : out.by_type) typed += n;
  Require(typed == out.events.count(), "counts by type add up");
  for (const auto& rejection : out.rejected) {
    const json event = json::parse(rejection.event, nullptr, false);
    Require(!event.is_discarded(), "a dead letter is JSON");
    if (!event.is_object()) continue;
    for (const std::string& key : kServerOwned) {
      Require(!event.contains(key), "a dead letter holds no server-owned field");
    }
  }
}

bool ShouldParse(const json& body, Route route, std::string_view text) {
  if (!body.is_object() || DepthOf(text) > kWide.max_depth) return false;
  if (route != Route::kBatch) return true;
  return At(body, "batch").is_array() && !NotObject(At(body, "context")) &&
         !NotObject(At(body, "integrations"));
}

void CheckEvents(const json& body, Route route, bool service_key, const Normalized& out) {
  const bool batch = route == Route::kBatch;
  const json items = batch ? body["batch"] : json::array({body});
  CheckShape(out, items.size());
  std::size_t at = 0;
  std::size_t event = 0;
  std::size_t rejection = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    EventType type = EventType::kTrack;
    std::string code = ExpectedCode(items[i], route, type);
    if (service_key && items[i].is_object()) {
      const json& tenant = At(items[i], "tenantId");
      if (!tenant.is_null() && !tenant.is_string()) code = "tenant_unknown";
    }
    if (!code.empty()) {
      Require(rejection < out.rejected.size() && out.rejected[rejection].index == i &&
                  out.rejected[rejection].code == code,
              "the same rule refuses");
      ++rejection;
      continue;
    }
    Require(event < out.events.count(), "a good event is accepted");
    if (event > 0) ++at;
    const std::uint32_t size = out.events.sizes[event++];
    CheckEvent(items[i], batch ? body : json::object(), type, service_key, At(body, "sentAt"),
               std::string_view(out.events.bytes).substr(at, size));
    at += size;
  }
}

/// Every tenant is the request's own, so that all events stay in one block.
const gateway::normalize::TenantResolver kOwnTenant = [](std::string_view) {
  return &gateway::normalize::kPlainDestination;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::uint8_t control = data[0];
  const Route route = static_cast<Route>(std::min(control & 7, 6));
  const bool service_key = (control & 0x40U) != 0;
  const bool tight = (control & 0x80U) != 0;
  std::string body(reinterpret_cast<const char*>(data + 1), size - 1);

  static Normalizer wide_normalizer(kWide);
  static Normalizer tight_normalizer(kTight);
  Normalizer& normalizer = tight ? tight_normalizer : wide_normalizer;
  common::FastRandom random(7);
  const auto parsed = normalizer.Parse(route, body);
  // Parse repairs lone surrogates in the body, which nlohmann would refuse.
  const bool has_nul = body.find('\0') != std::string::npos;
  const json model = has_nul ? json(json::value_t::discarded) : json::parse(body, nullptr, false);
  if (!parsed) {
    Require(parsed.error().http_status == 400 && !parsed.error().code.empty(), "errors speak");
    if (!tight && parsed.error().code != "batch_too_large") {
      Require(model.is_discarded() || !ShouldParse(model, route, body), "good input is read");
    }
    Require(!normalizer.write_key(), "a refused body has no key");
    return 0;
  }
  Require(model.is_object(), "only JSON objects are read");
  const json& key = At(model, "writeKey");
  const bool has_key = key.is_string() && key != "";
  Require(normalizer.write_key().has_value() == has_key, "the write key is found");
  if (has_key) Require(*normalizer.write_key() == key.get<std::string>(), "and it is the last");

  const auto out = normalizer.Build(
      {.received_at = kNow, .random = random, .tenant_of = service_key ? &kOwnTenant : nullptr});
  if (tight) {
    if (out) CheckShape(*out, route == Route::kBatch ? model["batch"].size() : 1);
    return 0;
  }
  Require(ShouldParse(model, route, body), "bad input is refused");
  Require(out.has_value(), "what is read is built");
  CheckEvents(model, route, service_key, *out);
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Differential fuzzing of gateway/normalize against nlohmann-json: the same verdict on
// what is JSON, and events that are equal by value to what a plain model (event_model.h)
// makes of the input. First byte: route (low three bits), 0x40 service key, 0x80 tight
// limits; second byte: what the caller and its tenant ask for (ReadOptions); the rest is
// the body.
#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/normalize/normalizer.h"
#include "tests/fuzz/event_model.h"

namespace {

using fuzz::At;
using fuzz::Expected;
using fuzz::NotObject;
using fuzz::Options;
using fuzz::Require;
using gateway::normalize::ItemObserver;
using gateway::normalize::ItemReport;
using gateway::normalize::Limits;
using gateway::normalize::Normalized;
using gateway::normalize::Normalizer;
using gateway::normalize::Note;
using gateway::normalize::Route;
using gateway::normalize::TenantResolver;
using gateway::pipeline::EventBlock;
using gateway::pipeline::EventId;
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
}  /// The texts of a block, whose layout is checked.
std::vector<std::string_view> TextsOf(const EventBlock& block, bool collects_ids) {
  std::vector<std::string_view> texts;
  const std::string_view bytes = block.bytes;
  std::size_t at = 0;
  for (std::size_t i = 0; i < block.count(); ++i) {
    if (i > 0) Require(bytes[at++] == ',', "a comma between events");
    texts.push_back(bytes.substr(at, block.sizes[i]));
    Require(json::accept(texts.back()), "events are JSON");
    at += block.sizes[i];
  }
  Require(at == bytes.size(), "sizes cover the block");
  Require(block.ids.size() == (collects_ids ? block.count() : 0), "an id an event, or none");
  return texts;
}

/// What is counted adds up, and no refused event holds a secret: under any limits.
void CheckShape(const Normalized& out, std::size_t items, const Options& options) {
  TextsOf(out.events, options.own.collect_ids && out.events.count() > 0);
  for (const auto& block : out.elsewhere) {
    Require(block.slot == 1 && block.events.count() > 0, "blocks hold events");
    TextsOf(block.events, options.elsewhere.collect_ids);
  }
  Require(out.elsewhere.size() <= 1, "one block a slot");
  Require(out.count() + out.rejected.size() + out.Count(Note::kUnknownTenantIgnored) == items,
          "every item is accounted for");
  std::size_t typed = 0;
  for (const auto n : out.by_type) typed += n;
  Require(typed == out.count(), "counts by type add up");
  for (const auto& rejection : out.rejected) {
    const json event = json::parse(rejection.event, nullptr, false);
    Require(!event.is_discarded(), "a dead letter is JSON");
    if (!event.is_object()) continue;
    for (const std::string& key : fuzz::kServerOwned) {
      Require(!event.contains(key), "a dead letter holds no server-owned field");
    }
  }
}

/// An event grows by the batch's context once, and by what it gets from us: no repeated key or
/// nesting makes it more than that.
void CheckSizes(const Normalized& out, std::size_t body_bytes) {
  constexpr std::size_t kOwnFields = 1000;
  const auto check = [&](const EventBlock& block) {
    for (const std::uint32_t size : block.sizes) {
      Require(size <= body_bytes + kOwnFields, "an event is no larger than what came");
    }
  };
  check(out.events);
  for (const auto& block : out.elsewhere) check(block.events);
}

bool ShouldParse(const json& body, Route route, std::string_view text) {
  if (!body.is_object() || DepthOf(text) > kWide.max_depth) return false;
  if (route != Route::kBatch) return true;
  return At(body, "batch").is_array() && !NotObject(At(body, "context")) &&
         !NotObject(At(body, "integrations"));
}
/// Events of one slot, handed out in order.
struct Column {
  std::vector<std::string_view> texts;
  const std::vector<EventId>* ids = nullptr;
  std::size_t next = 0;
};

void CheckEvents(const json& body, Route route, const Options& options, const Normalized& out,
                 const std::vector<std::string>& reports) {
  const bool batch = route == Route::kBatch;
  const json items = batch ? body["batch"] : json::array({body});
  CheckShape(out, items.size(), options);
  Require(reports.size() == items.size(), "every item is reported");
  Column columns[2];
  columns[0] = {TextsOf(out.events, !out.events.ids.empty()), &out.events.ids};
  for (const auto& block : out.elsewhere) {
    columns[1] = {TextsOf(block.events, !block.events.ids.empty()), &block.events.ids};
  }
  const json envelope = batch ? body : json::object();
  const json& sent_at = At(body, "sentAt");
  std::size_t rejection = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Expected expected = fuzz::Expect(items[i], sent_at, route, options);
    if (!expected.code.empty()) {
      Require(rejection < out.rejected.size() && out.rejected[rejection].index == i &&
                  out.rejected[rejection].code == expected.code,
              "the same rule refuses");
      const auto slot = out.rejected[rejection].slot;
      Require(slot.has_value() == (expected.to != nullptr), "a rejection knows whose it is");
      if (slot) Require(*slot == expected.to->slot, "and names no one else");
      Require(reports[i] == expected.code, "a refusal is reported");
      ++rejection;
      continue;
    }
    if (expected.to == nullptr) {
      Require(reports[i].empty(), "nothing becomes of what is passed over");
      continue;
    }
    Column& column = columns[expected.to->slot];
    Require(column.next < column.texts.size(), "a good event is accepted");
    const EventId* id = column.ids->empty() ? nullptr : &(*column.ids)[column.next];
    const std::string_view text = column.texts[column.next++];
    Require(reports[i] == text, "the report has the final text");
    fuzz::CheckEvent({items[i], envelope, sent_at, expected.type, *expected.to}, options, text, id);
  }
}

/// Whether an event of the body that was parsed last is refused for its numbers.
bool HasHugeNumber(Normalizer& normalizer) {
  common::FastRandom random(7);
  const auto out = normalizer.Build({.received_at = fuzz::kNow, .random = random});
  return !out || std::ranges::any_of(out->rejected, [](const auto& rejection) {
    return rejection.code == "number_out_of_range" || rejection.code == "event_not_object" ||
           rejection.code == "event_too_large";
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::uint8_t control = data[0];
  const Route route = static_cast<Route>(std::min(control & 7, 6));
  const Options options = fuzz::ReadOptions(control, data[1]);
  const bool tight = (control & 0x80U) != 0;
  std::string body(reinterpret_cast<const char*>(data + 2), size - 2);

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
  if (model.is_discarded()) {
    // The one thing that is JSON and that nlohmann does not read: see number_out_of_range.
    Require(HasHugeNumber(normalizer), "only JSON objects are read");
    return 0;
  }
  Require(model.is_object(), "only JSON objects are read");
  const json& key = At(model, "writeKey");
  const bool has_key = key.is_string() && !fuzz::IsEmptyText(key);
  Require(normalizer.write_key().has_value() == has_key, "the write key is found");
  if (has_key) Require(*normalizer.write_key() == key.get<std::string>(), "and it is the last");

  std::vector<std::string> reports;
  const ItemObserver observer = [&reports](const ItemReport& report) {
    Require(report.index == reports.size(), "items are reported in order");
    reports.emplace_back(report.rejection != nullptr ? report.rejection->code : report.event);
  };
  const TenantResolver tenant_of = [&options](std::string_view id) { return options.Find(id); };
  const auto out = normalizer.Build({.received_at = fuzz::kNow,
                                     .random = random,
                                     .own = options.has_own ? &options.own : nullptr,
                                     .tenant_of = options.service_key ? &tenant_of : nullptr,
                                     .ignore_unknown_tenant = options.ignore_unknown,
                                     .client_ip = options.has_ip ? fuzz::kClientIp : "",
                                     .client_side = options.client_side,
                                     .observer = &observer});
  if (out) CheckSizes(*out, body.size());
  if (tight) {
    if (out) CheckShape(*out, route == Route::kBatch ? model["batch"].size() : 1, options);
    return 0;
  }
  Require(ShouldParse(model, route, body), "bad input is refused");
  Require(out.has_value(), "what is read is built");
  CheckEvents(model, route, options, *out, reports);
  return 0;
}

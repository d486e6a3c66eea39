// SPDX-License-Identifier: Apache-2.0
#include "gateway/sandbox/faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace gateway::sandbox {
namespace {

using common::ErrorCode;
using common::Fail;
using common::Result;
using common::Status;
using nlohmann::json;

constexpr std::int64_t kMaxLatencyMs = 600'000;
constexpr std::chrono::milliseconds kDefaultHang{60'000};
constexpr std::size_t kMaxRules = 1000;

Status Wrong(std::string_view name, std::string_view allowed, const json& got) {
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("'{}' must be {}; got {}", name, allowed,
                          got.dump(-1, ' ', false, json::error_handler_t::replace)));
}

Status ReadText(const json& value, std::string_view name, std::string& out) {
  if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
    return Wrong(name, "a non-empty string", value);
  }
  out = value.get<std::string>();
  return common::Ok();
}

Status ReadStatus(const json& value, std::string_view name, FaultRule& rule) {
  if (!value.is_number_integer() || value.get<std::int64_t>() < 200 ||
      value.get<std::int64_t>() > 599) {
    return Wrong(name, "an HTTP status from 200 to 599", value);
  }
  rule.status = value.get<int>();
  return common::Ok();
}

Status ReadRetryAfter(const json& value, std::string_view name, FaultRule& rule) {
  if (value.is_number_integer()) {
    rule.retry_after = value.dump();
    return common::Ok();
  }
  const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
  if (!value.is_string() || !std::all_of(value.get_ref<const std::string&>().begin(),
                                         value.get_ref<const std::string&>().end(), printable)) {
    return Wrong(name, "a number of seconds or the header's text in printable ASCII", value);
  }
  rule.retry_after = value.get<std::string>();
  return common::Ok();
}

/// Text is sent as it is, an object or array as its JSON.
Status ReadBodyText(const json& value, std::string_view name, FaultRule& rule) {
  if (!value.is_string() && !value.is_structured()) {
    return Wrong(name, "a string, an object or an array", value);
  }
  rule.body = value.is_string() ? value.get<std::string>() : value.dump();
  return common::Ok();
}

Status ReadProbability(const json& value, std::string_view name, FaultRule& rule) {
  if (!value.is_number() || value.get<double>() < 0 || value.get<double>() > 1) {
    return Wrong(name, "a number from 0 to 1", value);
  }
  rule.probability = value.get<double>();
  return common::Ok();
}

Status ReadCount(const json& value, std::string_view name, FaultRule& rule) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() == 0) {
    return Wrong(name, "a whole number of requests, 1 or more", value);
  }
  rule.count = value.get<std::uint64_t>();
  return common::Ok();
}

Status ReadMillis(const json& value, std::string_view name, std::chrono::milliseconds& out) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kMaxLatencyMs) {
    return Wrong(name, fmt::format("a whole number of milliseconds from 0 to {}", kMaxLatencyMs),
                 value);
  }
  out = std::chrono::milliseconds(value.get<std::int64_t>());
  return common::Ok();
}

Status ReadReset(const json& value, std::string_view name, FaultRule& rule) {
  if (value == "before_body") {
    rule.action = FaultAction::kResetBeforeBody;
  } else if (value == "after_body") {
    rule.action = FaultAction::kResetAfterBody;
  } else {
    return Wrong(name, "\"before_body\" or \"after_body\"", value);
  }
  return common::Ok();
}

Status ReadSwitch(const json& value, std::string_view name, FaultAction action, FaultRule& rule) {
  if (!value.is_boolean()) return Wrong(name, "true or false", value);
  if (value.get<bool>()) rule.action = action;
  return common::Ok();
}

struct Row {
  std::string_view name;
  Status (*read)(const json&, std::string_view, FaultRule&);
};

constexpr std::array<Row, 13> kRows = {{
    {"id", [](const json& v, std::string_view n, FaultRule& r) { return ReadText(v, n, r.id); }},
    {"write_key",
     [](const json& v, std::string_view n, FaultRule& r) { return ReadText(v, n, r.write_key); }},
    {"message_id",
     [](const json& v, std::string_view n, FaultRule& r) { return ReadText(v, n, r.message_id); }},
    {"status", ReadStatus},
    {"retry_after", ReadRetryAfter},
    {"body", ReadBodyText},
    {"probability", ReadProbability},
    {"count", ReadCount},
    {"latency_ms",
     [](const json& v, std::string_view n, FaultRule& r) { return ReadMillis(v, n, r.latency); }},
    {"latency_jitter_ms", [](const json& v, std::string_view n,
                             FaultRule& r) { return ReadMillis(v, n, r.latency_jitter); }},
    {"hang", [](const json& v, std::string_view n,
                FaultRule& r) { return ReadSwitch(v, n, FaultAction::kHang, r); }},
    {"reset", ReadReset},
    {"drop_response", [](const json& v, std::string_view n,
                         FaultRule& r) { return ReadSwitch(v, n, FaultAction::kDropResponse, r); }},
}};

std::string KnownNames() {
  std::string names;
  for (const Row& row : kRows) names += (names.empty() ? "" : ", ") + std::string(row.name);
  return names;
}

/// What only makes sense together, or not together.
Status CheckCombination(const json& object, const FaultRule& rule) {
  const auto on = [&](const char* name) {
    const auto it = object.find(name);
    return it != object.end() && *it != false;
  };
  const int ends = (on("status") ? 1 : 0) + (on("hang") ? 1 : 0) + (on("reset") ? 1 : 0) +
                   (on("drop_response") ? 1 : 0);
  if (ends > 1) {
    return Fail(ErrorCode::kInvalidArgument,
                "only one of 'status', 'hang', 'reset' and 'drop_response' can end a request; use "
                "several rules");
  }
  if (ends == 0 && rule.latency.count() == 0 && rule.latency_jitter.count() == 0) {
    return Fail(ErrorCode::kInvalidArgument,
                "the rule does nothing: give 'status', 'hang', 'reset', 'drop_response' or "
                "'latency_ms'");
  }
  if ((on("retry_after") || on("body")) && !on("status")) {
    return Fail(ErrorCode::kInvalidArgument, "'retry_after' and 'body' need a 'status'");
  }
  if (rule.action == FaultAction::kResetBeforeBody && !rule.message_id.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "'message_id' is in the body: use \"reset\": \"after_body\" with it");
  }
  return common::Ok();
}

Result<FaultRule> ReadRule(const json& object) {
  if (!object.is_object()) {
    return Fail(ErrorCode::kInvalidArgument,
                "a fault is a JSON object such as {\"write_key\":\"*\",\"status\":503}");
  }
  FaultRule rule;
  for (const auto& [name, value] : object.items()) {
    const auto* row = std::find_if(kRows.begin(), kRows.end(),
                                   [&](const Row& candidate) { return candidate.name == name; });
    if (row == kRows.end()) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("unknown member '{}'; a fault has {}", name, KnownNames()));
    }
    if (const Status read = row->read(value, name, rule); !read) {
      return tl::unexpected(read.error());
    }
  }
  if (const Status fits = CheckCombination(object, rule); !fits) {
    return tl::unexpected(fits.error());
  }
  return rule;
}

json ToJson(const FaultRule& rule) {
  json object = {{"id", rule.id}, {"write_key", rule.write_key}, {"applied", rule.applied}};
  if (!rule.message_id.empty()) object["message_id"] = rule.message_id;
  if (rule.status != 0) object["status"] = rule.status;
  if (!rule.retry_after.empty()) object["retry_after"] = rule.retry_after;
  if (!rule.body.empty()) object["body"] = rule.body;
  if (rule.probability < 1) object["probability"] = rule.probability;
  if (rule.count) object["count"] = *rule.count;
  if (rule.latency.count() != 0) object["latency_ms"] = rule.latency.count();
  if (rule.latency_jitter.count() != 0) object["latency_jitter_ms"] = rule.latency_jitter.count();
  switch (rule.action) {
    case FaultAction::kAnswer:
      break;
    case FaultAction::kHang:
      object["hang"] = true;
      break;
    case FaultAction::kResetBeforeBody:
      object["reset"] = "before_body";
      break;
    case FaultAction::kResetAfterBody:
      object["reset"] = "after_body";
      break;
    case FaultAction::kDropResponse:
      object["drop_response"] = true;
      break;
  }
  return object;
}

/// Rolls the dice of a rule that fits, and counts it.
std::optional<Fault> Draw(FaultRule& rule, common::Random& random) {
  if (rule.count == 0U) return std::nullopt;
  if (rule.probability < 1 && random.Fraction() >= rule.probability) return std::nullopt;
  if (rule.count) --*rule.count;
  ++rule.applied;
  Fault fault{rule.id, rule.action, rule.status, rule.retry_after, rule.body, rule.latency};
  if (rule.latency_jitter.count() > 0) {
    fault.delay += std::chrono::milliseconds(static_cast<std::int64_t>(
        random.Fraction() * static_cast<double>(rule.latency_jitter.count() + 1)));
  }
  if (fault.action == FaultAction::kHang && rule.latency.count() == 0) fault.delay += kDefaultHang;
  return fault;
}

bool FitsKey(const FaultRule& rule, std::string_view write_key) {
  return rule.write_key == "*" || rule.write_key == write_key;
}

}  // namespace

Result<FaultUpdate> ParseFaultUpdate(std::string_view text) {
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) {
    return Fail(ErrorCode::kInvalidArgument,
                "the body is not JSON; send one fault object, or an array of them");
  }
  FaultUpdate update;
  update.replace_all = document.is_array();
  const json list = document.is_array() ? document : json::array({document});
  if (list.size() > kMaxRules) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("more than {} faults", kMaxRules));
  }
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto rule = ReadRule(list[i]);
    if (!rule) {
      return Fail(rule.error().code, update.replace_all
                                         ? fmt::format("fault {}: {}", i, rule.error().message)
                                         : rule.error().message);
    }
    update.rules.push_back(*std::move(rule));
  }
  return update;
}

void FaultEngine::Apply(FaultUpdate update) {
  if (update.replace_all) rules_.clear();
  for (FaultRule& rule : update.rules) {
    if (rule.id.empty()) rule.id = fmt::format("fault-{}", next_id_++);
    const auto same = std::find_if(rules_.begin(), rules_.end(),
                                   [&](const FaultRule& old) { return old.id == rule.id; });
    if (same != rules_.end()) {
      *same = std::move(rule);
    } else if (rules_.size() < kMaxRules) {
      rules_.push_back(std::move(rule));
    }
  }
}

bool FaultEngine::Remove(std::string_view id) {
  return std::erase_if(rules_, [&](const FaultRule& rule) { return rule.id == id; }) != 0;
}

std::optional<Fault> FaultEngine::DecideAtHead(std::string_view write_key, common::Random& random) {
  for (FaultRule& rule : rules_) {
    if (rule.action != FaultAction::kResetBeforeBody || !FitsKey(rule, write_key)) continue;
    if (auto fault = Draw(rule, random)) return fault;
  }
  return std::nullopt;
}

std::optional<Fault> FaultEngine::Decide(std::string_view write_key,
                                         const std::vector<std::string>& message_ids,
                                         common::Random& random) {
  for (FaultRule& rule : rules_) {
    if (rule.action == FaultAction::kResetBeforeBody || !FitsKey(rule, write_key)) continue;
    if (!rule.message_id.empty() &&
        std::find(message_ids.begin(), message_ids.end(), rule.message_id) == message_ids.end()) {
      continue;
    }
    if (auto fault = Draw(rule, random)) return fault;
  }
  return std::nullopt;
}

std::string FaultEngine::Render() const {
  json list = json::array();
  for (const FaultRule& rule : rules_) list.push_back(ToJson(rule));
  return json{{"result", list}}.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace gateway::sandbox

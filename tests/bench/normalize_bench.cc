// SPDX-License-Identifier: Apache-2.0
// What normalising costs beside the least that On-Demand can do with the same bytes: find
// each event and hand out its raw span, unvalidated. Goal: at most 2x for a batch of 100,
// 3x for a single event.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <simdjson.h>

#include <chrono>
#include <string>

#include "gateway/normalize/normalizer.h"

namespace {

using gateway::normalize::Limits;
using gateway::normalize::Normalizer;
using gateway::normalize::Route;

constexpr Limits kLimits{.max_event_bytes = 32768,
                         .max_batch_events = 2500,
                         .max_batch_bytes = 524288,
                         .max_merged_bytes = 4 * 524288,
                         .max_message_id_chars = 100,
                         .max_depth = 128};
const common::WallTime kNow{std::chrono::milliseconds(1767323045678)};

/// A track event as a Node service sends it: 700 bytes in a batch.
std::string Event(int i) {
  return fmt::format(
      R"({{"timestamp":"2026-01-02T03:04:{:02}.123Z","integrations":{{}},"event":"Order Completed",)"
      R"("type":"track","properties":{{"orderId":"o-{:06}","total":{}.95,"currency":"EUR","coupon":null,)"
      R"("products":[{{"sku":"G-32","name":"Monopoly: 3rd Edition","price":19,"quantity":1}},)"
      R"({{"sku":"F-32","name":"Catan","price":37.5,"quantity":2}}],"firstPurchase":false}},)"
      R"("context":{{"library":{{"name":"@segment/analytics-node","version":"3.1.0"}},)"
      R"("page":{{"path":"/checkout/done","referrer":"","title":"Thank you"}},"locale":"de-DE"}},)"
      R"("userId":"user-{:08}","messageId":"node-next-17673230451{:02}-2d46b3a1-9c0e-4f57-8a3b-0d9a7e5b6c{:02}",)"
      R"("_metadata":{{"nodeVersion":"v20.11.0","jsRuntime":"node"}}}})",
      i % 60, i, 10 + i, i * 7919, i % 100, i % 100);
}

std::string Batch(int events) {
  std::string body = R"({"batch":[)";
  for (int i = 0; i < events; ++i) {
    if (i > 0) body += ',';
    body += Event(i);
  }
  return body +
         R"(],"writeKey":"WK0123456789abcdefghijklmnopqrst","sentAt":"2026-01-02T03:04:05.000Z"})";
}

std::string Single() {
  std::string event = Event(42);
  event.pop_back();
  return event +
         R"(,"writeKey":"WK0123456789abcdefghijklmnopqrst","sentAt":"2026-01-02T03:04:05.000Z"})";
}

std::string BodyOf(int events) { return events == 0 ? Single() : Batch(events); }

void Report(benchmark::State& state, std::size_t bytes) {
  const auto events = std::max<std::int64_t>(1, state.range(0));
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
  state.SetItemsProcessed(events * state.iterations());
  state.counters["body"] = static_cast<double>(bytes);
}

/// Range 0 means a single call, else a batch of so many events.
void BM_OnDemandRawSpans(benchmark::State& state) {
  std::string body = BodyOf(static_cast<int>(state.range(0)));
  body.reserve(body.size() + simdjson::SIMDJSON_PADDING);
  simdjson::ondemand::parser parser;
  for (auto _ : state) {
    std::size_t seen = 0;
    auto document = parser.iterate(body).value_unsafe();
    if (state.range(0) == 0) {
      seen = document.get_object().value_unsafe().raw_json().value_unsafe().size();
    } else {
      for (auto item : document["batch"].get_array()) {
        seen += item.get_object().value_unsafe().raw_json().value_unsafe().size();
      }
    }
    benchmark::DoNotOptimize(seen);
  }
  Report(state, body.size());
}
BENCHMARK(BM_OnDemandRawSpans)->Arg(0)->Arg(1)->Arg(100);

/// The same, and the raw span of every field of every event, as a forwarder that looks for
/// ids and types has to have it.
void BM_OnDemandFieldSpans(benchmark::State& state) {
  std::string body = BodyOf(static_cast<int>(state.range(0)));
  body.reserve(body.size() + simdjson::SIMDJSON_PADDING);
  simdjson::ondemand::parser parser;
  const auto read_fields = [](simdjson::ondemand::object event) {
    std::size_t seen = 0;
    for (auto field : event) {
      seen += field.key().value_unsafe().raw()[0] == 't' ? 1U : 0U;
      simdjson::ondemand::value value = field.value();
      if (value.type().value_unsafe() == simdjson::ondemand::json_type::object) {
        seen += value.get_object().value_unsafe().raw_json().value_unsafe().size();
      } else {
        seen += value.raw_json_token().size();
      }
    }
    return seen;
  };
  for (auto _ : state) {
    std::size_t seen = 0;
    auto document = parser.iterate(body).value_unsafe();
    if (state.range(0) == 0) {
      seen = read_fields(document.get_object().value_unsafe());
    } else {
      for (auto item : document["batch"].get_array()) {
        seen += read_fields(item.get_object().value_unsafe());
      }
    }
    benchmark::DoNotOptimize(seen);
  }
  Report(state, body.size());
}
BENCHMARK(BM_OnDemandFieldSpans)->Arg(0)->Arg(1)->Arg(100);

void BM_Parse(benchmark::State& state) {
  std::string body = BodyOf(static_cast<int>(state.range(0)));
  const Route route = state.range(0) == 0 ? Route::kTrack : Route::kBatch;
  Normalizer normalizer(kLimits);
  for (auto _ : state) {
    if (!normalizer.Parse(route, body)) state.SkipWithError("refused");
  }
  Report(state, body.size());
}
BENCHMARK(BM_Parse)->Arg(0)->Arg(1)->Arg(100);

void BM_Normalize(benchmark::State& state) {
  std::string body = BodyOf(static_cast<int>(state.range(0)));
  const Route route = state.range(0) == 0 ? Route::kTrack : Route::kBatch;
  Normalizer normalizer(kLimits);
  common::FastRandom random(1);
  for (auto _ : state) {
    auto result = normalizer.Normalize(route, body, {.received_at = kNow, .random = random});
    if (!result || !result->rejected.empty()) state.SkipWithError("refused");
    benchmark::DoNotOptimize(result->events.bytes.data());
  }
  Report(state, body.size());
}
BENCHMARK(BM_Normalize)->Arg(0)->Arg(1)->Arg(100);

/// The dear case: no library, no id, no timestamp, and an envelope to merge in.
void BM_NormalizeMerging(benchmark::State& state) {
  std::string body =
      R"({"context":{"library":{"name":"analytics-go","version":"3.3.0"}},"batch":[)";
  for (int i = 0; i < 100; ++i) {
    if (i > 0) body += ',';
    body += fmt::format(
        R"({{"type":"track","event":"Download","userId":{},"context":{{"app":{{"name":"x"}}}},)"
        R"("properties":{{"version":"1.{}.0","platform":"osx"}}}})",
        i, i);
  }
  body += "]}";
  Normalizer normalizer(kLimits);
  common::FastRandom random(1);
  for (auto _ : state) {
    auto result =
        normalizer.Normalize(Route::kBatch, body, {.received_at = kNow, .random = random});
    if (!result || !result->rejected.empty()) state.SkipWithError("refused");
    benchmark::DoNotOptimize(result->events.bytes.data());
  }
  Report(state, body.size());
}
BENCHMARK(BM_NormalizeMerging)->Arg(100);

}  // namespace

// SPDX-License-Identifier: Apache-2.0
// gateway-load: what `./dev bench` drives and measures with. One JSON object on standard
// output; --human makes `send` print a table for the eye instead.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "tests/bench/load/append_log.h"
#include "tests/bench/load/generator.h"
#include "tests/bench/load/sink.h"

namespace {

std::string LatencyJson(const bench::LatencyHistogram& latency) {
  return fmt::format(
      R"({{"mean":{:.1f},"p50":{:.1f},"p90":{:.1f},"p99":{:.1f},"p999":{:.1f},"max":{:.1f}}})",
      latency.MeanMicros(), latency.QuantileMicros(0.5), latency.QuantileMicros(0.9),
      latency.QuantileMicros(0.99), latency.QuantileMicros(0.999), latency.MaxMicros());
}

void PrintJson(const bench::LoadResult& result) {
  std::string refused;
  for (const auto& [status, count] : result.requests_refused) {
    refused += fmt::format(R"({}"{}":{})", refused.empty() ? "" : ",", status, count);
  }
  fmt::print(
      R"({{"events_sent":{},"events_accepted":{},"event_bytes":{:.1f},"requests_ok":{},"requests_refused":{{{}}},)"
      R"("started_ns":{},"last_answer_ns":{},"cpu_us":{:.0f},"latency_us":{},"lateness_us":{}}})"
      "\n",
      result.events_sent, result.events_accepted, result.event_bytes, result.requests_ok, refused,
      result.started_ns, result.last_answer_ns, result.cpu_micros, LatencyJson(result.latency),
      LatencyJson(result.lateness));
}

void PrintTable(const bench::LoadResult& result) {
  const double seconds = static_cast<double>(result.last_answer_ns - result.started_ns) / 1e9;
  const bench::LatencyHistogram& latency = result.latency;
  fmt::print("accepted    {} of {} events, {:.0f} a second\n", result.events_accepted,
             result.events_sent, static_cast<double>(result.events_accepted) / seconds);
  for (const auto& [status, count] : result.requests_refused) {
    fmt::print("refused     {} requests with {}\n", count, status);
  }
  fmt::print("latency us  p50 {:.0f}  p90 {:.0f}  p99 {:.0f}  p99.9 {:.0f}  max {:.0f}\n",
             latency.QuantileMicros(0.5), latency.QuantileMicros(0.9), latency.QuantileMicros(0.99),
             latency.QuantileMicros(0.999), latency.MaxMicros());
}

void PrintJson(const bench::AppendResult& result) {
  fmt::print(R"({{"groups":{},"wall_us":{:.0f},"cpu_us":{:.0f},"sync_us":{}}})"
             "\n",
             result.groups, result.wall_micros, result.cpu_micros, LatencyJson(result.sync));
}

int Main(int argc, char** argv) {
  CLI::App app("Load, sink and disk baseline of the benchmark (docs/benchmarks.md)");
  app.require_subcommand(1);

  bench::LoadOptions load{.port = 0,
                          .connections = 64,
                          .batch = 0,
                          .tenants = 1,
                          .first_tenant = 0,
                          .events_per_second = 0,
                          .seconds = 5,
                          .max_events = 0,
                          .first_id = 0};
  bool human = false;
  CLI::App* send = app.add_subcommand("send", "Send track events to 127.0.0.1");
  send->add_option("--port", load.port)->required();
  send->add_option("--connections", load.connections)->check(CLI::Range(1, 10000));
  send->add_option("--batch", load.batch, "Events a request; 0: single calls")
      ->check(CLI::Range(0, 600));
  send->add_option("--tenants", load.tenants, "Ingest keys bench-ingest-000000 and on")
      ->check(CLI::Range(1, 1000000));
  send->add_option("--first-tenant", load.first_tenant, "Number of the first of these keys");
  send->add_option("--rate", load.events_per_second, "Open loop, events a second; 0: closed loop");
  send->add_option("--seconds", load.seconds);
  send->add_option("--events", load.max_events, "End after so many; 0: only by time");
  send->add_option("--first-id", load.first_id, "Number of the first event");
  send->add_flag("--human", human, "A table instead of JSON");

  bench::SinkOptions sink_options;
  CLI::App* sink = app.add_subcommand("sink", "Take what the gateway delivers, and count it");
  sink->add_option("--port", sink_options.port);
  sink->add_option("--latency-ms", sink_options.latency_millis, "Before each answer");

  bench::AppendOptions append_options{.directory = ".", .group_bytes = 65536, .seconds = 2};
  CLI::App* append = app.add_subcommand("append", "Append groups of bytes, fdatasync each");
  append->add_option("--directory", append_options.directory);
  append->add_option("--group-bytes", append_options.group_bytes);
  append->add_option("--seconds", append_options.seconds);

  CLI11_PARSE(app, argc, argv);
  if (*sink) bench::RunSink(sink_options);
  if (*append) {
    PrintJson(bench::RunAppend(append_options));
    return 0;
  }
  const bench::LoadResult result = bench::RunLoad(load);
  human ? PrintTable(result) : PrintJson(result);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {
    std::fputs(error.what(), stderr);
    return 1;
  }
}

// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/queue_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/log.h"
#include "common/strings.h"
#include "gateway/app/command_line.h"
#include "gateway/app/control_client.h"
#include "gateway/app/progress_bar.h"
#include "gateway/queue/offline_queue.h"

namespace gateway::app {
namespace {

using pipeline::ChunkSlice;
using pipeline::HoldReason;
using pipeline::ReadBatch;
using queue::OfflineQueue;

// What one request of /v1/import may hold.
constexpr std::uint32_t kImportEvents = 2'500;
constexpr std::uint64_t kImportBytes = 500'000;

/// With a gateway that hangs, which may be why somebody looks.
constexpr std::chrono::seconds kPatience{10};

struct QueueArguments {
  std::string path;
  std::string tenant;
  bool json = false;
  bool batches = false;
  bool quarantine = false;
};

int Fail(std::string_view message) {
  fmt::print(stderr, "segment-gateway: {}\n", message);
  return kExitFailure;
}

int WithQueue(const std::string& path, const std::function<int(const OfflineQueue&)>& run) {
  common::log::Configure(common::log::Level::kError, common::log::Format::kText);
  const auto hold = HoldFiles(path, kPatience);
  if (!hold && hold.error().code != common::ErrorCode::kNotFound) {
    fmt::print(stderr,
               "segment-gateway: the gateway on this store does not keep its files meanwhile, so "
               "this can fail or miss events: {}\n",
               hold.error().message);
  }
  const auto opened = OfflineQueue::Open(path);
  const int status = opened ? run(**opened) : Fail(opened.error().message);
  if (hold && !(*hold)->Held()) {
    fmt::print(
        stderr,
        "segment-gateway: the gateway stopped to keep its files meanwhile: look again before "
        "you believe in damage\n");
  }
  return status;
}

// ---- inspect --------------------------------------------------------------------------

std::string_view HoldName(HoldReason hold) {
  switch (hold) {
    case HoldReason::kNone:
      return "";
    case HoldReason::kWriteKeyRefused:
      return "write key refused";
    case HoldReason::kEndpointWrong:
      return "endpoint wrong";
    case HoldReason::kEventsRefused:
      return "events refused";
  }
  return "unknown";
}

std::string AgeOf(const OfflineQueue::Log& log, common::WallTime now) {
  if (!log.oldest) return "-";
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - *log.oldest).count();
  if (age < 120) return fmt::format("{} s", age);
  if (age < 7'200) return fmt::format("{} min", age / 60);
  if (age < 172'800) return fmt::format("{} h", age / 3'600);
  return fmt::format("{} d", age / 86'400);
}

void PrintTable(const std::vector<OfflineQueue::Log>& logs) {
  const common::WallTime now = common::SystemClock().Wall();
  std::size_t width = 6;
  for (const auto& log : logs) width = std::max(width, log.state.tenant.size());
  const auto row = [width](auto tenant, auto pending, auto oldest, auto bytes, auto delivered,
                           auto dead, auto refused, auto quarantined, auto hold) {
    fmt::print("{:<{}} {:>12} {:>8} {:>10} {:>14} {:>10} {:>10} {:>11}  {}\n", tenant, width,
               pending, oldest, bytes, delivered, dead, refused, quarantined, hold);
  };
  row("TENANT", "PENDING", "OLDEST", "BYTES", "DELIVERED", "DEAD", "REFUSED", "QUARANTINED",
      "HELD");
  std::uint64_t pending = 0;
  std::uint64_t bytes = 0;
  for (const auto& log : logs) {
    const pipeline::LogState& state = log.state;
    row(state.tenant, state.pending(), AgeOf(log, now), HumanSize(state.pending_bytes),
        state.delivered(), state.dead, log.refused, log.quarantined, HoldName(state.retry.hold));
    pending += state.pending();
    bytes += state.pending_bytes;
  }
  fmt::print("{} tenants, {} events pending, about {}\n", logs.size(), pending, HumanSize(bytes));
}

void PrintJson(const std::vector<OfflineQueue::Log>& logs) {
  for (const auto& log : logs) {
    const pipeline::LogState& state = log.state;
    nlohmann::ordered_json line{{"tenant", state.tenant},
                                {"pending", state.pending()},
                                {"pending_bytes", state.pending_bytes},
                                {"delivered", state.delivered()},
                                {"dead", state.dead},
                                {"dead_kept", log.dead_letters},
                                {"refused_kept", log.refused},
                                {"quarantined", log.quarantined},
                                {"attempts", state.retry.attempts},
                                {"held", HoldName(state.retry.hold)}};
    if (log.oldest) line["oldest"] = common::FormatTimestamp(*log.oldest);
    fmt::print("{}\n", line.dump());
  }
}

int Inspect(const QueueArguments& arguments, const OfflineQueue& queue) {
  const auto logs = queue.Logs();
  if (!logs) return Fail(logs.error().message);
  arguments.json ? PrintJson(*logs) : PrintTable(*logs);
  return kExitOk;
}

// ---- verify ---------------------------------------------------------------------------

int Verify(const OfflineQueue& queue) {
  ProgressBar bar(ProgressBar::Unit::kEvents, ProgressBar::Elsewhere::kNothing);
  const std::uint64_t pending = queue.Pending();
  bar.Show("reading tables", 0, 0);
  const OfflineQueue::Verdict verdict =
      queue.Verify([&](std::uint64_t events) { bar.Show("reading", events, pending); });
  bar.End();
  for (const std::string& problem : verdict.problems) fmt::print("{}\n", problem);
  fmt::print("{}: {} pending events and {} letters are whole\n",
             verdict.problems.empty() ? "ok" : "damaged", verdict.events, verdict.letters);
  return verdict.problems.empty() ? kExitOk : kExitFailure;
}

// ---- export ---------------------------------------------------------------------------

void WriteLine(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

void WriteEvents(const ReadBatch& batch) {
  for (const ChunkSlice& slice : batch.slices) {
    for (std::uint32_t i = 0; i < slice.count; ++i) {
      WriteLine(slice.chunk->Span(slice.from + i, 1));
    }
  }
}

void WriteBody(const ReadBatch& batch) {
  std::string body = R"({"batch":[)";
  for (const ChunkSlice& slice : batch.slices) {
    if (&slice != &batch.slices.front()) body += ',';
    body += slice.Bytes();
  }
  body += "]}";
  WriteLine(body);
}

int Export(const QueueArguments& arguments, const OfflineQueue& queue) {
  std::optional<pipeline::LogId> log;
  if (!arguments.tenant.empty()) {
    log = queue.FindTenant(arguments.tenant);
    if (!log) return Fail(fmt::format("no tenant '{}' has events in this store", arguments.tenant));
  }
  common::Result<std::uint64_t> lost = std::uint64_t{0};
  if (arguments.quarantine) {
    lost = queue.ForEachQuarantined(log, WriteLine);
  } else if (log) {
    ProgressBar bar(ProgressBar::Unit::kEvents, ProgressBar::Elsewhere::kNothing);
    const bool shown = isatty(STDOUT_FILENO) == 0;  // Else it would be among the events.
    std::uint64_t events = 0;
    lost = queue.ForEachPending(*log, kImportEvents, kImportBytes, [&](const ReadBatch& batch) {
      arguments.batches ? WriteBody(batch) : WriteEvents(batch);
      events += batch.events;
      if (shown) bar.Show("exporting", events, queue.Pending(log));
    });
    bar.End();
  }
  if (!lost) return Fail(lost.error().message);
  if (std::fflush(stdout) != 0) return Fail("the output cannot be written");
  if (*lost == 0) return kExitOk;
  return Fail(fmt::format("{} events are damaged or missing and were left out", *lost));
}

void AddExport(CLI::App& command, const std::shared_ptr<QueueArguments>& arguments, int& status) {
  CLI::Option* tenant =
      command.add_option("--tenant", arguments->tenant, "Pending events of this tenant");
  CLI::Option* quarantine =
      command.add_flag("--quarantine", arguments->quarantine,
                       "What can be made out of damaged records, of --tenant or of all");
  command
      .add_flag("--batches", arguments->batches,
                "Each line a body for POST /v1/import in place of an event")
      ->excludes(quarantine);
  command.callback([arguments, tenant, quarantine, &status] {
    if (tenant->count() == 0 && quarantine->count() == 0) {
      throw CLI::ValidationError("export", "name a --tenant, or say --quarantine");
    }
    status = WithQueue(arguments->path,
                       [&](const OfflineQueue& queue) { return Export(*arguments, queue); });
  });
}

}  // namespace

void AddQueueCommand(CLI::App& app, int& status) {
  auto arguments = std::make_shared<QueueArguments>();
  CLI::App* command = app.add_subcommand(
      "queue",
      "Look at an event store on disk. Changes nothing; a gateway may have the store open, and\n"
      "what is shown then is the moment of the look. docs/queue-tools.md has examples.");
  command->require_subcommand(1);
  const auto add = [&](const char* name, const char* help) {
    CLI::App* tool = command->add_subcommand(name, help);
    tool->add_option("--path", arguments->path, "The store: what storage.path names")->required();
    return tool;
  };
  CLI::App* inspect = add("inspect", "Say for each tenant what waits, how long, and what is dead");
  inspect->add_flag("--json", arguments->json, "One JSON object a tenant");
  inspect->callback([arguments, &status] {
    status = WithQueue(arguments->path,
                       [&](const OfflineQueue& queue) { return Inspect(*arguments, queue); });
  });
  add("verify", "Read everything, compare checksums and counts; status 1 when something is wrong")
      ->callback([arguments, &status] { status = WithQueue(arguments->path, Verify); });
  AddExport(*add("export", "Write events to standard output, one JSON object a line"), arguments,
            status);
}

}  // namespace gateway::app

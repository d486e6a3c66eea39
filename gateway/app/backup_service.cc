// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/backup_service.h"

#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/log.h"
#include "common/metrics/metrics.h"
#include "common/strings.h"

namespace gateway::app {
namespace {

using common::ErrorCode;
using common::Result;
using nlohmann::ordered_json;
using queue::BackupOptions;
using queue::BackupReport;
using queue::BackupStep;

std::string ErrorLine(const common::Error& error) {
  return ordered_json{{"error",
                       {{"message", common::RepairUtf8(error.message)},
                        {"usage", error.code == ErrorCode::kInvalidArgument}}}}
      .dump();
}

/// A conversion would take -1 and 1.5 for other numbers.
Result<std::uint64_t> WholeNumber(const ordered_json& request, const char* key,
                                  std::uint64_t most) {
  const ordered_json& value = request.at(key);
  if (value.is_number_unsigned() && value.get<std::uint64_t>() <= most) {
    return value.get<std::uint64_t>();
  }
  return common::Fail(ErrorCode::kInvalidArgument,
                      fmt::format("{} is a whole number from 0 to {}", key, most));
}

Result<BackupOptions> ParseRequest(const std::string& text) {
  std::string problem = "no such command";
  try {
    const ordered_json request = ordered_json::parse(text);
    if (request.at("command") == "backup") {
      const auto keep = WholeNumber(request, "keep", std::numeric_limits<std::uint32_t>::max());
      if (!keep) return tl::unexpected(keep.error());
      const auto rate =
          WholeNumber(request, "bytes_per_second", std::numeric_limits<std::uint64_t>::max());
      if (!rate) return tl::unexpected(rate.error());
      if (const common::Status allowed = queue::CheckBackupRate(*rate); !allowed) {
        return tl::unexpected(allowed.error());
      }
      return BackupOptions{.directory = request.at("to"),
                           .keep = static_cast<std::uint32_t>(*keep),
                           .bytes_per_second = *rate,
                           .read_back = request.at("read_back")};
    }
  } catch (const nlohmann::json::exception& error) {
    problem = error.what();
  }
  return common::Fail(
      ErrorCode::kInvalidArgument,
      "the gateway does not know this command: is it of another version? (" + problem + ")");
}

}  // namespace

std::string BackupRequest(const BackupOptions& options) {
  return ordered_json{{"command", "backup"},
                      {"to", options.directory},
                      {"keep", options.keep},
                      {"bytes_per_second", options.bytes_per_second},
                      {"read_back", options.read_back}}
      .dump();
}

std::string_view StepName(BackupStep step) {
  switch (step) {
    case BackupStep::kCopying:
      return "copying";
    case BackupStep::kReadingBack:
      return "reading back";
    case BackupStep::kRestoring:
      return "restoring";
    case BackupStep::kOpening:
      return "opening";
  }
  return "working";
}

ordered_json ToJson(const BackupReport& report, common::Duration took) {
  return {{"backup", report.backup.id},
          {"taken_at", common::FormatTimestamp(report.backup.taken_at)},
          {"bytes", report.backup.bytes},
          {"new_bytes", report.new_bytes},
          {"files", report.backup.files},
          {"removed", report.removed},
          {"seconds", std::chrono::duration<double>(took).count()}};
}

BackupService::BackupService(const queue::RocksQueue& queue, prometheus::Registry& registry)
    : queue_(queue),
      last_success_(common::metrics::Gauge(
          registry, "backup_last_success_timestamp_seconds",
          "When this process last completed a backup; 0 when it has made none.")),
      last_bytes_(common::metrics::Gauge(registry, "backup_last_bytes",
                                         "Size of the store in the last complete backup.")),
      failures_(common::metrics::Counter(registry, "backup_failures_total",
                                         "Backups that were begun and not completed.")) {}

BackupService::~BackupService() { Stop(); }

void BackupService::Handle(const std::string& request, std::shared_ptr<ControlCall> call) {
  const Result<BackupOptions> options = ParseRequest(request);
  if (!options) return call->End(ErrorLine(options.error()));
  const std::scoped_lock lock(mutex_);
  if (stopping_ || running_) {
    return call->End(ErrorLine(
        {ErrorCode::kUnavailable,
         stopping_ ? "the gateway is stopping" : "a backup of this store is being made already"}));
  }
  running_ = true;
  stop_ = std::stop_source();
  thread_.reset();  // Has given its answer: it is at its end.
  thread_.emplace("backup", [this, options = *options, call = std::move(call), stop = stop_] {
    Run(options, call, stop);
  });
}

void BackupService::Stop() {
  const std::scoped_lock lock(mutex_);
  stopping_ = true;
  stop_.request_stop();
}

void BackupService::Run(const BackupOptions& options, const std::shared_ptr<ControlCall>& call,
                        std::stop_source stop) {
  const auto begin = std::chrono::steady_clock::now();
  const std::stop_callback on_gone(call->gone(), [&stop] { stop.request_stop(); });
  common::log::Info("backup_started", "a backup of the store is being made",
                    {{"to", options.directory}});
  const auto progress = [&call](BackupStep step, std::uint64_t done, std::uint64_t total) {
    call->Tell(
        ordered_json{{"progress", {{"step", StepName(step)}, {"done", done}, {"total", total}}}}
            .dump());
  };
  const Result<BackupReport> report = queue_.Backup(options, progress, stop.get_token());
  const common::Duration took = std::chrono::steady_clock::now() - begin;
  Finished(options, report, took);
  {
    const std::scoped_lock lock(mutex_);
    running_ = false;
  }
  call->End(report ? ordered_json{{"result", ToJson(*report, took)}}.dump()
                   : ErrorLine(report.error()));
}

void BackupService::Finished(const BackupOptions& options, const Result<BackupReport>& report,
                             common::Duration took) {
  if (!report) {
    failures_.Increment();
    return common::log::Warning(
        "backup_failed", "no backup was made",
        {{"to", options.directory}, {"error", report.error().message}, {"took_seconds", took}});
  }
  last_success_.SetToCurrentTime();
  last_bytes_.Set(static_cast<double>(report->backup.bytes));
  common::log::Info("backup_done", "a backup of the store is complete",
                    {{"to", options.directory},
                     {"backup", report->backup.id},
                     {"bytes", report->backup.bytes},
                     {"new_bytes", report->new_bytes},
                     {"removed", report->removed},
                     {"took_seconds", took}});
}

}  // namespace gateway::app

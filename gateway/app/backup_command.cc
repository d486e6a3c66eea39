// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/backup_command.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/log.h"
#include "common/strings.h"
#include "gateway/app/backup_service.h"
#include "gateway/app/command_line.h"
#include "gateway/app/control_client.h"
#include "gateway/app/load_config.h"
#include "gateway/app/progress_bar.h"
#include "gateway/config/scalar.h"
#include "gateway/queue/backup.h"

namespace gateway::app {
namespace {

using common::ErrorCode;
using common::Result;
using nlohmann::ordered_json;
using queue::Backup;
using queue::BackupStep;

struct BackupArguments {
  std::string directory;  ///< Of backups.
  std::string path;       ///< Of a store.
  std::string config;
  std::string rate;
  std::uint32_t keep = 0;
  std::optional<std::uint32_t> id;
  bool no_read_back = false;
  bool check = false;
  bool json = false;
};

int Fail(const common::Error& error) {
  fmt::print(stderr, "segment-gateway: {}\n", error.message);
  return error.code == ErrorCode::kInvalidArgument ? kExitUsage : kExitFailure;
}

int FailUsage(std::string message) {
  return Fail({ErrorCode::kInvalidArgument, std::move(message)});
}

ProgressBar NewBar(const BackupArguments& arguments) {
  return {ProgressBar::Unit::kBytes,
          arguments.json ? ProgressBar::Elsewhere::kNothing : ProgressBar::Elsewhere::kLines};
}

queue::BackupProgress ShowOn(ProgressBar& bar) {
  return [&bar](BackupStep step, std::uint64_t done, std::uint64_t total) {
    bar.Show(StepName(step), done, total);
  };
}

/// The gateway's working directory is another one.
std::string Absolute(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal();
}

/// A place that is named by nothing is most often a variable that is not set.
std::string CheckNamed(const std::string& path) { return path.empty() ? "must not be empty" : ""; }

// ---- backup ---------------------------------------------------------------------------

/// Opening a store leaves files of this user in it, which the gateway's could not write.
std::optional<common::Error> NotOwner(const std::string& path) {
  struct stat store{};
  if (stat((path + "/CURRENT").c_str(), &store) != 0 || store.st_uid == geteuid()) return {};
  return common::Error{ErrorCode::kUnavailable,
                       fmt::format("no gateway runs on {}, and its files belong to user {}: run "
                                   "this as that user",
                                   path, store.st_uid)};
}

Result<ordered_json> Take(const std::string& path, const queue::BackupOptions& options,
                          ProgressBar& bar) {
  const auto shown = [&bar](const ordered_json& progress) {
    bar.Show(progress.value("step", ""), progress.value("done", std::uint64_t{0}),
             progress.value("total", std::uint64_t{0}));
  };
  auto asked = AskGateway(path, BackupRequest(options), shown);
  if (asked || asked.error().code != ErrorCode::kNotFound) return asked;
  if (auto other = NotOwner(path)) return tl::unexpected(std::move(*other));
  const auto begin = std::chrono::steady_clock::now();
  const auto report = queue::BackupClosedStore(path, options, ShowOn(bar));
  if (report) return ToJson(*report, std::chrono::steady_clock::now() - begin);
  common::Error error = report.error();
  if (error.code == ErrorCode::kUnavailable) {
    error.message += fmt::format("; no gateway answers at {}/{}: it may be starting or stopping",
                                 path, kControlSocket);
  }
  return tl::unexpected(std::move(error));
}

void PrintTaken(const ordered_json& result, const std::string& directory) {
  fmt::print("backup {} of {} is complete: {}, of that {} new, in {:.1f} s{}\n",
             result.value("backup", 0U), directory,
             HumanSize(result.value("bytes", std::uint64_t{0})),
             HumanSize(result.value("new_bytes", std::uint64_t{0})), result.value("seconds", 0.0),
             result.value("removed", 0U) == 0
                 ? ""
                 : fmt::format("; {} older removed", result.value("removed", 0U)));
}

int RunBackup(const BackupArguments& arguments, const std::string& store) {
  common::log::Configure(common::log::Level::kError, common::log::Format::kText);
  queue::BackupOptions options{.directory = Absolute(arguments.directory),
                               .keep = arguments.keep,
                               .read_back = !arguments.no_read_back};
  if (!arguments.rate.empty()) {
    const auto rate = config::ParseSize(arguments.rate);
    if (!rate || *rate == 0) {
      return FailUsage(
          fmt::format("--rate {}: write bytes a second, such as 20MiB", arguments.rate));
    }
    if (const common::Status allowed = queue::CheckBackupRate(*rate); !allowed) {
      return FailUsage(fmt::format("--rate {}: {}", arguments.rate, allowed.error().message));
    }
    options.bytes_per_second = *rate;
  }
  if (common::RepairUtf8(options.directory) != options.directory) {
    return FailUsage("--to: the path must be UTF-8");
  }
  ProgressBar bar = NewBar(arguments);
  const Result<ordered_json> result = Take(store, options, bar);
  bar.End();
  if (!result) return Fail(result.error());
  if (arguments.json) {
    fmt::print("{}\n", result->dump());
  } else {
    PrintTaken(*result, options.directory);
  }
  return kExitOk;
}

void AddBackup(CLI::App& app, int& status) {
  auto arguments = std::make_shared<BackupArguments>();
  CLI::App* command = app.add_subcommand(
      "backup",
      "Back the event store up: consistent, incremental, while the gateway runs or not.\n"
      "docs/backup.md has examples.");
  command
      ->add_option("--to", arguments->directory,
                   "Directory of the backups, outside of the store, best on another disk")
      ->required()
      ->check(CheckNamed);
  CLI::Option_group* store = command->add_option_group("store", "Whose store");
  store->add_option("--path", arguments->path, "The store: what storage.path names")
      ->check(CheckNamed);
  store->add_option("--config,-c", arguments->config, "The gateway's configuration file");
  store->require_option(1);
  command->add_option("--keep", arguments->keep,
                      "Keep the latest N; older ones go when the new one is whole");
  command->add_option("--rate", arguments->rate,
                      "Bytes a second at most, 64KiB to 1TiB; without it as fast as it goes");
  command->add_flag("--no-read-back", arguments->no_read_back,
                    "Check sizes alone in place of reading the backup again");
  command->add_flag("--json", arguments->json, "The result as one JSON object");
  command->callback([arguments, &status] {
    if (arguments->config.empty()) {
      status = RunBackup(*arguments, arguments->path);
      return;
    }
    status = WithConfig(arguments->config, [&](const config::Loaded& loaded) {
      return RunBackup(*arguments, loaded.config.storage.path);
    });
  });
}

// ---- backups --------------------------------------------------------------------------

std::string Verdict(const BackupArguments& arguments, const Backup& backup, ProgressBar& bar) {
  if (backup.damaged) return "damaged: a file is missing or has a wrong size";
  if (!arguments.check) return "";
  const auto checked = queue::CheckBackup(arguments.directory, backup, ShowOn(bar));
  bar.End();
  return checked ? "whole" : checked.error().message;
}

void PrintListed(const BackupArguments& arguments, const Backup& backup, const std::string& verdict,
                 bool damaged) {
  if (arguments.json) {
    ordered_json line{{"backup", backup.id}, {"damaged", damaged}};
    if (!backup.damaged) {
      line["taken_at"] = common::FormatTimestamp(backup.taken_at);
      line["bytes"] = backup.bytes;
      line["files"] = backup.files;
    }
    if (!verdict.empty()) line["verdict"] = common::RepairUtf8(verdict);
    fmt::print("{}\n", line.dump());
    return;
  }
  const bool known = !backup.damaged;
  fmt::print("{:>6}  {:<24}  {:>10}  {:>6}  {}\n", backup.id,
             known ? common::FormatTimestamp(backup.taken_at) : "-",
             known ? HumanSize(backup.bytes) : "-", known ? fmt::to_string(backup.files) : "-",
             verdict);
}

int RunList(BackupArguments arguments) {
  arguments.directory = Absolute(arguments.directory);
  common::log::Configure(common::log::Level::kError, common::log::Format::kText);
  const auto backups = queue::ListBackups(arguments.directory);
  if (!backups) return Fail(backups.error());
  if (!arguments.json) {
    fmt::print("{:>6}  {:<24}  {:>10}  {:>6}\n", "BACKUP", "TAKEN AT", "BYTES", "FILES");
  }
  ProgressBar bar = NewBar(arguments);
  bool any_damaged = false;
  for (const Backup& backup : *backups) {
    const std::string verdict = Verdict(arguments, backup, bar);
    const bool damaged = !verdict.empty() && verdict != "whole";
    any_damaged = any_damaged || damaged;
    PrintListed(arguments, backup, verdict, damaged);
  }
  return any_damaged ? kExitFailure : kExitOk;
}

void AddList(CLI::App& app, int& status) {
  auto arguments = std::make_shared<BackupArguments>();
  CLI::App* command = app.add_subcommand(
      "backups", "List the backups in a directory; status 1 when one is damaged");
  command->add_option("--in", arguments->directory, "What was given to backup --to")
      ->required()
      ->check(CheckNamed);
  command->add_flag("--check", arguments->check, "Read them all and compare checksums");
  command->add_flag("--json", arguments->json, "One JSON object a backup");
  command->callback([arguments, &status] { status = RunList(*arguments); });
}

// ---- restore --------------------------------------------------------------------------

void PrintRestored(const BackupArguments& arguments, const queue::Restored& restored) {
  if (restored.began_again) {
    fmt::print("{} held a part that a restore had left: removed, and begun again\n",
               arguments.path);
  }
  fmt::print(
      "backup {} of {} is restored to {}: {} tenants, {} events wait for delivery\n"
      "\n"
      "Next: set storage.path to it and start the gateway, which sends those events. What was\n"
      "delivered after the backup was taken is sent again, with the same messageIds: Segment "
      "drops\n"
      "what it has seen within 24 hours. What was accepted after it is not in it. If the old "
      "store\n"
      "is still readable, see docs/backup.md first.\n",
      restored.backup.id, common::FormatTimestamp(restored.backup.taken_at), arguments.path,
      restored.tenants, restored.pending);
}

int RunRestore(BackupArguments arguments) {
  common::log::Configure(common::log::Level::kError, common::log::Format::kText);
  arguments.path = Absolute(arguments.path);
  // "new/" names the same directory as "new".
  if (arguments.path.size() > 1 && arguments.path.ends_with('/')) arguments.path.pop_back();
  ProgressBar bar = NewBar(arguments);
  const auto restored = queue::RestoreBackup(Absolute(arguments.directory), arguments.id,
                                             arguments.path, ShowOn(bar));
  bar.End();
  if (!restored) return Fail(restored.error());
  if (arguments.json) {
    fmt::print("{}\n",
               ordered_json{{"backup", restored->backup.id},
                            {"taken_at", common::FormatTimestamp(restored->backup.taken_at)},
                            {"bytes", restored->backup.bytes},
                            {"path", common::RepairUtf8(arguments.path)},
                            {"tenants", restored->tenants},
                            {"pending", restored->pending},
                            {"began_again", restored->began_again}}
                   .dump());
  } else {
    PrintRestored(arguments, *restored);
  }
  return kExitOk;
}

void AddRestore(CLI::App& app, int& status) {
  auto arguments = std::make_shared<BackupArguments>();
  CLI::App* command = app.add_subcommand(
      "restore", "Make a store out of a backup, in a new directory, and check that it opens");
  command->add_option("--from", arguments->directory, "What was given to backup --to")
      ->required()
      ->check(CheckNamed);
  command->add_option("--path", arguments->path, "The new store: a new or an empty directory")
      ->required()
      ->check(CheckNamed);
  command->add_option("--backup", arguments->id,
                      "Which one, as `backups` lists them; without it the latest whole one");
  command->add_flag("--json", arguments->json, "The result as one JSON object");
  command->callback([arguments, &status] { status = RunRestore(*arguments); });
}

}  // namespace

void AddBackupCommands(CLI::App& app, int& status) {
  AddBackup(app, status);
  AddList(app, status);
  AddRestore(app, status);
}

}  // namespace gateway::app

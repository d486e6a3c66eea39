// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "common/log.h"
#include "gateway/app/application.h"
#include "gateway/app/backup_command.h"
#include "gateway/app/load_config.h"
#include "gateway/app/queue_command.h"
#include "gateway/app/sandbox_command.h"
#include "gateway/config/reference.h"

namespace gateway::app {
namespace {

int Serve(const config::Loaded& loaded) {
  common::log::Configure(loaded.config.log.level, loaded.config.log.format);
  for (const config::Problem& warning : loaded.warnings) {
    common::log::Warning("config_warning", warning.ToString());
  }
  return RunGateway(loaded.config);
}

int CheckConfig(const std::string& path, const config::Loaded& loaded) {
  for (const config::Problem& warning : loaded.warnings) {
    fmt::print(stderr, "warning: {}\n", warning.ToString());
  }
  fmt::print("{}", config::RenderEffective(loaded.config));
  fmt::print(stderr, "{}: ok\n", path);
  return kExitOk;
}

}  // namespace

int RunCommandLine(int argc, char** argv) {
  CLI::App app(
      "Segment Gateway: takes Track, Identify, Group, Page, Screen and Alias calls, makes them\n"
      "durable, and delivers them in batches to the Segment workspace of each tenant.",
      "segment-gateway");
  app.require_subcommand(1);
  int status = kExitOk;

  std::string config_path;
  const auto with_config = [&config_path](CLI::App* command) {
    command->add_option("--config,-c", config_path, "The configuration file (YAML)")->required();
  };

  CLI::App* serve = app.add_subcommand("serve", "Run the gateway until SIGTERM");
  with_config(serve);
  serve->callback([&] { status = WithConfig(config_path, Serve); });

  CLI::App* check = app.add_subcommand(
      "check-config", "Check a configuration and print what is in force, secrets left out");
  with_config(check);
  check->callback([&] {
    status = WithConfig(config_path, [&](const config::Loaded& loaded) {
      return CheckConfig(config_path, loaded);
    });
  });

  AddSandboxCommand(app, status);
  AddQueueCommand(app, status);
  AddBackupCommands(app, status);

  app.add_subcommand("config-reference", "Print docs/configuration.md")->callback([] {
    fmt::print("{}", config::RenderReference());
  });
  app.add_subcommand("version", "Print the version")->callback([] {
    fmt::print("segment-gateway {}\n", GW_VERSION);
  });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  return status;
}

}  // namespace gateway::app

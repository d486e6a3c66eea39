// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/load_config.h"

#include <fmt/format.h>

#include <cstdio>

#include "gateway/app/command_line.h"
#include "gateway/app/file_checks.h"

namespace gateway::app {

int WithConfig(const std::string& path, const std::function<int(const config::Loaded&)>& run) {
  const config::LoadResult loaded = config::LoadFile(path, config::ProcessEnv());
  const config::Problems problems = loaded ? CheckFiles(*loaded) : loaded.error();
  if (problems.empty()) return run(*loaded);
  for (const config::Problem& problem : problems) {
    fmt::print(stderr, "{}\n", problem.ToString());
  }
  fmt::print(stderr, "{}: {} {}; docs/configuration.md lists every setting\n", path,
             problems.size(), problems.size() == 1 ? "error" : "errors");
  return kExitUsage;
}

}  // namespace gateway::app

// SPDX-License-Identifier: Apache-2.0
#include "gateway/config/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>

#include "gateway/config/check.h"
#include "gateway/config/expand.h"
#include "gateway/config/reader.h"

namespace gateway::config {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{64} * 1024 * 1024;

void SortByPlace(std::vector<Problem>& problems) {
  std::sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.line, a.column, a.path, a.message) <
           std::tie(b.line, b.column, b.path, b.message);
  });
}

}  // namespace

std::string Problem::ToString() const {
  std::string out = file;
  if (line > 0) out += fmt::format(":{}:{}", line, column);
  if (!path.empty()) out += fmt::format(": {}", path);
  return out + ": " + message;
}

LoadResult LoadText(std::string_view name, std::string_view text, const EnvLookup& env) {
  Loaded loaded;
  Findings findings;
  findings.file = name;
  ReadConfig(text, env, loaded.config, findings);
  // After a syntax error the values are the defaults, and checks of those mean nothing.
  const bool unread = std::any_of(findings.errors.begin(), findings.errors.end(),
                                  [](const Problem& problem) { return problem.path.empty(); });
  if (!unread) Check(loaded.config, findings);
  if (!findings.errors.empty()) {
    SortByPlace(findings.errors);
    return tl::unexpected<Problems>(std::move(findings.errors));
  }
  SortByPlace(findings.warnings);
  loaded.file = name;
  loaded.positions = std::move(findings.positions);
  loaded.warnings = std::move(findings.warnings);
  return loaded;
}

LoadResult LoadFile(const std::string& path, const EnvLookup& env) {
  const common::Result<std::string> text = ReadWholeFile(path, kMaxFileBytes);
  if (!text) {
    return tl::unexpected<Problems>(
        Problems{{path, 0, 0, "", fmt::format("cannot be read: {}", text.error().message)}});
  }
  return LoadText(path, *text, env);
}

Config Defaults() {
  Config config;
  Findings none;
  ReadConfig("", [](std::string_view) { return std::nullopt; }, config, none);
  return config;
}

}  // namespace gateway::config

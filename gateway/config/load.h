// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "gateway/config/config.h"

namespace gateway::config {

/// One thing that is wrong (or, as a warning, doubtful) in a configuration file. Never
/// holds the value of a secret, nor any text that came out of ${...}.
struct Problem {
  std::string file;
  int line = 0;         ///< From 1; 0 when it concerns the file as a whole.
  int column = 0;       ///< From 1.
  std::string path;     ///< E.g. "tenants[1].segment.region"; empty for the file itself.
  std::string message;  ///< What is wrong; what is allowed.

  /// "file:line:column: path: message", without the parts that are empty.
  std::string ToString() const;
};

struct Position {
  int line = 0;
  int column = 0;
};

struct Loaded {
  std::string file;
  Config config;
  std::vector<Problem> warnings;
  /// Where each key and list entry stands that the file has, by its full path.
  std::map<std::string, Position> positions;
};

/// Everything that is wrong, sorted by line; never empty.
using Problems = std::vector<Problem>;
using LoadResult = tl::expected<Loaded, Problems>;

/// The value of an environment variable; nullopt when it is not set.
using EnvLookup = std::function<std::optional<std::string>(std::string_view name)>;
/// Reads the process's environment. Not safe beside setenv.
EnvLookup ProcessEnv();

/// Reads, expands and checks a configuration. Also reads the files that ${file:...} names.
LoadResult LoadFile(const std::string& path, const EnvLookup& env);
/// The same for a text; `name` stands for the file in messages.
LoadResult LoadText(std::string_view name, std::string_view text, const EnvLookup& env);

/// What an empty file means.
Config Defaults();

}  // namespace gateway::config

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/config/load.h"
#include "gateway/config/schema.h"

namespace gateway::config {

/// What reading found, beside the values.
class Findings {
 public:
  std::string file;
  std::vector<Problem> errors;
  std::vector<Problem> warnings;
  /// Where each key and list entry stands that the file has, by its full path.
  std::map<std::string, Position> positions;

  bool Has(const std::string& path) const { return positions.contains(path); }
  /// Something is wrong with `path` or with what it lies in, so its value means nothing.
  bool IsBroken(const std::string& path) const;
  Position At(const std::string& path) const;
  void Error(const std::string& path, Position position, std::string message);
  /// At the place of `path`, or of the nearest thing around it that the file has.
  void Error(const std::string& path, std::string message);
  void Warn(const std::string& path, std::string message);

 private:
  std::set<std::string> broken_;
};

/// Fills `config` from `text`, defaults first. Everything that is wrong with single keys
/// and values goes to `findings`; what is wrong between them is Check's business.
void ReadConfig(std::string_view text, const EnvLookup& env, Config& config, Findings& findings);

}  // namespace gateway::config

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "gateway/config/load.h"

namespace gateway::app {

/// Hands the configuration in the file `path` to `run` and returns its exit status; or prints
/// everything that is wrong with it and returns kExitUsage.
int WithConfig(const std::string& path, const std::function<int(const config::Loaded&)>& run);

}  // namespace gateway::app

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "gateway/config/config.h"

namespace gateway::config {

/// The text of docs/configuration.md, from the schema alone.
std::string RenderReference();

/// The configuration in force, as YAML that loads again except for the secrets, which
/// show as "***".
std::string RenderEffective(const Config& config);

}  // namespace gateway::config

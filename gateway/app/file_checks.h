// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "gateway/config/load.h"

namespace gateway::app {

/// What is wrong with the files that a configuration names: certificates that cannot be
/// used. By line, as the errors of the configuration itself.
config::Problems CheckFiles(const config::Loaded& loaded);

}  // namespace gateway::app

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "gateway/config/reader.h"

namespace gateway::config {

/// What has to hold between values (unique ids and keys, known regions, …) and what is
/// allowed but doubtful. Values that were wrong by themselves are not reported again.
void Check(const Config& config, Findings& findings);

}  // namespace gateway::config

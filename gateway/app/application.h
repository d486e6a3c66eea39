// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "gateway/config/config.h"

namespace gateway::app {

/// Runs the gateway until SIGTERM or SIGINT. Returns the exit code: 0 after an orderly
/// stop, 1 when it could not start (the log says why).
int RunGateway(const config::Config& config);

}  // namespace gateway::app

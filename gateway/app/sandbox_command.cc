// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/sandbox_command.h"

namespace gateway::app {

void AddSandboxCommand(CLI::App&, int&) {}

}  // namespace gateway::app

// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace CLI {
class App;
}

namespace gateway::app {

/// Adds `sandbox`, the stand-in for Segment's API, to the command line.
void AddSandboxCommand(CLI::App& app, int& status);

}  // namespace gateway::app

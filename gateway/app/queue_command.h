// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace CLI {
class App;
}

namespace gateway::app {

/// Adds `queue inspect`, `queue verify` and `queue export`, which look at a store on disk.
void AddQueueCommand(CLI::App& app, int& status);

}  // namespace gateway::app

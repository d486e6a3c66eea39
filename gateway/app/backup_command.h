// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace CLI {
class App;
}

namespace gateway::app {

/// Adds `backup`, `backups` and `restore`: copies of a store, of a running gateway or not.
void AddBackupCommands(CLI::App& app, int& status);

}  // namespace gateway::app

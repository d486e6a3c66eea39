// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace gateway::app {

/// Exit statuses of the program, part of its public interface.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;  ///< Bad command line or configuration.

/// Parses the arguments and runs the command they name; returns the exit status.
int RunCommandLine(int argc, char** argv);

}  // namespace gateway::app

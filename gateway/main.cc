// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "gateway/app/command_line.h"

int main(int argc, char** argv) {
  try {
    return gateway::app::RunCommandLine(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "segment-gateway: {}\n", error.what());
    return gateway::app::kExitFailure;
  }
}

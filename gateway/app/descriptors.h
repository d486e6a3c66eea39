// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/result.h"

namespace gateway::app {

/// Raises the process's limit of open files to what the system allows; returns it.
std::uint64_t RaiseDescriptorLimit();

/// How many client connections fit beside everything else that needs a descriptor: the
/// store (a log file that cannot be opened stops it), connections to Segment in use and
/// idle, and the admin listener. At most `wanted`; kUnavailable when nothing is left.
/// Pure.
common::Result<std::size_t> ClientConnections(std::uint64_t descriptors, std::size_t wanted,
                                              std::size_t delivery_connections);

}  // namespace gateway::app

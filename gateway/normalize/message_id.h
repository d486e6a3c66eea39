// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/clock.h"
#include "common/random.h"

namespace gateway::normalize {

/// Appends a UUID version 7 (RFC 9562) in quotes: 48 bits of `now`, 74 of chance. Its 36
/// characters lie well under Segment's limit of 100.
void AppendMessageId(std::string& out, common::WallTime now, common::Random& random);

}  // namespace gateway::normalize

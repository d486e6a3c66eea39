// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/result.h"

namespace gateway::sandbox {

/// Inflates a gzip body of one or more members. kInvalidArgument when it is damaged or
/// cut short; at most `max_bytes` + 1 bytes come out, so that the caller sees "too large"
/// at bounded cost. The result has `padding` bytes of capacity behind its end.
common::Result<std::string> Gunzip(std::string_view compressed, std::size_t max_bytes,
                                   std::size_t padding);

}  // namespace gateway::sandbox

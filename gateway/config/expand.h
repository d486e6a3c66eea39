// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "gateway/config/load.h"

namespace gateway::config {

/// The bytes of a file of at most `max_bytes`. The error says why not, without the path.
common::Result<std::string> ReadWholeFile(const std::string& path, std::size_t max_bytes);

/// True when `raw` holds a reference, so that its expansion is not to be shown.
bool HasReference(std::string_view raw);

/// `raw` with every ${NAME} and ${file:/path} replaced by its value and every $${ by ${.
/// What is put in is not expanded again. The error names the reference, never a value.
common::Result<std::string> Expand(std::string_view raw, const EnvLookup& env);

}  // namespace gateway::config

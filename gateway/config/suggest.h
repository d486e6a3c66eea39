// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "gateway/config/schema.h"

namespace gateway::config {

/// The keys that may stand below `prefix` ("" or ending with a dot): "listen, tls, …".
std::string KeysBelow(Fields fields, std::string_view prefix);

/// The message for a key below `prefix` that no row knows: what was probably meant, else
/// what there is.
std::string UnknownKey(Fields fields, std::string_view prefix, std::string_view key);

}  // namespace gateway::config

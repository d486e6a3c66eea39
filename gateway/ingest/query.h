// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gateway::ingest {

/// Percent-decodes a part of a URL; a '%' that no two digits follow stays as it is.
/// `plus_is_blank` as in a query.
std::string DecodeUrl(std::string_view text, bool plus_is_blank);

/// The pairs of a query ("a=1&b=2"), decoded, in their order; a name without '=' has an
/// empty value.
std::vector<std::pair<std::string, std::string>> ParseQuery(std::string_view query);

}  // namespace gateway::ingest

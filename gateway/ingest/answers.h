// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "common/net/http_server.h"
#include "gateway/normalize/normalizer.h"

namespace gateway::ingest {

/// 200 {"success":true}: exactly this, because clients retry 202 and 204 for ever.
common::net::Response Success();

/// 200 with the refused events listed.
common::net::Response PartialSuccess(std::uint64_t accepted,
                                     const std::vector<normalize::Rejection>& rejected);

/// 400 with the refused events listed: strict mode, of which nothing was stored.
common::net::Response StrictRefusal(std::uint64_t events,
                                    const std::vector<normalize::Rejection>& rejected);

/// {"success":false,"code","message","error"}: a superset of what Segment's clients read
/// (Python needs code and message, Ruby logs error).
common::net::Response Refusal(int status, std::string_view code, std::string_view message);

/// 400 in Segment's own words, which its clients and their users search for.
common::net::Response PayloadTooLarge();

/// A refusal that a later attempt may not get: 429 or 503 with Retry-After.
common::net::Response RefusalForNow(int status, std::string_view code, std::string_view message,
                                    std::uint32_t retry_after_seconds);

}  // namespace gateway::ingest

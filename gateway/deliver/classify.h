// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/clock.h"
#include "gateway/pipeline/outcome.h"
#include "gateway/pipeline/transport.h"
#include "gateway/schedule/endpoint_gate.h"

namespace gateway::deliver {

struct ClassifyPolicy {
  common::Duration max_retry_after{};  ///< A longer Retry-After is cut to this.
};

/// What Segment's answer, or the lack of one, means for a batch. Pure.
/// Source: the decision table of Segment's documented statuses and the retry contract of
/// its official clients (docs/life-of-an-event.md, step 5).
pipeline::Outcome Classify(const pipeline::TransportReply& reply, const ClassifyPolicy& policy,
                           common::WallTime now);

/// What the reply says of the endpoint, whoever asked. Pure.
schedule::EndpointSign SignOf(const pipeline::TransportReply& reply);

/// Retry-After (or X-RateLimit-Reset) as a wait: whole seconds or an HTTP date, at least
/// 1 s, at most `max`; nullopt when absent, negative or garbage.
std::optional<common::Duration> ParseRetryAfter(std::string_view value, common::Duration max,
                                                common::WallTime now);

}  // namespace gateway::deliver

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/clock.h"
#include "gateway/pipeline/event_queue.h"
#include "gateway/pipeline/tenant_view.h"
#include "gateway/pipeline/transport.h"

namespace gateway::deliver {

/// Segment refuses a batch that holds an event of more bytes, with all that is in it. Our
/// ingest takes no larger one, but adds `type`, `messageId` and `timestamp` to one without.
/// Source: contract of the HTTP API, "32 KB per event".
inline constexpr std::size_t kMaxEventBytes = 32'768;

/// Bytes of a request that are not event texts: {"batch":[],"writeKey":…,"sentAt":…}.
std::size_t EnvelopeBytes(const pipeline::Tenant& tenant);

/// The POST of one batch to the tenant's endpoint: the stored texts spliced together, the
/// write key as Basic user and in the body, `sentAt` = now, because Segment re-dates events
/// by the difference to it. `retry_count` is 0 on the first attempt.
/// Source: Segment's HTTP API (POST /v1/batch), and what its Node client sends.
pipeline::OutgoingRequest BuildRequest(const pipeline::Tenant& tenant,
                                       const pipeline::ReadBatch& batch, std::uint32_t retry_count,
                                       common::Duration timeout, common::WallTime now);

}  // namespace gateway::deliver

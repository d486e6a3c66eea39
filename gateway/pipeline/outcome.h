// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "common/clock.h"
#include "gateway/pipeline/event_queue.h"

namespace gateway::pipeline {

/// Why a batch is tried again.
enum class RetryCause {
  kTransport,    ///< No complete answer: DNS, connect, TLS, reset, time-out.
  kThrottled,    ///< 429: Segment is well, the tenant is too fast.
  kServerError,  ///< 408, 410, 460, 5xx.
};

/// What an answer of Segment means for the batch that was sent. A type and not a status
/// code, so that the switch in settle/ has to deal with every case.
struct Delivered {};
struct Retry {
  RetryCause cause;
  std::optional<common::Duration> after;  ///< From Retry-After, clamped; else backoff decides.
};
/// The batch holds something Segment refuses: halve it until the one event is found.
struct Split {
  int http_status;
  std::string excerpt;  ///< Start of the answer, without keys.
};
/// Nothing is wrong with the events: keep them, tell the operator, probe gently.
struct Hold {
  HoldReason reason;
  int http_status;
};
using Outcome = std::variant<Delivered, Retry, Split, Hold>;

}  // namespace gateway::pipeline

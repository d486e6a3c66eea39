// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/clock.h"

namespace gateway::pipeline {

/// Where an event was given up.
enum class DeadLetterStage {
  kIngest,    ///< Refused by validation; it was never part of the log.
  kDelivery,  ///< Accepted, then refused by Segment in a way that no retry can mend.
};

/// An event that will not be delivered, with the reason. Never holds a key.
struct DeadLetter {
  DeadLetterStage stage = DeadLetterStage::kDelivery;
  std::string code;     ///< Stable name, e.g. "no_user_anon_id" or "segment_rejected".
  std::string message;  ///< For a person: what was wrong, or an excerpt of Segment's answer.
  std::string event;    ///< The event's JSON (normalised where it could be).
  int http_status = 0;  ///< Segment's status; 0 when none.
  std::uint32_t attempts = 0;
  common::WallTime accepted_at;
  common::WallTime dead_at;
};

}  // namespace gateway::pipeline

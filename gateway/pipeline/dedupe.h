// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/clock.h"

namespace gateway::pipeline {

/// 128 bits that stand for the messageId a client gave an event. All zero: the gateway made
/// the id itself, so no other event can have it.
struct EventId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  bool made_here() const { return high == 0 && low == 0; }
  friend bool operator==(const EventId&, const EventId&) = default;
};

/// Whether a log drops events whose messageId it has accepted before, and for how long it
/// remembers. When `max_ids` are remembered the oldest are forgotten before their time.
struct Dedupe {
  common::Duration window{};  ///< 0: off.
  std::uint64_t max_ids = 0;

  bool on() const { return window > common::Duration{}; }
};

}  // namespace gateway::pipeline

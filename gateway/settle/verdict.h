// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

#include "common/clock.h"
#include "gateway/pipeline/event_queue.h"
#include "gateway/pipeline/outcome.h"

namespace gateway::settle {

/// Where a tenant's delivery stands between two batches. Cursor and retry state are also
/// in the store; the search for a refused event starts anew after a restart.
struct Progress {
  pipeline::Cursor cursor;
  pipeline::RetryState retry;
  /// Events before this Seq were part of a batch that Segment refused as a whole; batches
  /// are capped at `event_cap` until the cursor has passed it.
  pipeline::Seq suspect_end = 0;
  std::uint32_t event_cap = 0;  ///< 0: none.
};

struct Policy {
  common::Duration hold_probe_interval{};  ///< Between probes of a held tenant.
  /// The wait after failure number n (1 for the first); see schedule/backoff.h.
  std::function<common::Duration(std::uint32_t)> backoff;
  /// See pipeline::DeliveryPolicy.
  std::uint32_t max_refused_in_a_row = 0;
};

/// What follows from an outcome.
struct Verdict {
  Progress progress;                ///< Replaces the old one.
  pipeline::Settlement settlement;  ///< For the queue.
  std::uint32_t delivered = 0;      ///< Events that Segment took.
  std::uint32_t buried = 0;         ///< Events that went to the dead letters or to quarantine.
  std::uint64_t bytes = 0;          ///< Of both.
  common::Duration wait{};          ///< Until the tenant's next batch may go.
};

/// Where a tenant's delivery stood, from what the store has of it.
Progress Resume(const pipeline::Cursor& cursor, const pipeline::RetryState& retry);

/// The one place that decides what an answer does to a tenant's log: move the cursor, wait,
/// halve, bury or hold. `batch` is what was sent, and not empty. Pure.
Verdict Decide(const Progress& progress, pipeline::LogId log, const pipeline::ReadBatch& batch,
               const pipeline::Outcome& outcome, const Policy& policy, common::WallTime now);

/// Buries the events at the cursor that were accepted before `oldest`; `now` is when. The retry
/// state stays: nothing was sent. Pure.
Verdict Expire(const Progress& progress, pipeline::LogId log, const pipeline::ReadBatch& batch,
               common::WallTime oldest, common::WallTime now);

/// Moves the cursor past events whose stored record is damaged. The queue has put the
/// record in quarantine and counts its events as dead once the cursor has passed them.
/// Pure.
Verdict SkipDamaged(const Progress& progress, pipeline::LogId log,
                    const pipeline::ReadBatch& batch);

}  // namespace gateway::settle

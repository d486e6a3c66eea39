// SPDX-License-Identifier: Apache-2.0
//
// The half of the pump that gives up what waited too long.
#include <chrono>
#include <memory>
#include <utility>

#include "common/log.h"
#include "gateway/deliver/pump.h"

namespace gateway::deliver {

using common::WallTime;
using pipeline::LogId;

namespace {

// How long after a look that failed, or that found nothing, there is another one.
constexpr std::chrono::hours kNextLook{1};

}  // namespace

void Pump::ExpireDue() {
  while (!stopping_) {
    const auto log = expiry_.Next();
    if (!log) return;
    Lane& lane = lanes_.at(*log);
    if (scheduler_.pending_events(*log) == 0) {
      // An empty log has nothing to look at; its next event plans a look.
      expiry_.Done();
    } else if (lane.settling || lane.unsettled) {
      // What is found would pile up behind it.
      lane.look_when_settled = true;
      expiry_.Done();
    } else if (!scheduler_.Claim(*log)) {
      expiry_.PlanRetry(*log);
      expiry_.Done();
    } else {
      Look(*log, lane, false);
    }
  }
}

void Pump::Look(LogId log, const Lane& lane, bool whole_batch) {
  queue_.Read(
      {.log = log,
       .from = lane.progress.cursor,
       .max_events = whole_batch ? options_.delivery.max_batch_events : 1,
       .max_bytes = options_.delivery.max_batch_bytes},
      [this, log, whole_batch](common::Result<pipeline::ReadBatch> result) {
        auto shared = std::make_shared<common::Result<pipeline::ReadBatch>>(std::move(result));
        post_([this, log, whole_batch, shared] { OnLook(log, whole_batch, std::move(*shared)); });
      });
}

void Pump::OnLook(LogId log, bool whole_batch, common::Result<pipeline::ReadBatch> result) {
  Lane& lane = lanes_.at(log);
  if (!result || stopping_) {
    EndLook(log, kNextLook);  // The next delivery meets the same, and says so.
  } else if (!result->damaged.empty()) {
    settle::Verdict verdict = settle::SkipDamaged(lane.progress, log, *result);
    // Nothing was sent: a tenant that is held stays it.
    verdict.progress.retry = lane.progress.retry;
    verdict.settlement.retry = lane.progress.retry;
    metrics_.dead.Increment(verdict.buried);
    GiveUp(log, lane, std::move(verdict));
  } else if (result->events == 0) {
    EndLook(log, kNextLook);
  } else {
    Judge(log, lane, *result, whole_batch);
  }
  Turn();
}

void Pump::Judge(LogId log, Lane& lane, const pipeline::ReadBatch& batch, bool whole_batch) {
  const auto oldest = expiry_.Oldest(log);
  if (!oldest) return EndLook(log, {});
  const WallTime accepted_at = batch.slices.front().chunk->accepted_at;
  if (accepted_at >= *oldest) return EndLook(log, accepted_at - *oldest);
  // Most looks find nothing: only this one is worth a batch in memory.
  if (!whole_batch) return Look(log, lane, true);
  settle::Verdict verdict = settle::Expire(lane.progress, log, batch, *oldest, clock_.Wall());
  const auto snapshot = tenants_.Current();
  const pipeline::Tenant* tenant = snapshot->FindByLog(log);
  common::log::Warning("events_expired",
                       "events waited longer than they may; they are dead letters now",
                       {{"log", log},
                        {"tenant", tenant == nullptr ? "" : tenant->id},
                        {"events", verdict.buried},
                        {"max_age_seconds", expiry_.MaxAge(log)}});
  metrics_.expired.Increment(verdict.buried);
  GiveUp(log, lane, std::move(verdict));
}

void Pump::EndLook(LogId log, common::Duration next) {
  scheduler_.Release(log, 0, 0, clock_.Steady());
  expiry_.Done();
  expiry_.Plan(log, next);
}

void Pump::GiveUp(LogId log, Lane& lane, settle::Verdict verdict) {
  lane.progress = verdict.progress;
  scheduler_.SetEventCap(log, verdict.progress.event_cap);
  scheduler_.Release(log, verdict.buried, verdict.bytes, clock_.Steady());
  // The look lasts until the settlement is stored: so much is in memory, and no more.
  lane.giving_up = true;
  lane.look_when_settled = true;
  Settle(log, lane, std::move(verdict.settlement));
}

void Pump::LookAfterSettling(LogId log, Lane& lane) {
  if (std::exchange(lane.giving_up, false)) expiry_.Done();
  if (lane.settling) return;  // What was delivered since.
  if (std::exchange(lane.look_when_settled, false)) expiry_.Plan(log, {});
}

}  // namespace gateway::deliver

// SPDX-License-Identifier: Apache-2.0
#include "gateway/settle/verdict.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

namespace gateway::settle {
namespace {

using pipeline::ChunkSlice;
using pipeline::Cursor;
using pipeline::DeadLetter;
using pipeline::ReadBatch;
using pipeline::Seq;

common::WallTime After(common::WallTime now, common::Duration wait) {
  return now + std::chrono::ceil<std::chrono::milliseconds>(wait);
}

/// Moves the cursor over the first `count` events of the batch.
void Advance(Verdict& verdict, const ReadBatch& batch, std::uint32_t count) {
  for (const ChunkSlice& slice : batch.slices) {
    if (count == 0) break;
    const std::uint32_t taken = std::min(count, slice.count);
    count -= taken;
    verdict.bytes += slice.chunk->Span(slice.from, taken).size();
    verdict.settlement.settled_up_to = slice.chunk->accepted_at;
    const std::uint32_t index = slice.from + taken;
    if (index == slice.chunk->count()) {
      verdict.settlement.finished_chunks.push_back(slice.chunk->first);
      verdict.progress.cursor = Cursor{slice.chunk->end(), 0};
    } else {
      verdict.progress.cursor = Cursor{slice.chunk->first, index};
    }
  }
  verdict.progress.retry = {};
}

/// The next cap of a search: the rest of the suspects, halved by each refusal; none once
/// the cursor has passed them.
void NarrowTo(Progress& progress, Seq suspect_end, std::uint32_t cap) {
  const Seq next = progress.cursor.next();
  if (next >= suspect_end) {
    progress.suspect_end = 0;
    progress.event_cap = 0;
    return;
  }
  progress.suspect_end = suspect_end;
  progress.event_cap = static_cast<std::uint32_t>(std::min<Seq>(cap, suspect_end - next));
}

void CountFailure(Progress& progress, common::WallTime now) {
  if (progress.retry.attempts++ == 0) progress.retry.first_attempt = now;
}

/// Of a tenant of whom every event was refused one event asks; whatever else happens to the log,
/// the hold ends with an answer that takes one.
bool AsksWithOne(const Progress& progress) {
  return progress.retry.hold == pipeline::HoldReason::kEventsRefused;
}

void CapToOne(Progress& progress) { NarrowTo(progress, progress.cursor.next() + 1, 1); }

class Decider {
 public:
  Decider(Verdict& verdict, const ReadBatch& batch, const Policy& policy, common::WallTime now)
      : verdict_(verdict), batch_(batch), policy_(policy), now_(now) {}

  void operator()(const pipeline::Delivered&) {
    verdict_.delivered = batch_.events;
    Progress& progress = verdict_.progress;
    Advance(verdict_, batch_, batch_.events);
    // The good half went through: the refused event is in the rest, which is tried whole.
    NarrowTo(progress, progress.suspect_end, batch_.events);
  }

  void operator()(const pipeline::Retry& retry) {
    CountFailure(verdict_.progress, now_);
    if (!AsksWithOne(verdict_.progress)) {
      verdict_.progress.retry.hold = pipeline::HoldReason::kNone;
    }
    Wait(retry.after ? *retry.after : policy_.backoff(verdict_.progress.retry.attempts));
  }

  void operator()(const pipeline::Split& split) {
    if (batch_.events == 1) return RefuseOne(split);
    CountFailure(verdict_.progress, now_);
    verdict_.progress.retry.hold = pipeline::HoldReason::kNone;
    const Seq end = batch_.slices.back().end();
    NarrowTo(verdict_.progress, std::max(end, verdict_.progress.suspect_end),
             (batch_.events + 1) / 2);
    Wait({});
  }

  void operator()(const pipeline::Hold& hold) { HoldBack(hold.reason); }

 private:
  void HoldBack(pipeline::HoldReason reason) {
    CountFailure(verdict_.progress, now_);
    verdict_.progress.retry.hold = reason;
    Wait(policy_.hold_probe_interval);
  }

  /// One bad event is buried. When one after the other is refused it is not the events: they are
  /// kept, and one of them asks now and then.
  void RefuseOne(const pipeline::Split& split) {
    Progress& progress = verdict_.progress;
    const std::uint32_t limit = policy_.max_refused_in_a_row;
    if (limit == 0 || progress.retry.refused_in_a_row < limit) return Bury(split);
    CapToOne(progress);
    HoldBack(pipeline::HoldReason::kEventsRefused);
  }

  void Wait(common::Duration wait) {
    verdict_.wait = wait;
    verdict_.progress.retry.not_before =
        wait == common::Duration{} ? common::WallTime{} : After(now_, wait);
  }

  void Bury(const pipeline::Split& split) {
    const ChunkSlice& slice = batch_.slices.front();
    const pipeline::RetryState& retry = verdict_.progress.retry;
    verdict_.settlement.dead.push_back(DeadLetter{.stage = pipeline::DeadLetterStage::kDelivery,
                                                  .code = "segment_rejected",
                                                  .message = split.excerpt,
                                                  .event = std::string(slice.Bytes()),
                                                  .http_status = split.http_status,
                                                  .attempts = retry.attempts + 1,
                                                  .accepted_at = slice.chunk->accepted_at,
                                                  .dead_at = now_});
    verdict_.buried = 1;
    Progress& progress = verdict_.progress;
    const Seq suspect_end = progress.suspect_end;
    const std::uint32_t refused_before = retry.refused_in_a_row;
    Advance(verdict_, batch_, 1);
    progress.retry.refused_in_a_row = refused_before + 1;
    // One bad event may have a bad neighbour, but most often has not.
    NarrowTo(progress, suspect_end, static_cast<std::uint32_t>(-1));
  }

  Verdict& verdict_;
  const ReadBatch& batch_;
  const Policy& policy_;
  const common::WallTime now_;
};

Verdict Begin(const Progress& progress, pipeline::LogId log) {
  Verdict verdict;
  verdict.progress = progress;
  verdict.settlement.log = log;
  return verdict;
}

Verdict Finish(Verdict verdict) {
  verdict.settlement.cursor = verdict.progress.cursor;
  verdict.settlement.retry = verdict.progress.retry;
  return verdict;
}

}  // namespace

Progress Resume(const pipeline::Cursor& cursor, const pipeline::RetryState& retry) {
  Progress progress;
  progress.cursor = cursor;
  progress.retry = retry;
  if (AsksWithOne(progress)) CapToOne(progress);
  return progress;
}

Verdict Decide(const Progress& progress, pipeline::LogId log, const ReadBatch& batch,
               const pipeline::Outcome& outcome, const Policy& policy, common::WallTime now) {
  Verdict verdict = Begin(progress, log);
  std::visit(Decider(verdict, batch, policy, now), outcome);
  return Finish(std::move(verdict));
}

Verdict Expire(const Progress& progress, pipeline::LogId log, const ReadBatch& batch,
               common::WallTime oldest, common::WallTime now) {
  Verdict verdict = Begin(progress, log);
  for (const ChunkSlice& slice : batch.slices) {
    if (slice.chunk->accepted_at >= oldest) break;
    for (std::uint32_t i = 0; i < slice.count; ++i) {
      verdict.settlement.dead.push_back(
          DeadLetter{.stage = pipeline::DeadLetterStage::kDelivery,
                     .code = "expired",
                     .message = "not delivered within the tenant's retention",
                     .event = std::string(slice.chunk->Span(slice.from + i, 1)),
                     .attempts = progress.retry.attempts,
                     .accepted_at = slice.chunk->accepted_at,
                     .dead_at = now});
    }
    verdict.buried += slice.count;
  }
  Advance(verdict, batch, verdict.buried);
  verdict.progress.retry = progress.retry;
  if (AsksWithOne(verdict.progress)) {
    CapToOne(verdict.progress);
  } else if (verdict.progress.event_cap != 0) {
    NarrowTo(verdict.progress, progress.suspect_end, progress.event_cap);
  }
  return Finish(std::move(verdict));
}

Verdict SkipDamaged(const Progress& progress, pipeline::LogId log, const ReadBatch& batch) {
  Verdict verdict = Begin(progress, log);
  for (const auto& [first, end] : batch.damaged) {
    const Seq from = std::max(first, verdict.progress.cursor.next());
    verdict.buried += static_cast<std::uint32_t>(end - from);
    verdict.progress.cursor = Cursor{end, 0};
  }
  // Nothing was sent.
  if (AsksWithOne(verdict.progress)) {
    CapToOne(verdict.progress);
  } else {
    verdict.progress.retry = {};
  }
  return Finish(std::move(verdict));
}

}  // namespace gateway::settle

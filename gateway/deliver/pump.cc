// SPDX-License-Identifier: Apache-2.0
#include "gateway/deliver/pump.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <iterator>
#include <utility>
#include <variant>

#include "common/log.h"
#include "common/strings.h"
#include "gateway/deliver/segment_request.h"

namespace gateway::deliver {
namespace {

using common::SteadyTime;
using common::WallTime;
using pipeline::HoldReason;
using pipeline::LogId;

double Seconds(common::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

void ReplaceAll(std::string& text, std::string_view part) {
  if (part.empty()) return;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at)) {
    text.replace(at, part.size(), "***");
  }
}

/// An answer may quote the key it refuses, or the Authorization header that carried it.
void Redact(std::string& text, const common::Secret& key) {
  if (key.empty()) return;
  ReplaceAll(text, key.Reveal());
  for (const std::string& user : {key.Reveal() + ":", key.Reveal()}) {
    std::string encoded = common::Base64Encode(user);
    encoded.resize(encoded.find_last_not_of('=') + 1);
    ReplaceAll(text, encoded);
  }
}

const char* HoldName(HoldReason reason) {
  switch (reason) {
    case HoldReason::kNone:
      return "none";
    case HoldReason::kWriteKeyRefused:
      return "write_key_refused";
    case HoldReason::kEndpointWrong:
      return "endpoint_wrong";
    case HoldReason::kEventsRefused:
      return "events_refused";
  }
  return "none";
}

/// When a lane whose retry state was stored is due. A stored wait that is longer than any that
/// `policy` allows was written by a clock that has been put back since: nothing is known of
/// what is left of it, so it is over.
SteadyTime DueAfterRestart(const pipeline::RetryState& retry,
                           const pipeline::DeliveryPolicy& policy, const common::Clock& clock) {
  common::Duration longest = std::max(policy.backoff.max * 2, policy.max_retry_after);
  if (retry.hold == HoldReason::kEventsRefused) {  // Its probe may have met a Retry-After.
    longest = std::max(longest, policy.hold_probe_interval);
  } else if (retry.hold != HoldReason::kNone) {
    longest = policy.hold_probe_interval;
  }
  const common::Duration wait = retry.not_before - clock.Wall();
  return clock.Steady() +
         (wait > longest ? common::Duration{} : std::max(wait, common::Duration{}));
}

/// Whether the last batch got no good answer, as far as the store knows; it does not tell a tenant
/// that was throttled.
bool Failed(const pipeline::RetryState& retry) {
  switch (retry.hold) {
    case HoldReason::kNone:
    case HoldReason::kEndpointWrong:
      return retry.attempts > 0;
    case HoldReason::kWriteKeyRefused:
    case HoldReason::kEventsRefused:
      return false;
  }
  return false;
}

/// Adds a later settlement of the same log to an earlier one.
void Merge(pipeline::Settlement& earlier, pipeline::Settlement&& later) {
  earlier.cursor = later.cursor;
  earlier.retry = later.retry;
  if (later.settled_up_to != WallTime{}) earlier.settled_up_to = later.settled_up_to;
  std::ranges::move(later.finished_chunks, std::back_inserter(earlier.finished_chunks));
  std::ranges::move(later.dead, std::back_inserter(earlier.dead));
}

}  // namespace

Pump::Pump(PumpOptions options, const common::Clock& clock, common::Random& random,
           pipeline::EventQueue& queue, pipeline::Transport& transport,
           const pipeline::TenantView& tenants, Post post, SetAlarm set_alarm,
           prometheus::Registry& registry)
    : options_(std::move(options)),
      clock_(clock),
      queue_(queue),
      transport_(transport),
      tenants_(tenants),
      post_(std::move(post)),
      set_alarm_(std::move(set_alarm)),
      random_(random),
      metrics_(registry),
      scheduler_(options_.scheduler, random),
      expiry_({.default_max_age = options_.default_max_age,
               .retry_interval = options_.queue_retry_interval,
               .may_expire = options_.may_expire},
              clock, tenants) {}

void Pump::Start(const std::vector<pipeline::LogState>& logs) {
  const auto snapshot = tenants_.Current();
  std::uint64_t unconfigured = 0;
  std::uint64_t switched_off = 0;
  for (const pipeline::LogState& state : logs) {
    Lane& lane = lanes_[state.log];
    const pipeline::Tenant* tenant = snapshot->FindByLog(state.log);
    const pipeline::DeliveryPolicy& policy = PolicyOf(tenant);
    lane.progress = settle::Resume(state.cursor, state.retry);
    lane.deliverable = tenant != nullptr && tenant->mode == pipeline::TenantMode::kEnabled;
    lane.endpoint = &EndpointOf(tenant);
    scheduler_.AddLane(state.log, lane.endpoint->id, policy,
                       {.events = state.pending(),
                        .bytes = state.pending_bytes,
                        .not_before = DueAfterRestart(state.retry, policy, clock_),
                        .failed = Failed(state.retry),
                        .paused = !lane.deliverable},
                       clock_.Steady());
    scheduler_.SetEventCap(state.log, lane.progress.event_cap);
    CountHeld({}, state.retry);
    // It does not expire while nobody looks.
    if (state.pending() > 0) expiry_.PlanBacklog(state.log);
    if (tenant == nullptr && state.pending() > 0) {
      ++unconfigured;
      common::log::Warning("tenant_unconfigured",
                           "stored events of a tenant that the configuration lacks are kept",
                           {{"tenant", state.tenant}, {"pending", state.pending()}});
    } else if (tenant != nullptr && tenant->mode == pipeline::TenantMode::kNotForwarded &&
               state.pending() > 0) {
      ++switched_off;
      common::log::Warning("tenant_switched_off",
                           "events stored before the tenant's switch was turned off are kept and "
                           "not sent",
                           {{"tenant", state.tenant}, {"pending", state.pending()}});
    }
  }
  metrics_.switched_off_tenants.Set(static_cast<double>(switched_off));
  metrics_.unconfigured_tenants.Set(static_cast<double>(unconfigured));
  Turn();
}

const pipeline::DeliveryPolicy& Pump::PolicyOf(const pipeline::Tenant* tenant) const {
  return tenant != nullptr && tenant->delivery != nullptr ? *tenant->delivery : options_.delivery;
}

settle::Policy Pump::SettlePolicy(const pipeline::DeliveryPolicy& policy) const {
  return {.hold_probe_interval = policy.hold_probe_interval,
          .backoff =
              [&policy, this](std::uint32_t attempt) {
                return schedule::BackoffDelay(policy.backoff, attempt, random_);
              },
          .max_refused_in_a_row = policy.max_refused_in_a_row};
}

const Pump::Endpoint& Pump::EndpointOf(const pipeline::Tenant* tenant) {
  const pipeline::Endpoint* endpoint = tenant == nullptr ? nullptr : tenant->endpoint.get();
  const Origin origin = endpoint == nullptr ? Origin{} : Origin::Of(*endpoint);
  const auto [known, is_new] = endpoints_.try_emplace(origin);
  if (is_new) {
    known->second = {.id = scheduler_.AddEndpoint(clock_.Steady()), .name = origin.host};
  }
  return known->second;
}

void Pump::OnCommitted(const std::vector<pipeline::Committed>& commits) {
  for (const pipeline::Committed& commit : commits) {
    scheduler_.OnCommitted(commit.log, commit.events, commit.bytes, clock_.Steady());
    expiry_.OnCommitted(commit.log);
  }
  Turn();
}

void Pump::Turn() {
  const SteadyTime now = clock_.Steady();
  RetrySettlements(now);
  ExpireDue();
  while (!stopping_) {
    const auto dispatch = scheduler_.Next(now);
    if (!dispatch) break;
    StartBatch(*dispatch);
  }
  metrics_.in_flight.Set(scheduler_.in_flight());
  Rearm(now);
  CheckStopped();
}

void Pump::Rearm(SteadyTime now) {
  std::optional<SteadyTime> wake = scheduler_.NextWake(now);
  if (!refused_.empty()) wake = std::min(wake.value_or(refused_retry_), refused_retry_);
  if (const auto look = expiry_.NextWake()) wake = std::min(wake.value_or(*look), *look);
  if (!wake) return;
  // An alarm too early does no harm, and setting one costs a system call.
  if (alarm_ && *alarm_ > now && *alarm_ <= *wake) return;
  alarm_ = *wake;
  set_alarm_(*wake);
}

void Pump::StartBatch(const schedule::Dispatch& dispatch) {
  const LogId log = dispatch.log;
  const auto snapshot = tenants_.Current();
  const pipeline::Tenant* tenant = snapshot->FindByLog(log);
  const std::size_t envelope = tenant == nullptr ? 0 : EnvelopeBytes(*tenant);
  queue_.Read(
      {.log = log,
       .from = lanes_.at(log).progress.cursor,
       .max_events = dispatch.max_events,
       .max_bytes = dispatch.max_bytes - std::min<std::uint64_t>(envelope, dispatch.max_bytes),
       // Whatever Segment says to it, nothing beside it is refused for it.
       .max_bytes_in_company = kMaxEventBytes},
      [this, log](common::Result<pipeline::ReadBatch> result) {
        // std::function wants a copyable capture.
        auto shared = std::make_shared<common::Result<pipeline::ReadBatch>>(std::move(result));
        post_([this, log, shared] { OnRead(log, std::move(*shared)); });
      });
}

void Pump::OnRead(LogId log, common::Result<pipeline::ReadBatch> result) {
  Lane& lane = lanes_.at(log);
  const SteadyTime retry_at = clock_.Steady() + options_.queue_retry_interval;
  if (!result) {
    common::log::Error("queue_read_failed", "cannot read a tenant's events; trying again",
                       {{"log", log}, {"error", result.error().message}});
    scheduler_.OnBatchRead(log, 0, 0);
    return EndUnsent(log, lane, retry_at);
  }
  lane.batch = std::move(*result);
  scheduler_.OnBatchRead(log, lane.batch.events, lane.batch.bytes);
  if (!lane.batch.damaged.empty()) {
    settle::Verdict verdict = settle::SkipDamaged(lane.progress, log, lane.batch);
    lane.batch = {};
    return Apply(log, lane, std::move(verdict), schedule::EndpointSign::kNone);
  }
  if (lane.batch.events == 0 || stopping_) return EndUnsent(log, lane, retry_at);
  Send(log, lane);
}

void Pump::Send(LogId log, Lane& lane) {
  const auto snapshot = tenants_.Current();
  const pipeline::Tenant* tenant = snapshot->FindByLog(log);
  if (tenant == nullptr || tenant->mode != pipeline::TenantMode::kEnabled) {
    lane.deliverable = false;
    UpdatePause(log, lane);
    return EndUnsent(log, lane, clock_.Steady());
  }
  lane.sent_at = clock_.Steady();
  metrics_.batch_events.Observe(lane.batch.events);
  transport_.Send(BuildRequest(*tenant, lane.batch, lane.progress.retry.attempts,
                               PolicyOf(tenant).request_timeout, clock_.Wall()),
                  [this, log](pipeline::TransportReply reply) { OnReply(log, std::move(reply)); });
}

void Pump::OnReply(LogId log, pipeline::TransportReply reply) {
  Lane& lane = lanes_.at(log);
  metrics_.request_seconds.Observe(Seconds(clock_.Steady() - lane.sent_at));
  const WallTime now = clock_.Wall();
  const auto snapshot = tenants_.Current();
  const pipeline::Tenant* tenant = snapshot->FindByLog(log);
  if (auto* response = std::get_if<pipeline::IncomingResponse>(&reply);
      response != nullptr && tenant != nullptr) {
    Redact(response->body, tenant->write_key);
  }
  const pipeline::DeliveryPolicy& policy = PolicyOf(tenant);
  const pipeline::Outcome outcome =
      Classify(reply, {.max_retry_after = policy.max_retry_after}, now);
  settle::Verdict verdict =
      settle::Decide(lane.progress, log, lane.batch, outcome, SettlePolicy(policy), now);
  Report(tenant == nullptr ? "" : tenant->id, lane.progress.retry.hold, reply, outcome, verdict);
  if (verdict.delivered > 0) {
    for (const pipeline::ChunkSlice& slice : lane.batch.slices) {
      metrics_.end_to_end_seconds.Observe(Seconds(now - slice.chunk->accepted_at));
    }
  }
  lane.batch = {};
  Apply(log, lane, std::move(verdict), SignOf(reply));
}

void Pump::EndUnsent(LogId log, Lane& lane, SteadyTime not_before) {
  lane.batch = {};
  EndBatch(log, lane, {.not_before = not_before});
  Turn();
}

void Pump::EndBatch(LogId log, const Lane& lane, const schedule::BatchEnd& end) {
  using State = schedule::EndpointGate::State;
  const Endpoint& endpoint = *lane.endpoint;
  const State before = scheduler_.StateOf(endpoint.id);
  scheduler_.OnBatchDone(log, end, clock_.Steady());
  const State after = scheduler_.StateOf(endpoint.id);
  if (before == after) return;
  if (after == State::kDown) {
    metrics_.endpoints_down.Increment();
    common::log::Error("endpoint_down",
                       "an endpoint answers no tenant; one request at a time asks whether it is "
                       "back, and nothing is lost",
                       {{"endpoint", endpoint.name}});
  } else if (before == State::kDown) {
    metrics_.endpoints_down.Decrement();
    common::log::Info("endpoint_back", "the endpoint answers again; requests increase step by step",
                      {{"endpoint", endpoint.name}});
  }
}

void Pump::Apply(LogId log, Lane& lane, settle::Verdict verdict, schedule::EndpointSign sign) {
  CountHeld(lane.progress.retry, verdict.progress.retry);
  lane.progress = verdict.progress;
  metrics_.delivered.Increment(verdict.delivered);
  metrics_.dead.Increment(verdict.buried);
  scheduler_.SetEventCap(log, verdict.progress.event_cap);
  const SteadyTime now = clock_.Steady();
  EndBatch(log, lane,
           {.events = std::uint64_t{verdict.delivered} + verdict.buried,
            .bytes = verdict.bytes,
            .not_before = now + verdict.wait,
            .sign = sign});
  Settle(log, lane, std::move(verdict.settlement));
  Turn();
}

void Pump::Settle(LogId log, Lane& lane, pipeline::Settlement settlement) {
  if (lane.unsettled) {
    Merge(*lane.unsettled, std::move(settlement));
  } else {
    lane.unsettled = std::move(settlement);
  }
  if (!lane.settling) SubmitSettlement(log, lane);
}

void Pump::SubmitSettlement(LogId log, Lane& lane) {
  lane.settling = std::move(lane.unsettled);
  lane.unsettled.reset();
  ++settling_;
  queue_.Settle(*lane.settling, [this, log](const common::Status& status) {
    post_([this, log, status] { OnSettled(log, status); });
  });
}

void Pump::OnSettled(LogId log, const common::Status& status) {
  Lane& lane = lanes_.at(log);
  --settling_;
  if (status) {
    lane.settling.reset();
    lane.settle_refused = false;
    if (lane.unsettled) SubmitSettlement(log, lane);
    LookAfterSettling(log, lane);
  } else {
    if (!lane.settle_refused) {  // Once an outage; it is tried every second.
      common::log::Error("settle_failed", "cannot store what was delivered; trying again",
                         {{"log", log}, {"error", status.error().message}});
    }
    if (lane.unsettled) Merge(*lane.settling, std::move(*lane.unsettled));
    lane.unsettled = std::move(lane.settling);
    lane.settling.reset();
    lane.settle_refused = true;
    refused_.push_back(log);
    refused_retry_ = clock_.Steady() + options_.queue_retry_interval;
  }
  UpdatePause(log, lane);
  Turn();
}

void Pump::RetrySettlements(SteadyTime now) {
  // On a stop they are given up: the events in question are sent once more after it.
  if (refused_.empty() || now < refused_retry_ || stopping_) return;
  for (const LogId log : std::exchange(refused_, {})) {
    Lane& lane = lanes_.at(log);
    if (lane.unsettled && !lane.settling) SubmitSettlement(log, lane);
  }
}

void Pump::UpdatePause(LogId log, Lane& lane) {
  scheduler_.SetPaused(log, !lane.deliverable || lane.settle_refused, clock_.Steady());
}

void Pump::CountHeld(const pipeline::RetryState& before, const pipeline::RetryState& after) {
  const auto add = [this](HoldReason reason, double n) {
    switch (reason) {
      case HoldReason::kNone:
        return;
      case HoldReason::kWriteKeyRefused:
        return metrics_.held_write_key.Increment(n);
      case HoldReason::kEndpointWrong:
        return metrics_.held_endpoint.Increment(n);
      case HoldReason::kEventsRefused:
        return metrics_.held_events.Increment(n);
    }
  };
  if (before.hold == after.hold) return;
  add(before.hold, -1);
  add(after.hold, 1);
}

void Pump::Report(const std::string& tenant, HoldReason held_before,
                  const pipeline::TransportReply& reply, const pipeline::Outcome& outcome,
                  const settle::Verdict& verdict) {
  int status = 0;
  std::string detail;
  if (const auto* response = std::get_if<pipeline::IncomingResponse>(&reply)) {
    status = response->status;
    (status < 300   ? metrics_.attempts_2xx
     : status < 400 ? metrics_.attempts_3xx
     : status < 500 ? metrics_.attempts_4xx
                    : metrics_.attempts_5xx)
        .Increment();
  } else {
    metrics_.attempts_no_answer.Increment();
    detail = std::get<pipeline::TransportFailure>(reply).message;
  }
  const HoldReason hold = verdict.progress.retry.hold;
  if (held_before != HoldReason::kNone && hold == HoldReason::kNone) {
    common::log::Info("tenant_released", "the tenant's events are sent again",
                      {{"tenant", tenant}, {"status", status}});
  }
  const std::uint32_t attempts = verdict.progress.retry.attempts;
  // An outage would fill the log: 1st, 2nd, 4th, 8th … failure speaks for the others.
  const bool speak = std::has_single_bit(attempts) || hold != held_before;
  if (const auto* retry = std::get_if<pipeline::Retry>(&outcome)) {
    (retry->cause == pipeline::RetryCause::kTransport   ? metrics_.retries_transport
     : retry->cause == pipeline::RetryCause::kThrottled ? metrics_.retries_throttled
                                                        : metrics_.retries_server_error)
        .Increment();
    if (speak) {
      common::log::Warning("delivery_retry", "Segment did not take a batch; it is sent again",
                           {{"tenant", tenant},
                            {"status", status},
                            {"error", detail},
                            {"attempts", attempts},
                            {"wait_seconds", verdict.wait}});
    }
  } else if (hold != HoldReason::kNone) {
    if (speak) {
      common::log::Error("tenant_held",
                         "the tenant's events are kept and not sent until this is mended",
                         {{"tenant", tenant},
                          {"reason", HoldName(hold)},
                          {"status", status},
                          {"probe_seconds", verdict.wait}});
    }
  } else if (const auto* split = std::get_if<pipeline::Split>(&outcome)) {
    metrics_.splits.Increment(verdict.buried == 0 ? 1 : 0);
    if (verdict.buried > 0) {
      common::log::Warning("event_dead", "Segment refused an event; it is in the dead letters",
                           {{"tenant", tenant}, {"status", status}, {"answer", split->excerpt}});
    }
  }
}

void Pump::Stop(std::function<void()> done) {
  stopping_ = true;
  stopped_ = std::move(done);
  CheckStopped();
}

void Pump::CheckStopped() {
  if (!stopping_ || !stopped_) return;
  if (scheduler_.in_flight() > 0 || scheduler_.claimed() > 0 || settling_ > 0) return;
  std::exchange(stopped_, nullptr)();
}

}  // namespace gateway::deliver

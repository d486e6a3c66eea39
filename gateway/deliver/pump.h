// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/registry.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "common/random.h"
#include "gateway/deliver/classify.h"
#include "gateway/deliver/connection_pool.h"
#include "gateway/deliver/delivery_metrics.h"
#include "gateway/deliver/expiry.h"
#include "gateway/pipeline/event_queue.h"
#include "gateway/pipeline/tenant_view.h"
#include "gateway/pipeline/transport.h"
#include "gateway/schedule/backoff.h"
#include "gateway/schedule/scheduler.h"
#include "gateway/settle/verdict.h"

namespace gateway::deliver {

struct PumpOptions {
  schedule::SchedulerOptions scheduler;
  pipeline::DeliveryPolicy delivery;  ///< Of tenants that have none of their own.
  /// As in ExpiryOptions.
  common::Duration default_max_age{};
  std::function<bool()> may_expire{};
  /// Wait before the queue is asked again after it refused a settlement or a read.
  common::Duration queue_retry_interval{};
};

/// The delivery loop: next due tenant -> read its batch -> send -> classify -> settle.
///
/// A passive object that lives on one thread: every method is called there, and every
/// callback it gives away comes back through `post`. It owns no timer: it asks for an alarm
/// and gets a Turn. So a test drives it in virtual time.
class Pump {
 public:
  /// Runs a function on the pump's thread, later. Thread-safe.
  using Post = std::function<void(std::function<void()>)>;
  /// Asks for a call of Turn at that time; replaces an earlier request.
  using SetAlarm = std::function<void(common::SteadyTime)>;

  /// Everything passed by reference outlives the pump.
  Pump(PumpOptions options, const common::Clock& clock, common::Random& random,
       pipeline::EventQueue& queue, pipeline::Transport& transport,
       const pipeline::TenantView& tenants, Post post, SetAlarm set_alarm,
       prometheus::Registry& registry);

  /// Takes over the logs as the store has them. A log whose tenant is not configured is
  /// kept and not delivered.
  void Start(const std::vector<pipeline::LogState>& logs);
  /// The commit listener's news.
  void OnCommitted(const std::vector<pipeline::Committed>& commits);
  /// Starts every batch that is due, and asks for the next alarm.
  void Turn();

  /// Starts no further batch; `done` runs once nothing is in flight and every settlement
  /// is committed or has failed.
  void Stop(std::function<void()> done);

  std::uint64_t pending_events() const { return scheduler_.pending_events(); }

 private:
  struct Endpoint {
    schedule::EndpointId id = 0;
    std::string name;  ///< For the log.
  };

  struct Lane {
    const Endpoint* endpoint = nullptr;
    settle::Progress progress;
    pipeline::ReadBatch batch;  ///< In flight.
    common::SteadyTime sent_at;
    std::optional<pipeline::Settlement> unsettled;  ///< Waits for `settling` to end.
    std::optional<pipeline::Settlement> settling;   ///< With the queue; kept for a second try.
    bool deliverable = false;                       ///< The tenant is configured and enabled.
    bool settle_refused = false;     ///< The queue refused; nothing is sent until it takes it.
    bool giving_up = false;          ///< A look's settlement is with the queue: the look lasts.
    bool look_when_settled = false;  ///< For events that waited too long.
  };

  const pipeline::DeliveryPolicy& PolicyOf(const pipeline::Tenant* tenant) const;
  settle::Policy SettlePolicy(const pipeline::DeliveryPolicy& policy) const;
  /// The scheduler's number for a tenant's endpoint; all that have no tenant share one.
  const Endpoint& EndpointOf(const pipeline::Tenant* tenant);
  void EndBatch(pipeline::LogId log, const Lane& lane, const schedule::BatchEnd& end);
  /// Nothing was sent: its events wait until `not_before`.
  void EndUnsent(pipeline::LogId log, Lane& lane, common::SteadyTime not_before);
  void StartBatch(const schedule::Dispatch& dispatch);
  void OnRead(pipeline::LogId log, common::Result<pipeline::ReadBatch> result);
  void Send(pipeline::LogId log, Lane& lane);
  void OnReply(pipeline::LogId log, pipeline::TransportReply reply);
  void Apply(pipeline::LogId log, Lane& lane, settle::Verdict verdict, schedule::EndpointSign sign);
  void Settle(pipeline::LogId log, Lane& lane, pipeline::Settlement settlement);
  void SubmitSettlement(pipeline::LogId log, Lane& lane);
  void OnSettled(pipeline::LogId log, const common::Status& status);
  // In pump_expiry.cc: what waits too long is given up.
  void ExpireDue();
  /// Reads at the cursor of a claimed lane: one event, or as many as a batch has.
  void Look(pipeline::LogId log, const Lane& lane, bool whole_batch);
  void OnLook(pipeline::LogId log, bool whole_batch, common::Result<pipeline::ReadBatch> result);
  void Judge(pipeline::LogId log, Lane& lane, const pipeline::ReadBatch& batch, bool whole_batch);
  /// Nothing is given up; there is another look after `next`.
  void EndLook(pipeline::LogId log, common::Duration next);
  void GiveUp(pipeline::LogId log, Lane& lane, settle::Verdict verdict);
  void LookAfterSettling(pipeline::LogId log, Lane& lane);
  void Report(const std::string& tenant, pipeline::HoldReason held_before,
              const pipeline::TransportReply& reply, const pipeline::Outcome& outcome,
              const settle::Verdict& verdict);
  void CountHeld(const pipeline::RetryState& before, const pipeline::RetryState& after);
  void RetrySettlements(common::SteadyTime now);
  void UpdatePause(pipeline::LogId log, Lane& lane);
  void Rearm(common::SteadyTime now);
  void CheckStopped();

  const PumpOptions options_;
  const common::Clock& clock_;
  pipeline::EventQueue& queue_;
  pipeline::Transport& transport_;
  const pipeline::TenantView& tenants_;
  const Post post_;
  const SetAlarm set_alarm_;
  common::Random& random_;
  DeliveryMetrics metrics_;
  schedule::Scheduler scheduler_;
  Expiry expiry_;
  std::unordered_map<pipeline::LogId, Lane> lanes_;
  std::map<Origin, Endpoint> endpoints_;
  std::size_t settling_ = 0;
  std::vector<pipeline::LogId> refused_;  ///< Lanes with settle_refused.
  common::SteadyTime refused_retry_;      ///< When they are tried again.
  std::optional<common::SteadyTime> alarm_;
  std::function<void()> stopped_;
  bool stopping_ = false;
};

}  // namespace gateway::deliver

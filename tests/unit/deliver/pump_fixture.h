// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/random.h"
#include "gateway/deliver/pump.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_queue.h"
#include "tests/support/scripted_transport.h"

namespace gateway::deliver {

using namespace std::chrono_literals;
using pipeline::LogId;

inline PumpOptions TestOptions() {
  return {.scheduler = {.max_in_flight = 8,
                        .slow = 0s,
                        .endpoint = {.failing_tenants = 3,
                                     .silence = 1s,
                                     .probe = {.initial = 1s, .multiplier = 2, .max = 30s},
                                     .recovery_requests_per_second = 50}},
          .delivery = {.flush_interval = 1s,
                       .max_batch_events = 100,
                       .max_batch_bytes = 10'000,
                       .request_timeout = 15s,
                       .backoff = {.initial = 500ms, .multiplier = 2, .max = 300s, .jitter = 0},
                       .max_retry_after = 300s,
                       .hold_probe_interval = 60s},
          .queue_retry_interval = 1s};
}

class OneSnapshot final : public pipeline::TenantView {
 public:
  std::shared_ptr<const pipeline::TenantSnapshot> snapshot;
  std::shared_ptr<const pipeline::TenantSnapshot> Current() const override { return snapshot; }
};

class PumpTest : public testing::Test {
 protected:
  LogId AddTenant(const std::string& id, pipeline::TenantMode mode) {
    const LogId log = queue_.OpenLog(id)->log;
    pipeline::Tenant tenant;
    tenant.id = id;
    tenant.log = log;
    tenant.mode = mode;
    tenant.write_key = common::Secret("secret-of-" + id);
    tenant.endpoint = std::make_shared<pipeline::Endpoint>();
    specs_.push_back(tenant);
    return log;
  }

  void Start() {
    view_.snapshot =
        std::make_shared<pipeline::TenantSnapshot>(specs_, std::vector<pipeline::ServiceKey>{});
    pump_ = std::make_unique<Pump>(
        options_, clock_, random_, queue_, transport_, view_,
        [this](std::function<void()> f) { posted_.push_back(std::move(f)); },
        [this](common::SteadyTime at) { alarm_ = at; }, registry_);
    queue_.SetCommitListener([this](const std::vector<pipeline::Committed>& commits) {
      posted_.push_back([this, commits] { pump_->OnCommitted(commits); });
    });
    std::vector<pipeline::LogState> logs;
    for (const auto& tenant : specs_) logs.push_back(queue_.State(tenant.log));
    pump_->Start(logs);
    Drain();
  }

  void Append(LogId log, int count, const std::string& prefix = "m") {
    std::vector<std::string> texts;
    for (int i = 0; i < count; ++i) {
      texts.push_back(fmt::format(R"({{"messageId":"{}{}"}})", prefix, next_id_++));
    }
    ASSERT_TRUE(queue_.AppendTexts(log, texts, clock_.Wall()));
    Drain();
  }

  void Drain() {
    while (!posted_.empty()) {
      const auto f = std::move(posted_.front());
      posted_.pop_front();
      f();
    }
  }

  /// Moves time on, ringing the alarm when it is due.
  void Pass(common::Duration by) {
    const common::SteadyTime end = clock_.Steady() + by;
    while (alarm_ && *alarm_ <= end) {
      const common::SteadyTime at = *alarm_;
      alarm_.reset();
      if (at > clock_.Steady()) clock_.Advance(at - clock_.Steady());
      pump_->Turn();
      Drain();
    }
    clock_.Advance(end - clock_.Steady());
  }

  pipeline::OutgoingRequest AnswerStatus(int status, const std::string& body = "") {
    auto request = transport_.AnswerStatus(status, body);
    Drain();
    return request;
  }

  static std::vector<std::string> Ids(const pipeline::OutgoingRequest& request) {
    std::vector<std::string> ids;
    const auto json = nlohmann::json::parse(request.body);
    for (const auto& event : json.at("batch")) ids.push_back(event.at("messageId"));
    return ids;
  }

  double Pending() { return static_cast<double>(pump_->pending_events()); }

  /// The sum of a metric, or of its series that have this label value.
  double Metric(const std::string& name, const std::string& label = "") {
    for (const auto& family : registry_.Collect()) {
      if (family.name != "segment_gateway_" + name) continue;
      double sum = 0;
      for (const auto& metric : family.metric) {
        if (label.empty() || (!metric.label.empty() && metric.label[0].value == label)) {
          sum += metric.counter.value + metric.gauge.value;
        }
      }
      return sum;
    }
    ADD_FAILURE() << "no metric " << name;
    return -1;
  }

  PumpOptions options_ = TestOptions();
  tests::FakeClock clock_;
  common::FastRandom random_{42};
  tests::MemoryQueue queue_;
  tests::ScriptedTransport transport_;
  OneSnapshot view_;
  prometheus::Registry registry_;
  std::vector<pipeline::Tenant> specs_;
  std::deque<std::function<void()>> posted_;
  std::optional<common::SteadyTime> alarm_;
  std::unique_ptr<Pump> pump_;
  int next_id_ = 0;
};

}  // namespace gateway::deliver

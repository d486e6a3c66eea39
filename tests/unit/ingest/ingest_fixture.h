// SPDX-License-Identifier: Apache-2.0
//
// The ingest without sockets: header and body in, answer and queue out.
#pragma once

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/strings.h"
#include "gateway/ingest/ingest_service.h"
#include "tests/support/answer_sink.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_queue.h"

namespace gateway::ingest {

using common::net::ReadBody;
using common::net::RequestHead;
using common::net::Responder;
using common::net::Response;
using Json = nlohmann::json;

class FixedTenants final : public pipeline::TenantView {
 public:
  std::shared_ptr<const pipeline::TenantSnapshot> snapshot;
  std::shared_ptr<const pipeline::TenantSnapshot> Current() const override { return snapshot; }
};

struct Request {
  std::string path = "/v1/track";
  std::string body = R"({"userId":"u","event":"e","messageId":"m"})";
  std::map<std::string, std::string> headers = {
      {"Authorization", "Basic " + common::Base64Encode("acme-key:")}};
  std::string method = "POST";
  std::string remote = "127.0.0.1";
};

inline std::string Basic(std::string_view key) {
  return "Basic " + common::Base64Encode(std::string(key) + ":");
}

inline Request With(std::string path, std::string body) {
  Request request;
  request.path = std::move(path);
  request.body = std::move(body);
  return request;
}

class IngestServiceTest : public testing::Test {
 protected:
  IngestServiceTest() {
    for (const auto& [id, mode] : {std::pair{"acme", pipeline::TenantMode::kEnabled},
                                   std::pair{"paused", pipeline::TenantMode::kPaused},
                                   std::pair{"off", pipeline::TenantMode::kNotForwarded}}) {
      pipeline::Tenant tenant;
      tenant.id = id;
      tenant.log = queue_.OpenLog(id)->log;
      tenant.mode = mode;
      tenant.ingest_keys = {{.key = common::Secret(std::string(id) + "-key")}};
      tenants_.push_back(tenant);
    }
    services_ = {{.name = "backend",
                  .log = queue_.OpenLog("service:backend")->log,
                  .key = common::Secret("service-key")}};
  }

  /// To change before the first request.
  pipeline::Tenant& Tenant(std::string_view id) {
    return *std::ranges::find(tenants_, id, &pipeline::Tenant::id);
  }

  IngestService& Service() {
    if (service_ == nullptr) {
      view_.snapshot = std::make_shared<pipeline::TenantSnapshot>(tenants_, services_);
      service_ =
          std::make_unique<IngestService>(options_, clock_, view_, queue_, admission_, registry_);
    }
    return *service_;
  }

  Response Send(const Request& request) { return SendTo(Service(), request); }

  Response SendTo(IngestService& service, const Request& request) {
    const auto exchange = service.NewExchange();
    RequestHead head;
    const std::size_t question = request.path.find('?');
    head.method = request.method;
    head.path = std::string_view(request.path).substr(0, question);
    if (question != std::string::npos) {
      head.query = std::string_view(request.path).substr(question + 1);
    }
    head.remote = request.remote;
    head.content_length = request.body.size();
    head.header = [&](std::string_view name) -> std::string_view {
      const auto it = request.headers.find(std::string(name));
      return it == request.headers.end() ? std::string_view() : it->second;
    };
    head.headers = [&](std::string_view name) { return std::string(head.header(name)); };
    auto verdict = exchange->OnHead(head);
    if (auto* refusal = std::get_if<Response>(&verdict)) return std::move(*refusal);
    EXPECT_LE(request.body.size(), std::get<ReadBody>(verdict).max_bytes);
    if (auto refusal = exchange->OnBodyGrows(request.body.size())) return std::move(*refusal);
    std::string body;
    body.reserve(request.body.size() + common::net::kBodyPadding);
    body = request.body;
    const auto sink = std::make_shared<tests::AnswerSink>();
    exchange->OnBody(std::move(body), Responder(sink));
    EXPECT_TRUE(sink->answer.has_value());
    Response answer = std::exchange(sink->answer, std::nullopt).value_or(Response{});
    held_bytes_ = answer.held == nullptr ? 0 : admission_.in_flight_bytes();
    answer.held.reset();  // It has been sent.
    EXPECT_EQ(admission_.in_flight_bytes(), 0U) << "every answer gives its reservation back";
    return answer;
  }

  static std::string HeaderOf(const Response& response, std::string_view name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return {};
  }

  std::string CodeOf(const Response& response) {
    const Json json = Json::parse(response.body);
    EXPECT_EQ(json.at("success"), false);
    EXPECT_TRUE(json.at("message").is_string());
    EXPECT_EQ(json.at("message"), json.at("error"));
    return json.at("code");
  }

  pipeline::LogId LogOf(const std::string& id) { return Tenant(id).log; }

  double Counter(const std::string& name, const std::map<std::string, std::string>& labels = {}) {
    for (const auto& family : registry_.Collect()) {
      if (family.name != "segment_gateway_" + name) continue;
      for (const auto& metric : family.metric) {
        std::map<std::string, std::string> have;
        for (const auto& label : metric.label) have[label.name] = label.value;
        if (have == labels) return metric.counter.value;
      }
    }
    return 0;
  }

  IngestOptions options_{.limits = {.max_event_bytes = 32'768,
                                    .max_batch_events = 2'500,
                                    .max_batch_bytes = 524'288,
                                    .max_merged_bytes = 4'000'000,
                                    .max_message_id_chars = 100,
                                    .max_depth = 128},
                         .retry_after_seconds = 3,
                         .allowed_origins = {"*"}};
  std::vector<pipeline::Tenant> tenants_;
  std::vector<pipeline::ServiceKey> services_;
  tests::FakeClock clock_;
  tests::MemoryQueue queue_;
  FixedTenants view_;
  prometheus::Registry registry_;
  static constexpr std::uint64_t kInFlightBytes = 100'000'000;
  Admission admission_{kInFlightBytes, [] { return std::nullopt; }};
  std::uint64_t held_bytes_ = 0;  ///< Of the last answer, until it had been sent.
  std::unique_ptr<IngestService> service_;
};

}  // namespace gateway::ingest

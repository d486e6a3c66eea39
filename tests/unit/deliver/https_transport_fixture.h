// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "gateway/deliver/https_transport.h"
#include "tests/support/scripted_server.h"

namespace gateway::deliver {

using namespace std::chrono_literals;
using pipeline::IncomingResponse;
using pipeline::TransportError;
using pipeline::TransportFailure;
using pipeline::TransportReply;
using tests::ScriptedServer;

/// The only key the tests send; no failure may show it.
inline constexpr const char* kWriteKey = "wk-7f3a-hidden";

/// A transport on an io_context that runs on the test's thread, against servers on threads
/// of their own. Names under .test resolve to 127.0.0.1.
class HttpsTransportTest : public testing::Test {
 protected:
  HttpsTransportTest() {
    options_.connect_timeout = 10s;
    options_.max_idle_connections = 64;
    options_.idle_timeout = 60s;
    options_.max_age = 300s;
    options_.dns_refresh = 60s;
    options_.metrics = &registry_;
    options_.resolve = [](const std::string& host, std::uint16_t port,
                          const common::net::ResolveDone& done) {
      if (!host.ends_with(".test")) {
        done(common::Fail(common::ErrorCode::kUnavailable, "cannot resolve '" + host + "': none"));
        return;
      }
      done(common::net::Addresses{{boost::asio::ip::address_v4::loopback(), port}});
    };
  }

  /// Made at the first call, from options_ as they are then.
  HttpsTransport& transport() {
    if (!transport_) {
      auto made = HttpsTransport::Create(io_, *clock_, options_);
      EXPECT_TRUE(made) << made.error().message;
      transport_ = std::move(*made);
    }
    return *transport_;
  }

  static pipeline::OutgoingRequest Request(std::uint16_t port, std::string host = "127.0.0.1",
                                           bool tls = false) {
    pipeline::OutgoingRequest request;
    request.endpoint = std::make_shared<const pipeline::Endpoint>(
        pipeline::Endpoint{tls, std::move(host), port, ""});
    request.path = "/v1/batch";
    request.basic_user = common::Secret(kWriteKey);
    request.body = R"({"batch":[]})";
    request.timeout = 20s;
    return request;
  }

  /// Runs the io_context until `reached` or for 20 s; false in the latter case.
  bool Until(const std::function<bool()>& reached) {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!reached()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      io_.run_one_for(2ms);
    }
    return true;
  }

  TransportReply Await(pipeline::OutgoingRequest request) {
    std::optional<TransportReply> reply;
    transport().Send(std::move(request), [&](TransportReply r) { reply = std::move(r); });
    EXPECT_TRUE(Until([&] { return reply.has_value(); })) << "no reply";
    if (!reply) return TransportFailure{TransportError::kCancelled, "the test gave up"};
    return std::move(*reply);
  }
  /// Expects an answer.
  IncomingResponse Ask(pipeline::OutgoingRequest request) {
    const TransportReply reply = Await(std::move(request));
    if (const auto* failure = std::get_if<TransportFailure>(&reply)) {
      ADD_FAILURE() << failure->message;
      return {};
    }
    return std::get<IncomingResponse>(reply);
  }
  /// Expects `error`; gives the message, which holds no key.
  std::string AskInVain(pipeline::OutgoingRequest request, TransportError error) {
    const TransportReply reply = Await(std::move(request));
    const auto* failure = std::get_if<TransportFailure>(&reply);
    if (failure == nullptr) {
      ADD_FAILURE() << "answered with " << std::get<IncomingResponse>(reply).status;
      return "";
    }
    EXPECT_EQ(failure->error, error) << failure->message;
    EXPECT_EQ(failure->message.find(kWriteKey), std::string::npos) << failure->message;
    return failure->message;
  }

  /// Value of the counter or gauge `segment_gateway_<name>` whose first label is `label`.
  double Metric(const std::string& name, const std::string& label = "") {
    for (const auto& family : registry_.Collect()) {
      if (family.name != "segment_gateway_" + name) continue;
      for (const auto& metric : family.metric) {
        if (!label.empty() && (metric.label.empty() || metric.label[0].value != label)) continue;
        return metric.counter.value + metric.gauge.value;
      }
    }
    ADD_FAILURE() << "no metric " << name << " " << label;
    return -1;
  }
  double OpenConnections() { return Metric("delivery_open_connections"); }

  prometheus::Registry registry_;
  common::SystemClock system_clock_;
  const common::Clock* clock_ = &system_clock_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  HttpsTransportOptions options_;
  std::unique_ptr<HttpsTransport> transport_;
};

}  // namespace gateway::deliver

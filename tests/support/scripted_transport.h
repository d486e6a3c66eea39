// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "gateway/pipeline/transport.h"

namespace tests {

/// A Transport without a network: it keeps what was sent, and the test answers when and
/// how it likes. Used on one thread.
class ScriptedTransport final : public gateway::pipeline::Transport {
 public:
  struct Sent {
    gateway::pipeline::OutgoingRequest request;
    SendDone done;
  };

  void Send(gateway::pipeline::OutgoingRequest request, SendDone done) override {
    in_flight.push_back({std::move(request), std::move(done)});
  }

  /// Answers the oldest request in flight and returns it.
  gateway::pipeline::OutgoingRequest Answer(gateway::pipeline::TransportReply reply) {
    Sent sent = std::move(in_flight.front());
    in_flight.pop_front();
    sent.done(std::move(reply));
    return std::move(sent.request);
  }
  gateway::pipeline::OutgoingRequest AnswerStatus(int status, std::string body = "") {
    gateway::pipeline::IncomingResponse response;
    response.status = status;
    response.body = std::move(body);
    return Answer(std::move(response));
  }

  std::deque<Sent> in_flight;
};

}  // namespace tests

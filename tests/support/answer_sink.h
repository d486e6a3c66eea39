// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <optional>
#include <utility>

#include "common/net/http_server.h"

namespace tests {

/// Where an exchange that is called without a server puts its answer.
class AnswerSink final : public common::net::Responder::Sink {
 public:
  void Answer(common::net::Response response) override { answer = std::move(response); }
  boost::asio::any_io_executor Executor() override { return io.get_executor(); }

  boost::asio::io_context io;
  std::optional<common::net::Response> answer;
};

}  // namespace tests

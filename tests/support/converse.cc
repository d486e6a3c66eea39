// SPDX-License-Identifier: Apache-2.0
#include "tests/support/converse.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <utility>

#include "common/net/http_session.h"
#include "tests/support/memory_stream.h"

namespace tests {
namespace {

using common::net::internal::HttpSession;
using common::net::internal::ServerState;
using common::net::internal::Worker;

std::vector<std::string_view> Cut(std::string_view bytes, const std::vector<std::size_t>& sizes) {
  std::vector<std::string_view> pieces;
  std::size_t size = bytes.size();
  for (std::size_t i = 0; !bytes.empty(); ++i) {
    if (i < sizes.size()) size = std::max<std::size_t>(sizes[i], 1);
    pieces.push_back(bytes.substr(0, size));
    bytes.remove_prefix(pieces.back().size());
  }
  return pieces;
}

}  // namespace

Conversation Converse(common::net::HttpService& service, const common::net::ServerOptions& options,
                      std::string_view bytes, const std::vector<std::size_t>& sizes) {
  MemoryWire wire{.arrives = Cut(bytes, sizes), .sent = {}};
  boost::asio::io_context io(1);
  const auto state = std::make_shared<ServerState>();
  state->options = options;
  state->service = &service;
  state->holders.fetch_add(1);
  const auto worker = std::make_shared<Worker>(io);
  worker->date = kConverseDate;
  std::make_shared<HttpSession<MemoryStream>>(state, worker, io, wire)->Start();
  io.poll();
  return {.sent = std::move(wire.sent), .closed = wire.closed, .reset = wire.reset};
}

}  // namespace tests

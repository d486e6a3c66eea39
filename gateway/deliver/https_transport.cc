// SPDX-License-Identifier: Apache-2.0
#include "gateway/deliver/https_transport.h"

#include <utility>

#include "common/net/tls_context.h"
#include "gateway/deliver/connection_pool.h"
#include "gateway/deliver/https_exchange.h"

namespace gateway::deliver {
namespace {

pipeline::TransportFailure ShutDown() {
  return {pipeline::TransportError::kCancelled, "the gateway is shutting down"};
}

}  // namespace

common::Result<std::unique_ptr<HttpsTransport>> HttpsTransport::Create(
    boost::asio::io_context& io, const common::Clock& clock, HttpsTransportOptions options) {
  auto tls = common::net::TlsClientContext::Create(options.ca_file);
  if (!tls) return tl::unexpected(tls.error());
  if (!options.resolve) options.resolve = common::net::SystemResolve(io);
  const PoolLimits limits{options.max_idle_connections, options.idle_timeout, options.max_age};
  auto shared = std::make_shared<HttpsShared>(io, clock, options.connect_timeout, std::move(*tls),
                                              limits, options.dns_refresh,
                                              std::move(options.resolve), *options.metrics);
  return std::unique_ptr<HttpsTransport>(new HttpsTransport(std::move(shared)));
}

HttpsTransport::HttpsTransport(std::shared_ptr<HttpsShared> shared) : shared_(std::move(shared)) {}

HttpsTransport::~HttpsTransport() { Shutdown(); }

void HttpsTransport::Send(pipeline::OutgoingRequest request, SendDone done) {
  const auto exchange = HttpsExchange::Start(shared_, std::move(request), std::move(done));
  if (shared_->shut_down) exchange->Stop(ShutDown());
}

void HttpsTransport::Shutdown() {
  if (std::exchange(shared_->shut_down, true)) return;
  shared_->pool->Shutdown();
  for (HttpsExchange* exchange : shared_->live) exchange->Stop(ShutDown());
}

}  // namespace gateway::deliver

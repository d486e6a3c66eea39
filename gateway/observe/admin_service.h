// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/registry.h>

#include <memory>

#include "common/net/http_server.h"
#include "gateway/observe/health.h"

namespace gateway::observe {

/// The admin listener's paths without a token: /livez (the process turns), /readyz (it
/// can take traffic; 503 with the reasons when not) and /metrics (Prometheus text).
class AdminService final : public common::net::HttpService {
 public:
  /// Both outlive the service.
  AdminService(const Health& health, prometheus::Registry& registry)
      : health_(health), registry_(registry) {}

  std::unique_ptr<common::net::HttpExchange> NewExchange() override;

 private:
  const Health& health_;
  prometheus::Registry& registry_;
};

}  // namespace gateway::observe

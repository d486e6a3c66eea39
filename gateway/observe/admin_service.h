// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/metric_family.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "common/net/http_server.h"
#include "gateway/observe/health.h"

namespace gateway::observe {

/// The admin listener's paths without a token: /livez (the process turns), /readyz (it
/// can take traffic; 503 with the reasons when not) and /metrics (Prometheus text).
class AdminService final : public common::net::HttpService {
 public:
  using Collect = std::function<std::vector<prometheus::MetricFamily>()>;

  /// `health` outlives the service; `collect` gives all metrics and is thread-safe.
  AdminService(const Health& health, Collect collect)
      : health_(health), collect_(std::move(collect)) {}

  std::unique_ptr<common::net::HttpExchange> NewExchange() override;

 private:
  const Health& health_;
  const Collect collect_;
};

}  // namespace gateway::observe

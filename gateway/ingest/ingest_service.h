// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/registry.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/guarded.h"
#include "common/net/client_address.h"
#include "common/net/http_server.h"
#include "gateway/ingest/admission.h"
#include "gateway/ingest/cross_origin.h"
#include "gateway/ingest/ingest_exchange.h"
#include "gateway/ingest/ingest_metrics.h"
#include "gateway/ingest/sdk_settings.h"
#include "gateway/ingest/traffic_limits.h"
#include "gateway/normalize/normalizer.h"
#include "gateway/pipeline/event_queue.h"
#include "gateway/pipeline/tenant_view.h"

namespace gateway::ingest {

struct IngestOptions {
  normalize::Limits limits{};             ///< max_batch_bytes also bounds a batch's body.
  std::uint32_t retry_after_seconds = 0;  ///< Sent with 503.
  std::vector<common::net::Network> trusted_proxies{};
  std::vector<std::string> allowed_origins{};  ///< "*" is all.
  /// What SDK settings say; without it the host that the SDK asked.
  std::optional<PublicAddress> public_address{};
  bool tls = false;  ///< The listener speaks HTTPS.
};

/// Step 1 of the data path: Segment's Tracking API. Header -> authenticate -> admission ->
/// body -> normalise -> queue; the answer goes out when the queue says that everything is
/// on disk. Thread-safe.
class IngestService final : public common::net::HttpService {
 public:
  /// Everything passed by reference outlives the service and its connections.
  IngestService(IngestOptions options, const common::Clock& clock,
                const pipeline::TenantView& tenants, pipeline::EventQueue& queue,
                Admission& admission, prometheus::Registry& registry);

  std::unique_ptr<common::net::HttpExchange> NewExchange() override;

 private:
  ThreadScratch& ScratchOfThisThread();

  const IngestOptions options_;
  IngestMetrics metrics_;
  TrafficLimits limits_;
  const CrossOrigin cross_origin_;
  const IngestParts parts_;
  common::Guarded<std::map<std::thread::id, std::unique_ptr<ThreadScratch>>> scratch_;
};

}  // namespace gateway::ingest

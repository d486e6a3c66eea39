// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/registry.h>

#include <cstdint>
#include <map>
#include <memory>
#include <thread>

#include "common/clock.h"
#include "common/guarded.h"
#include "common/net/http_server.h"
#include "common/random.h"
#include "gateway/ingest/admission.h"
#include "gateway/ingest/ingest_metrics.h"
#include "gateway/normalize/normalizer.h"
#include "gateway/pipeline/event_queue.h"
#include "gateway/pipeline/tenant_view.h"

namespace gateway::ingest {

struct IngestOptions {
  normalize::Limits limits{};             ///< max_batch_bytes also bounds a batch's body.
  std::uint32_t retry_after_seconds = 0;  ///< Sent with 503.
};

/// What one io thread keeps from request to request.
struct ThreadScratch {
  explicit ThreadScratch(const normalize::Limits& limits) : normalizer(limits) {}
  normalize::Normalizer normalizer;
  common::FastRandom random;
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
  friend class IngestExchange;

  ThreadScratch& ScratchOfThisThread();

  const IngestOptions options_;
  const common::Clock& clock_;
  const pipeline::TenantView& tenants_;
  pipeline::EventQueue& queue_;
  Admission& admission_;
  IngestMetrics metrics_;
  common::Guarded<std::map<std::thread::id, std::unique_ptr<ThreadScratch>>> scratch_;
};

}  // namespace gateway::ingest

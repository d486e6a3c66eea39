// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/ingest_service.h"

#include <utility>

namespace gateway::ingest {

IngestService::IngestService(IngestOptions options, const common::Clock& clock,
                             const pipeline::TenantView& tenants, pipeline::EventQueue& queue,
                             Admission& admission, prometheus::Registry& registry)
    : options_(std::move(options)),
      metrics_(registry),
      limits_(queue),
      cross_origin_(options_.allowed_origins),
      parts_{.options = options_,
             .clock = clock,
             .tenants = tenants,
             .queue = queue,
             .admission = admission,
             .metrics = metrics_,
             .limits = limits_,
             .cross_origin = cross_origin_} {}

std::unique_ptr<common::net::HttpExchange> IngestService::NewExchange() {
  return std::make_unique<IngestExchange>(parts_, ScratchOfThisThread());
}

ThreadScratch& IngestService::ScratchOfThisThread() {
  return scratch_.With([this](auto& by_thread) -> ThreadScratch& {
    auto& slot = by_thread[std::this_thread::get_id()];
    if (slot == nullptr) slot = std::make_unique<ThreadScratch>(options_.limits);
    return *slot;
  });
}

}  // namespace gateway::ingest

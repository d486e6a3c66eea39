// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/registry.h>

#include <vector>

#include "common/net/http_server.h"
#include "gateway/config/config.h"
#include "gateway/control/tenant_snapshot.h"
#include "gateway/deliver/https_transport.h"
#include "gateway/deliver/pump.h"
#include "gateway/ingest/ingest_service.h"
#include "gateway/queue/options.h"

namespace gateway::app {

/// What each component gets from the configuration. Pure; the only place where names of
/// the configuration meet names of the components.
common::net::ServerOptions IngestServerOptions(const config::Ingest& ingest);
common::net::ServerOptions AdminServerOptions(const config::Admin& admin,
                                              const config::Ingest& timeouts);
ingest::IngestOptions ToIngestOptions(const config::Ingest& ingest);
queue::Options ToQueueOptions(const config::Config& config);
deliver::PumpOptions ToPumpOptions(const config::Config& config);
deliver::HttpsTransportOptions ToTransportOptions(const config::Config& config,
                                                  prometheus::Registry& registry);
std::vector<control::TenantSpec> ToTenantSpecs(const config::Config& config);
std::vector<pipeline::ServiceKey> ToServiceKeys(const config::Config& config);

}  // namespace gateway::app

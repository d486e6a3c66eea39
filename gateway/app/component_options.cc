// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/component_options.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "gateway/config/scalar.h"

namespace gateway::app {
namespace {

using namespace std::chrono_literals;

// Scrapers and operators, not the public.
constexpr std::size_t kAdminConnections = 256;
// Of a refused request: a whole legal batch, so that its sender sees why.
constexpr std::uint64_t kDrainBytes = 512 * 1024;
// Facts of the format, not policy: Segment's limit of a messageId, and a nesting far
// beyond any real event that still fits a small stack.
constexpr std::size_t kMaxMessageIdChars = 100;
constexpr std::uint32_t kMaxDepth = 128;
// A batch whose envelope has a large context grows by it in every event; this many bodies'
// worth is the most that one request may become.
constexpr std::size_t kMaxMergeGrowth = 8;
constexpr std::uint32_t kRetryAfterSeconds = 1;
constexpr std::uint64_t kQueuedRequests = 1'000'000;
constexpr int kWriteBuffers = 4;
// A batch in flight keeps its chunks in memory, and a read from disk decodes whole ones:
// no larger than a batch to Segment.
constexpr std::uint64_t kMaxChunkBytes = 512 * 1024;

/// `limits` where it says something, else `wider`; a burst that nobody set lets the largest
/// request through.
pipeline::IngestRate ToRate(const config::RateLimit& limits, const config::RateLimit& wider,
                            std::uint32_t max_batch_events) {
  pipeline::IngestRate rate;
  rate.events_per_second =
      limits.events_per_second != 0 ? limits.events_per_second : wider.events_per_second;
  rate.burst_events = limits.burst_events != 0 ? limits.burst_events : wider.burst_events;
  if (rate.burst_events == 0)
    rate.burst_events = std::max(rate.events_per_second, max_batch_events);
  return rate;
}

pipeline::IngestKey ToIngestKey(const config::IngestKey& key, const config::Ingest& ingest) {
  return {.name = key.name,
          .key = key.key,
          .message_ids = key.message_ids,
          .rate = ToRate(key.limits, {}, ingest.max_batch_events)};
}

/// Each text has been read before, when the configuration was checked.
std::vector<common::net::Network> ToNetworks(const std::vector<std::string>& texts) {
  std::vector<common::net::Network> networks;
  for (const std::string& text : texts) {
    if (auto network = common::net::ParseNetwork(text)) networks.push_back(*network);
  }
  return networks;
}

std::optional<ingest::PublicAddress> ToPublicAddress(const pipeline::Endpoint& url) {
  if (url.host.empty()) return std::nullopt;
  const std::string text = config::FormatEndpoint(url);
  return ingest::PublicAddress{.https = url.tls, .host = text.substr(text.find("://") + 3)};
}

pipeline::DeliveryPolicy ToDeliveryPolicy(const config::Delivery& delivery) {
  return {.weight = 1,
          .flush_interval = delivery.flush_interval,
          .max_batch_events = delivery.max_batch_events,
          .max_batch_bytes = delivery.max_batch_bytes,
          .events_per_second = delivery.tenant_events_per_second,
          .burst_events = std::max(delivery.tenant_burst_events, delivery.max_batch_events),
          .request_timeout = delivery.request_timeout,
          .backoff = {.initial = delivery.retry.initial,
                      .multiplier = delivery.retry.multiplier,
                      .max = delivery.retry.max,
                      .jitter = delivery.retry.jitter},
          .max_retry_after = delivery.max_retry_after,
          .hold_probe_interval = delivery.hold_probe_interval,
          .max_refused_in_a_row = delivery.max_refused_in_a_row};
}

/// nullptr where the tenant has nothing of its own.
std::shared_ptr<const pipeline::DeliveryPolicy> ToTenantPolicy(
    const config::TenantDelivery& own, const pipeline::DeliveryPolicy& common) {
  pipeline::DeliveryPolicy policy = common;
  bool differs = own.weight != 1;
  const auto take = [&](auto& value, auto of_tenant) {
    if (of_tenant == decltype(of_tenant){}) return;
    value = of_tenant;
    differs = true;
  };
  policy.weight = own.weight;
  take(policy.events_per_second, own.events_per_second);
  take(policy.burst_events, own.burst_events);
  take(policy.max_batch_events, own.max_batch_events);
  take(policy.request_timeout, own.request_timeout);
  take(policy.backoff.initial, own.retry_initial);
  take(policy.backoff.max, own.retry_max);
  take(policy.max_retry_after, own.max_retry_after);
  take(policy.hold_probe_interval, own.hold_probe_interval);
  take(policy.max_refused_in_a_row, own.max_refused_in_a_row);
  // A batch waits for the tokens of all of it.
  policy.burst_events = std::max(policy.burst_events, policy.max_batch_events);
  return differs ? std::make_shared<const pipeline::DeliveryPolicy>(policy) : nullptr;
}

}  // namespace

common::net::ServerOptions IngestServerOptions(const config::Ingest& ingest) {
  return {.address = ingest.listen.host,
          .port = ingest.listen.port,
          .max_connections = ingest.max_connections,
          .max_header_bytes = ingest.max_header_bytes,
          .idle_timeout = ingest.idle_timeout,
          .header_timeout = ingest.header_timeout,
          .body_timeout = ingest.body_timeout,
          .write_timeout = ingest.write_timeout,
          .drain_bytes = kDrainBytes};
}

common::net::ServerOptions AdminServerOptions(const config::Admin& admin,
                                              const config::Ingest& timeouts) {
  common::net::ServerOptions options = IngestServerOptions(timeouts);
  options.address = admin.listen.host;
  options.port = admin.listen.port;
  options.max_connections = kAdminConnections;
  return options;
}

ingest::IngestOptions ToIngestOptions(const config::Ingest& ingest) {
  return {.limits = {.max_event_bytes = ingest.max_event_bytes,
                     .max_batch_events = ingest.max_batch_events,
                     .max_batch_bytes = ingest.max_request_bytes,
                     .max_merged_bytes = ingest.max_request_bytes * kMaxMergeGrowth,
                     .max_message_id_chars = kMaxMessageIdChars,
                     .max_depth = kMaxDepth},
          .retry_after_seconds = kRetryAfterSeconds,
          .trusted_proxies = ToNetworks(ingest.trusted_proxies),
          .allowed_origins = ingest.allowed_origins,
          .public_address = ToPublicAddress(ingest.public_url),
          .tls = !ingest.tls.certificate.empty()};
}

queue::Options ToQueueOptions(const config::Config& config) {
  const config::Storage& storage = config.storage;
  queue::Options options;
  options.path = storage.path;
  options.hot_tail_bytes = storage.hot_tail;
  options.max_pending_bytes = storage.max_queued_bytes;
  options.max_pending_requests = kQueuedRequests;
  options.max_commit_bytes = storage.max_commit_bytes;
  options.max_chunk_bytes = std::min(storage.max_commit_bytes, kMaxChunkBytes);
  options.commit_linger = storage.commit_linger;
  options.commit_gather_percent = storage.commit_gather_percent;
  options.min_free_bytes = std::min(storage.hard_min_free_disk, storage.min_free_disk);
  options.health_probe_interval = storage.retry_interval;
  options.write_buffer_bytes = storage.write_buffer;
  options.write_buffer_count = kWriteBuffers;
  options.max_wal_bytes = storage.max_wal;
  options.max_rejected_bytes = storage.tenant_max_rejected;
  options.max_dead_bytes = config.retention.tenant_max_dead_letters;
  options.max_letter_age = config.retention.dead_letter_max_age;
  options.block_cache_bytes = storage.block_cache;
  return options;
}

deliver::PumpOptions ToPumpOptions(const config::Config& config) {
  const config::Delivery& delivery = config.delivery;
  const config::EndpointLimits& endpoint = delivery.endpoint;
  return {.scheduler = {.max_in_flight = delivery.max_connections,
                        .slow = delivery.slow_request,
                        .endpoint = {.requests_per_second = endpoint.requests_per_second,
                                     .failing_tenants = endpoint.failing_tenants,
                                     .silence = endpoint.silence,
                                     .probe = {.initial = endpoint.probe_initial,
                                               .multiplier = 2,
                                               .max = endpoint.probe_max,
                                               .jitter = delivery.retry.jitter},
                                     .recovery_requests_per_second =
                                         endpoint.recovery_requests_per_second}},
          .delivery = ToDeliveryPolicy(delivery),
          .default_max_age = config.retention.max_age,
          .queue_retry_interval = config.storage.retry_interval};
}

deliver::HttpsTransportOptions ToTransportOptions(const config::Config& config,
                                                  prometheus::Registry& registry) {
  deliver::HttpsTransportOptions options;
  options.connect_timeout = config.delivery.connect_timeout;
  options.max_idle_connections = config.delivery.max_connections;
  options.idle_timeout = config.delivery.connection_idle;
  options.max_age = config.delivery.connection_max_age;
  options.dns_refresh = config.delivery.dns_refresh;
  if (!config.segment.ca_file.empty()) options.ca_file = config.segment.ca_file;
  options.metrics = &registry;
  return options;
}

std::vector<control::TenantSpec> ToTenantSpecs(const config::Config& config) {
  std::map<std::string, std::shared_ptr<const pipeline::Endpoint>> endpoints;
  for (const auto& [region, endpoint] : config.segment.endpoints) {
    endpoints.emplace(region, std::make_shared<const pipeline::Endpoint>(endpoint));
  }
  const config::Ingest& ingest = config.ingest;
  const pipeline::DeliveryPolicy delivery = ToDeliveryPolicy(config.delivery);
  std::vector<control::TenantSpec> specs;
  specs.reserve(config.tenants.size());
  for (const config::Tenant& tenant : config.tenants) {
    const auto endpoint = endpoints.find(tenant.segment.region);
    const std::uint64_t max_backlog = tenant.limits.max_backlog;
    std::vector<pipeline::IngestKey> keys;
    keys.reserve(tenant.ingest_keys.size());
    for (const config::IngestKey& key : tenant.ingest_keys) {
      keys.push_back(ToIngestKey(key, ingest));
    }
    specs.push_back(
        {.id = tenant.id,
         .ingest_keys = std::move(keys),
         .strict = tenant.strict,
         .message_ids = tenant.message_ids,
         .dedupe = {.window = tenant.dedupe.window, .max_ids = tenant.dedupe.max_ids},
         .rate = ToRate(tenant.limits.rate, ingest.tenant_limits.rate, ingest.max_batch_events),
         .max_age =
             tenant.max_age != common::Duration{} ? tenant.max_age : config.retention.max_age,
         .max_backlog_bytes = max_backlog != 0 ? max_backlog : ingest.tenant_limits.max_backlog,
         .delivery = ToTenantPolicy(tenant.delivery, delivery),
         .paused = tenant.paused,
         .forwarded = tenant.segment.enabled,
         .write_key = tenant.segment.write_key,
         .region = tenant.segment.region,
         .endpoint = endpoint == endpoints.end() ? nullptr : endpoint->second});
  }
  return specs;
}

std::vector<pipeline::ServiceKey> ToServiceKeys(const config::Config& config) {
  std::vector<pipeline::ServiceKey> keys;
  keys.reserve(config.service_keys.size());
  for (const config::ServiceKey& service : config.service_keys) {
    keys.push_back({.name = service.name,
                    .key = service.key,
                    .unknown_tenant = service.unknown_tenant,
                    .message_ids = service.message_ids,
                    .rate = ToRate(service.limits, {}, config.ingest.max_batch_events)});
  }
  return keys;
}

}  // namespace gateway::app

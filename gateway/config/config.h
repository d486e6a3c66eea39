// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/log.h"
#include "common/secret.h"
#include "gateway/pipeline/tenant_view.h"
#include "gateway/pipeline/transport.h"

/// The configuration file as typed values, each inside the range its row in schema.cc
/// allows. Names are those of the YAML keys; what a value means, its unit and its default
/// stand in schema.cc only, from which docs/configuration.md is generated.
namespace gateway::config {

struct ListenAddress {
  std::string host;  ///< An IPv4 or IPv6 address without brackets.
  std::uint16_t port = 0;
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

/// Paths of PEM files; both empty when the listener speaks plain HTTP.
struct Tls {
  std::string certificate;
  std::string key;
};

/// How much may come in; 0 stands for the next wider setting, and for no limit in the widest.
struct RateLimit {
  std::uint32_t events_per_second = 0;
  std::uint32_t burst_events = 0;
};

struct TenantLimits {
  RateLimit rate;
  std::uint64_t max_backlog = 0;
};

struct Ingest {
  ListenAddress listen;
  Tls tls;
  pipeline::Endpoint public_url;             ///< `host` is empty when it is not set.
  std::vector<std::string> trusted_proxies;  ///< Networks in CIDR notation.
  std::vector<std::string> allowed_origins;  ///< "*" stands for all.
  TenantLimits tenant_limits;
  std::uint64_t max_process_memory = 0;
  std::uint32_t threads = 0;
  std::uint32_t max_connections = 0;
  std::uint64_t max_header_bytes = 0;
  std::uint64_t max_request_bytes = 0;
  std::uint64_t max_event_bytes = 0;
  std::uint32_t max_batch_events = 0;
  std::uint64_t max_in_flight_bytes = 0;
  common::Duration idle_timeout{};
  common::Duration header_timeout{};
  common::Duration body_timeout{};
  common::Duration write_timeout{};
};

enum class Role { kViewer, kOperator, kAdmin };

struct AdminToken {
  std::string name;
  Role role = Role::kViewer;
  common::Secret token;
};

struct Admin {
  ListenAddress listen;
  std::vector<AdminToken> tokens;
};

struct Storage {
  std::string path;
  std::uint64_t hot_tail = 0;
  common::Duration commit_linger{};
  std::uint32_t commit_gather_percent = 0;
  std::uint64_t max_commit_bytes = 0;
  std::uint64_t max_queued_bytes = 0;
  std::uint64_t write_buffer = 0;
  std::uint64_t max_wal = 0;
  std::uint64_t block_cache = 0;
  std::uint64_t min_free_disk = 0;
  std::uint64_t hard_min_free_disk = 0;
  std::uint64_t tenant_max_rejected = 0;
  common::Duration retry_interval{};
};

/// How long something is kept; 0 is for ever.
struct Retention {
  common::Duration max_age{};
  common::Duration dead_letter_max_age{};
  std::uint64_t tenant_max_dead_letters = 0;
};

struct Segment {
  std::map<std::string, pipeline::Endpoint> endpoints;  ///< By region name.
  std::string ca_file;                                  ///< Empty: the system's store alone.
};

struct Retry {
  common::Duration initial{};
  double multiplier = 0;
  common::Duration max{};
  double jitter = 0;
};

/// Of an endpoint of Segment, all tenants together.
struct EndpointLimits {
  std::uint32_t requests_per_second = 0;  ///< 0: no limit.
  std::uint32_t failing_tenants = 0;
  common::Duration silence{};
  common::Duration probe_initial{};
  common::Duration probe_max{};
  std::uint32_t recovery_requests_per_second = 0;
};

struct Delivery {
  common::Duration flush_interval{};
  std::uint64_t max_batch_bytes = 0;
  std::uint32_t max_batch_events = 0;
  std::uint32_t max_connections = 0;
  std::uint32_t tenant_events_per_second = 0;  ///< 0: no limit.
  std::uint32_t tenant_burst_events = 0;
  common::Duration connect_timeout{};
  common::Duration request_timeout{};
  common::Duration connection_max_age{};
  common::Duration connection_idle{};
  common::Duration dns_refresh{};
  Retry retry;
  common::Duration max_retry_after{};
  common::Duration hold_probe_interval{};
  std::uint32_t max_refused_in_a_row = 0;
  common::Duration slow_request{};
  EndpointLimits endpoint;
};

struct Shutdown {
  common::Duration deadline{};
};

struct Log {
  common::log::Level level = common::log::Level::kInfo;
  common::log::Format format = common::log::Format::kAuto;
};

struct Secrets {
  common::Secret master_key;  ///< Empty, or the base64 text of 32 bytes.
};

struct TenantSegment {
  common::Secret write_key;  ///< Empty only when `enabled` is false.
  std::string region;        ///< A key of Segment::endpoints.
  bool enabled = true;
};

struct IngestKey {
  std::string name;  ///< May be empty.
  common::Secret key;
  pipeline::MessageIds message_ids = pipeline::MessageIds::kAuto;
  RateLimit limits;
};

struct TenantDedupe {
  common::Duration window{};  ///< 0: off.
  std::uint32_t max_ids = 0;
};

/// What differs from `delivery`; 0 stands for that.
struct TenantDelivery {
  std::uint32_t weight = 1;
  std::uint32_t events_per_second = 0;
  std::uint32_t burst_events = 0;
  std::uint32_t max_batch_events = 0;
  common::Duration request_timeout{};
  common::Duration retry_initial{};
  common::Duration retry_max{};
  common::Duration max_retry_after{};
  common::Duration hold_probe_interval{};
  std::uint32_t max_refused_in_a_row = 0;
};

struct Tenant {
  std::string id;
  std::vector<IngestKey> ingest_keys;
  bool paused = false;
  bool strict = false;
  pipeline::MessageIds message_ids = pipeline::MessageIds::kAuto;
  TenantDedupe dedupe;
  common::Duration max_age{};  ///< 0: retention.max_age.
  TenantLimits limits;
  TenantDelivery delivery;
  TenantSegment segment;
};

struct ServiceKey {
  std::string name;
  common::Secret key;
  pipeline::UnknownTenant unknown_tenant = pipeline::UnknownTenant::kReject;
  pipeline::MessageIds message_ids = pipeline::MessageIds::kAuto;
  RateLimit limits;
};

struct Config {
  Ingest ingest;
  Admin admin;
  Storage storage;
  Retention retention;
  Segment segment;
  Delivery delivery;
  Shutdown shutdown;
  Log log;
  Secrets secrets;
  std::vector<Tenant> tenants;
  std::vector<ServiceKey> service_keys;
};

}  // namespace gateway::config

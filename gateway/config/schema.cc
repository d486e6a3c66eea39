// SPDX-License-Identifier: Apache-2.0
#include "gateway/config/schema.h"

#include <array>

namespace gateway::config {
namespace {

template <typename Class, typename Member>
Class ClassOf(Member Class::*);

/// The address of a member at the end of a chain of members: At<&Config::log, &Log::level>.
template <auto First, auto... Rest>
Target At(void* object) {
  auto& member = static_cast<decltype(ClassOf(First))*>(object)->*First;
  if constexpr (sizeof...(Rest) == 0) {
    return &member;
  } else {
    return At<Rest...>(&member);
  }
}

constexpr Type kBool{Kind::kBool};
constexpr Type kListen{Kind::kListen};
constexpr Type kPath{Kind::kPath};
constexpr Type kName{Kind::kName};
constexpr Type kKey{Kind::kKey};
constexpr Type kMasterKey{Kind::kMasterKey};
constexpr Type kChoice{Kind::kChoice};
constexpr Type kUrl{Kind::kUrl};
constexpr Type kNetworkList{Kind::kNetworkList};
constexpr Type kOriginList{Kind::kOriginList};
constexpr Type kUrlMap{Kind::kUrlMap};
constexpr Type kTable{Kind::kTable};
constexpr Type Count(std::string_view min, std::string_view max) {
  return {Kind::kCount, min, max};
}
constexpr Type Size(std::string_view min, std::string_view max) { return {Kind::kSize, min, max}; }
constexpr Type Ratio(std::string_view min, std::string_view max) {
  return {Kind::kRatio, min, max};
}
constexpr Type Duration(std::string_view min, std::string_view max) {
  return {Kind::kDuration, min, max};
}
constexpr Type OrZero(Type type) {
  type.or_zero = true;
  return type;
}

constexpr auto kConfigFields = std::to_array<Field>({
    {"ingest.listen", At<&Config::ingest, &Ingest::listen>, kListen, "127.0.0.1:8080",
     "Where services send events. `:8080` is every IPv4 address, `[::]:8080` every address, port 0 "
     "any free port."},
    {"ingest.tls.certificate", At<&Config::ingest, &Ingest::tls, &Tls::certificate>, kPath, kUnset,
     "PEM file with the certificate chain. With `ingest.tls.key` it makes the listener speak "
     "HTTPS. Both files are looked at again every few seconds and on SIGHUP: a new pair serves "
     "new connections, a wrong one is logged and the old one stays."},
    {"ingest.tls.key", At<&Config::ingest, &Ingest::tls, &Tls::key>, kPath, kUnset,
     "PEM file with the certificate's private key."},
    {"ingest.public_url", At<&Config::ingest, &Ingest::public_url>, kUrl, kUnset,
     "The address of this listener as browsers and phones see it, which the SDK settings tell "
     "them. Without it they are told the host that they asked."},
    {"ingest.trusted_proxies", At<&Config::ingest, &Ingest::trusted_proxies>, kNetworkList, "[]",
     "Proxies whose `X-Forwarded-For` (and, for the SDK settings, `X-Forwarded-Proto` and "
     "`X-Forwarded-Host`) is believed."},
    {"ingest.allowed_origins", At<&Config::ingest, &Ingest::allowed_origins>, kOriginList,
     "[\"*\"]",
     "Web origins whose pages may send events (CORS). `[]` is none, `\"*\"` all: an ingest key in "
     "a page is public anyway."},
    {"ingest.threads", At<&Config::ingest, &Ingest::threads>, Count("0", "256"), "0",
     "Threads that serve connections; 0 is one per core."},
    {"ingest.max_connections", At<&Config::ingest, &Ingest::max_connections>, Count("1", "1000000"),
     "10000", "Open client connections; more are refused at once."},
    {"ingest.max_header_bytes", At<&Config::ingest, &Ingest::max_header_bytes>,
     Size("1KiB", "64KiB"), "8KiB", "A request's header."},
    {"ingest.max_request_bytes", At<&Config::ingest, &Ingest::max_request_bytes>,
     Size("32KiB", "512KiB"), "512KiB", "A request's body. Segment's own limit is 500 KB."},
    {"ingest.max_event_bytes", At<&Config::ingest, &Ingest::max_event_bytes>, Size("1KiB", "32KiB"),
     "32KiB", "One event. Segment refuses larger ones."},
    {"ingest.max_batch_events", At<&Config::ingest, &Ingest::max_batch_events>, Count("1", "2500"),
     "2500", "Events in one batch request."},
    {"ingest.max_in_flight_bytes", At<&Config::ingest, &Ingest::max_in_flight_bytes>,
     Size("1MiB", "64GiB"), "256MiB",
     "Bodies being received and handled, all connections together; one tenant gets a quarter, "
     "requests without a key in their header together an eighth. Over it requests are answered 503 "
     "with `Retry-After`."},
    {"ingest.max_process_memory", At<&Config::ingest, &Ingest::max_process_memory>,
     Size("0", "16TiB"), "0",
     "Resident memory of the process above which requests are answered 503 with `Retry-After`; 0 "
     "is nine tenths of the container's limit, and none without one."},
    {"ingest.tenant_limits.events_per_second",
     At<&Config::ingest, &Ingest::tenant_limits, &TenantLimits::rate,
        &RateLimit::events_per_second>,
     Count("0", "10000000"), "0",
     "Events that one tenant may send, where its entry says nothing; 0 is no limit. Over it "
     "requests are answered 429 with `Retry-After`."},
    {"ingest.tenant_limits.burst_events",
     At<&Config::ingest, &Ingest::tenant_limits, &TenantLimits::rate, &RateLimit::burst_events>,
     Count("0", "10000000"), "0",
     "Events that it may send at once after a rest; 0 is the larger of `events_per_second` and "
     "`ingest.max_batch_events`. A batch is taken while anything is left, and what it takes too "
     "much is waited for afterwards."},
    {"ingest.tenant_limits.max_backlog",
     At<&Config::ingest, &Ingest::tenant_limits, &TenantLimits::max_backlog>, Size("0", "16TiB"),
     "16GiB",
     "Events of one tenant that may wait for delivery; 0 is no limit. Over it its requests are "
     "answered 429, so that a tenant whose Segment key is refused does not fill the disk of all."},
    {"ingest.idle_timeout", At<&Config::ingest, &Ingest::idle_timeout>, Duration("1s", "1h"), "75s",
     "Silence between two requests before a connection is closed. Longer than the idle time of a "
     "load balancer in front."},
    {"ingest.header_timeout", At<&Config::ingest, &Ingest::header_timeout>, Duration("100ms", "5m"),
     "10s", "From the first byte of a request to the end of its header."},
    {"ingest.body_timeout", At<&Config::ingest, &Ingest::body_timeout>, Duration("100ms", "10m"),
     "30s", "From the end of the header to the end of the body."},
    {"ingest.write_timeout", At<&Config::ingest, &Ingest::write_timeout>, Duration("100ms", "10m"),
     "30s", "For the client to take an answer."},

    {"admin.listen", At<&Config::admin, &Admin::listen>, kListen, "127.0.0.1:8081",
     "Where `/livez`, `/readyz`, `/metrics` and the admin API are. Keep it off the internet."},
    {"admin.tokens", At<&Config::admin, &Admin::tokens>, kTable, "[]",
     "Who may use the admin API. Without an entry nobody may; health and metrics need no token."},

    {"storage.path", At<&Config::storage, &Storage::path>, kPath, "./data",
     "Directory of the durable queue; made when it is missing. A relative path counts from the "
     "working directory."},
    {"storage.hot_tail", At<&Config::storage, &Storage::hot_tail>, Size("0", "64GiB"), "64MiB",
     "Memory for the newest events, all tenants together: what is delivered out of it is not read "
     "back from disk."},
    {"storage.commit_linger", At<&Config::storage, &Storage::commit_linger>,
     Duration("0s", "100ms"), "0s",
     "How long each commit waits for company. 0 does not wait (but see "
     "`storage.commit_gather_percent`), and whatever arrives during one "
     "fsync shares the next; a few hundred `us` save CPU at low rates and cost as much latency."},
    {"storage.commit_gather_percent", At<&Config::storage, &Storage::commit_gather_percent>,
     Count("0", "100"), "25",
     "How long a commit waits for clients that were just answered to send again, in percent of the "
     "time that the last commit took, 5ms at most. Without it many clients that wait for each "
     "answer fall into "
     "two halves that take turns. It is only done with several requests under way, and while they "
     "do come."},
    {"storage.max_commit_bytes", At<&Config::storage, &Storage::max_commit_bytes>,
     Size("1MiB", "64MiB"), "4MiB", "Events written with one fsync."},
    {"storage.max_queued_bytes", At<&Config::storage, &Storage::max_queued_bytes>,
     Size("1MiB", "16GiB"), "256MiB",
     "Events that wait for the disk. Over it requests are answered 503 with `Retry-After`."},
    {"storage.write_buffer", At<&Config::storage, &Storage::write_buffer>, Size("4MiB", "1GiB"),
     "64MiB",
     "Events gathered in memory (they are in the write-ahead log already) before a table file is "
     "written. What is delivered within it never reaches a table file. Up to four of this size "
     "exist at a time."},
    {"storage.max_wal", At<&Config::storage, &Storage::max_wal>, Size("16MiB", "64GiB"), "512MiB",
     "Write-ahead log kept on disk before older events are written to table files. A restart reads "
     "it."},
    {"storage.block_cache", At<&Config::storage, &Storage::block_cache>, Size("1MiB", "64GiB"),
     "32MiB", "Memory for reading a backlog back from table files, their indexes included."},
    {"storage.min_free_disk", At<&Config::storage, &Storage::min_free_disk>, Size("0", "16TiB"),
     "512MiB", "Free space below which events are answered 503; delivery goes on."},
    {"storage.hard_min_free_disk", At<&Config::storage, &Storage::hard_min_free_disk>,
     Size("0", "16TiB"), "128MiB",
     "Free space below which requests are refused that were let in before and still wait for the "
     "disk: "
     "what is left is for what delivery writes. Never more than `storage.min_free_disk`."},
    {"storage.tenant_max_rejected", At<&Config::storage, &Storage::tenant_max_rejected>,
     Size("0", "64GiB"), "64MiB",
     "Events that validation refused, kept for one tenant; the oldest go first."},
    {"storage.retry_interval", At<&Config::storage, &Storage::retry_interval>,
     Duration("10ms", "1m"), "1s",
     "How often a disk that refused a write or a read is tried again."},

    {"retention.max_age", At<&Config::retention, &Retention::max_age>, Duration("0s", "10000d"),
     "30d",
     "How long an event may wait for delivery before it becomes a dead letter (code `expired`); 0 "
     "is for ever. Also for tenants that are paused, held or no longer configured. None does until "
     "the clock has run for an hour (or for this time where it is shorter) without a jump, nor "
     "below `storage.min_free_disk`. How much may wait is `ingest.tenant_limits.max_backlog`: "
     "beyond it new events are refused, and none is given up."},
    {"retention.dead_letter_max_age", At<&Config::retention, &Retention::dead_letter_max_age>,
     Duration("0s", "10000d"), "90d",
     "How long dead letters and refused events are kept; 0 is for ever. None goes until the clock "
     "has run for an hour without a jump. What goes is logged (`dead_letters_dropped`) and "
     "counted."},
    {"retention.tenant_max_dead_letters",
     At<&Config::retention, &Retention::tenant_max_dead_letters>, Size("0", "16TiB"), "4GiB",
     "Dead letters that are kept for one tenant; the oldest go first, and are logged and counted."},

    {"segment.endpoints", At<&Config::segment, &Segment::endpoints>, kUrlMap,
     "{us: https://api.segment.io, eu: https://events.eu1.segmentapis.com}",
     "Region name to base URL. Entries are added to `us` and `eu`; an entry of that name replaces "
     "it. `/v1/batch` is appended."},
    {"segment.ca_file", At<&Config::segment, &Segment::ca_file>, kPath, kUnset,
     "PEM file with authorities to trust for `https` endpoints, besides the system's."},

    {"delivery.flush_interval", At<&Config::delivery, &Delivery::flush_interval>,
     Duration("0s", "5m"), "1s",
     "How long a tenant's first waiting event waits for a fuller batch."},
    {"delivery.max_batch_bytes", At<&Config::delivery, &Delivery::max_batch_bytes>,
     Size("64KiB", "500000"), "475000",
     "The body of one request to Segment, whose limit is 500 KB."},
    {"delivery.max_batch_events", At<&Config::delivery, &Delivery::max_batch_events>,
     Count("1", "2500"), "1000", "Events in one request to Segment, whose limit is 2,500."},
    {"delivery.max_connections", At<&Config::delivery, &Delivery::max_connections>,
     Count("1", "10000"), "256",
     "Requests to Segment at one time, all tenants together; a tenant has one at most."},
    {"delivery.tenant_events_per_second",
     At<&Config::delivery, &Delivery::tenant_events_per_second>, Count("0", "1000000"), "1000",
     "Rate of one tenant, after Segment's limit of a workspace; 0 is no limit."},
    {"delivery.tenant_burst_events", At<&Config::delivery, &Delivery::tenant_burst_events>,
     Count("1", "10000000"), "2500",
     "Events that a tenant may send at once after a rest. At least `delivery.max_batch_events`."},
    {"delivery.connect_timeout", At<&Config::delivery, &Delivery::connect_timeout>,
     Duration("100ms", "1m"), "5s",
     "For the name lookup, and again for each address that is tried, TLS included."},
    {"delivery.request_timeout", At<&Config::delivery, &Delivery::request_timeout>,
     Duration("100ms", "5m"), "15s", "For the whole request, connecting included."},
    {"delivery.connection_max_age", At<&Config::delivery, &Delivery::connection_max_age>,
     Duration("1s", "1d"), "10m",
     "Age at which a connection is replaced, so that DNS changes are followed."},
    {"delivery.connection_idle", At<&Config::delivery, &Delivery::connection_idle>,
     Duration("1s", "1h"), "30s",
     "Idle time after which a connection is closed; shorter than Segment's."},
    {"delivery.dns_refresh", At<&Config::delivery, &Delivery::dns_refresh>, Duration("1s", "1d"),
     "1m", "Age at which an endpoint's addresses are looked up again."},
    {"delivery.retry.initial", At<&Config::delivery, &Delivery::retry, &Retry::initial>,
     Duration("10ms", "5m"), "500ms", "Wait before the first retry."},
    {"delivery.retry.multiplier", At<&Config::delivery, &Delivery::retry, &Retry::multiplier>,
     Ratio("1", "10"), "2", "Each further wait is so many times the one before."},
    {"delivery.retry.max", At<&Config::delivery, &Delivery::retry, &Retry::max>,
     Duration("10ms", "1h"), "5m",
     "The longest wait. Retries never end: an event leaves the queue delivered, dead or purged."},
    {"delivery.retry.jitter", At<&Config::delivery, &Delivery::retry, &Retry::jitter>,
     Ratio("0", "1"), "0.2",
     "Each wait is made longer or shorter by up to this share, so that tenants do not retry in "
     "step."},
    {"delivery.max_retry_after", At<&Config::delivery, &Delivery::max_retry_after>,
     Duration("1s", "1h"), "5m",
     "The longest `Retry-After` that is obeyed; a longer one is cut to it."},
    {"delivery.hold_probe_interval", At<&Config::delivery, &Delivery::hold_probe_interval>,
     Duration("1s", "1d"), "1m",
     "How often a tenant whose key or endpoint is refused is tried again."},
    {"delivery.max_refused_in_a_row", At<&Config::delivery, &Delivery::max_refused_in_a_row>,
     Count("0", "100000"), "20",
     "When Segment refuses more events of a tenant than this one after the other, and takes none, "
     "it "
     "is not the events: those behind them are kept, and one asks at each "
     "`delivery.hold_probe_interval`. 0 makes each a dead letter. A higher number lets those go "
     "that "
     "are held."},
    {"delivery.slow_request", At<&Config::delivery, &Delivery::slow_request>, Duration("0s", "5m"),
     "3s",
     "Tenants whose last request failed, or took longer than this, have three quarters of "
     "`delivery.max_connections` together, so that the others do not wait for them. 0: only those "
     "that failed."},
    {"delivery.endpoint.requests_per_second",
     At<&Config::delivery, &Delivery::endpoint, &EndpointLimits::requests_per_second>,
     Count("0", "1000000"), "0",
     "Requests to one endpoint, all tenants together; 0 is no limit. Segment asks those who send "
     "for "
     "many customers for 50 at most."},
    {"delivery.endpoint.failing_tenants",
     At<&Config::delivery, &Delivery::endpoint, &EndpointLimits::failing_tenants>,
     Count("1", "1000"), "3",
     "An endpoint is down when so many tenants have failed since it last answered one. Fewer wait "
     "for their own retries, and keep nobody else waiting."},
    {"delivery.endpoint.silence",
     At<&Config::delivery, &Delivery::endpoint, &EndpointLimits::silence>, Duration("0s", "10m"),
     "1s", "And when it has answered nobody for so long."},
    {"delivery.endpoint.probe_initial",
     At<&Config::delivery, &Delivery::endpoint, &EndpointLimits::probe_initial>,
     Duration("10ms", "10m"), "1s",
     "Wait before the first request that asks whether it is back; each further wait is twice as "
     "long, with the jitter of `delivery.retry.jitter`."},
    {"delivery.endpoint.probe_max",
     At<&Config::delivery, &Delivery::endpoint, &EndpointLimits::probe_max>, Duration("10ms", "1h"),
     "30s", "The longest of these waits."},
    {"delivery.endpoint.recovery_requests_per_second",
     At<&Config::delivery, &Delivery::endpoint, &EndpointLimits::recovery_requests_per_second>,
     Count("1", "1000000"), "50",
     "What it gets when it is back; each second of good answers adds as much, for 20 s."},

    {"shutdown.deadline", At<&Config::shutdown, &Shutdown::deadline>, Duration("0s", "1h"), "20s",
     "Time for requests and deliveries in hand after SIGTERM. Shorter than the grace period of the "
     "supervisor; nothing acknowledged is lost when it runs out."},

    {"log.level", At<&Config::log, &Log::level>, kChoice, "info",
     "The least severe lines to write."},
    {"log.format", At<&Config::log, &Log::format>, kChoice, "auto",
     "One JSON object a line, or text; `auto` is text on a terminal and JSON elsewhere."},

    {"secrets.master_key", At<&Config::secrets, &Secrets::master_key>, kMasterKey, kUnset,
     "Encrypts write keys at rest. Make one with `openssl rand -base64 32`."},

    {"tenants", At<&Config::tenants>, kTable, "[]",
     "The customers whose events go to their own Segment workspace."},
    {"service_keys", At<&Config::service_keys>, kTable, "[]",
     "Keys that may send for any tenant, named by the header `X-Tenant-Id` or by `tenantId` on a "
     "batch item."},
});

constexpr auto kAdminTokenFields = std::to_array<Field>({
    {"name", At<&AdminToken::name>, kName, kRequired, "Shows in the audit log."},
    {"role", At<&AdminToken::role>, kChoice, kRequired, "What the token may do."},
    {"token", At<&AdminToken::token>, kKey, kRequired, "Sent as `Authorization: Bearer <token>`."},
});

constexpr auto kIngestKeyFields = std::to_array<Field>({
    {"key", At<&IngestKey::key>, kKey, kRequired, "What the service authenticates with."},
    {"name", At<&IngestKey::name>, kName, kUnset, "Shows in logs in place of the key."},
    {"message_ids", At<&IngestKey::message_ids>, kChoice, "auto",
     "As `message_ids` of the tenant."},
    {"limits.events_per_second", At<&IngestKey::limits, &RateLimit::events_per_second>,
     Count("0", "10000000"), "0",
     "Events that may be sent with this key; 0 is no limit of its own."},
    {"limits.burst_events", At<&IngestKey::limits, &RateLimit::burst_events>,
     Count("0", "10000000"), "0", "As `ingest.tenant_limits.burst_events`."},
});

constexpr auto kTenantFields = std::to_array<Field>({
    {"id", At<&Tenant::id>, kName, kRequired,
     "Never reuse the id of another customer: the queue knows the tenant by it."},
    {"ingest_keys", At<&Tenant::ingest_keys>, kTable, "[]",
     "What the tenant's services use in place of a Segment write key. Several, so that keys can be "
     "rotated. An entry is the key itself, or a mapping."},
    {"paused", At<&Tenant::paused>, kBool, "false",
     "Store events, deliver none until it is false again."},
    {"strict", At<&Tenant::strict>, kBool, "false",
     "Answer 400, and store nothing of the request, when one of its events is not as Segment "
     "documents it. Otherwise the request is answered 200, the good events are stored, those that "
     "Segment would drop are kept as dead letters, and small faults are put right."},
    {"message_ids", At<&Tenant::message_ids>, kChoice, "auto",
     "`keep` sends each `messageId` as it came, `scoped` makes it unique to the tenant: Segment "
     "drops an id that it has seen in any workspace. `auto` keeps those of the tenant's own keys "
     "and scopes those of service keys."},
    {"dedupe.window", At<&Tenant::dedupe, &TenantDedupe::window>, Duration("0s", "30d"), "0s",
     "For how long a `messageId` is remembered; an event with one that is, is answered 200 and not "
     "stored again. 0 is off. Costs about 25 bytes of disk for each event of the window, and CPU: "
     "docs/benchmarks.md."},
    {"dedupe.max_ids", At<&Tenant::dedupe, &TenantDedupe::max_ids>, Count("1000", "1000000000"),
     "10000000", "Ids remembered at one time; over it the oldest are forgotten early."},
    {"limits.events_per_second",
     At<&Tenant::limits, &TenantLimits::rate, &RateLimit::events_per_second>,
     Count("0", "10000000"), "0", "0 is `ingest.tenant_limits.events_per_second`."},
    {"limits.burst_events", At<&Tenant::limits, &TenantLimits::rate, &RateLimit::burst_events>,
     Count("0", "10000000"), "0", "0 is `ingest.tenant_limits.burst_events`."},
    {"limits.max_backlog", At<&Tenant::limits, &TenantLimits::max_backlog>, Size("0", "16TiB"), "0",
     "0 is `ingest.tenant_limits.max_backlog`."},
    {"retention.max_age", At<&Tenant::max_age>, Duration("0s", "10000d"), "0s",
     "0 is `retention.max_age`."},
    {"delivery.weight", At<&Tenant::delivery, &TenantDelivery::weight>, Count("1", "100"), "1",
     "The tenant's share where tenants wait for each other: one of weight 3 sends three batches in "
     "its turn."},
    {"delivery.events_per_second", At<&Tenant::delivery, &TenantDelivery::events_per_second>,
     Count("0", "1000000"), "0", "0 is `delivery.tenant_events_per_second`."},
    {"delivery.burst_events", At<&Tenant::delivery, &TenantDelivery::burst_events>,
     Count("0", "10000000"), "0", "0 is `delivery.tenant_burst_events`."},
    {"delivery.max_batch_events", At<&Tenant::delivery, &TenantDelivery::max_batch_events>,
     Count("0", "2500"), "0", "0 is `delivery.max_batch_events`."},
    {"delivery.request_timeout", At<&Tenant::delivery, &TenantDelivery::request_timeout>,
     OrZero(Duration("100ms", "5m")), "0s", "0 is `delivery.request_timeout`."},
    {"delivery.retry.initial", At<&Tenant::delivery, &TenantDelivery::retry_initial>,
     OrZero(Duration("10ms", "5m")), "0s", "0 is `delivery.retry.initial`."},
    {"delivery.retry.max", At<&Tenant::delivery, &TenantDelivery::retry_max>,
     OrZero(Duration("10ms", "1h")), "0s", "0 is `delivery.retry.max`."},
    {"delivery.max_retry_after", At<&Tenant::delivery, &TenantDelivery::max_retry_after>,
     OrZero(Duration("1s", "1h")), "0s", "0 is `delivery.max_retry_after`."},
    {"delivery.hold_probe_interval", At<&Tenant::delivery, &TenantDelivery::hold_probe_interval>,
     OrZero(Duration("1s", "1d")), "0s", "0 is `delivery.hold_probe_interval`."},
    {"delivery.max_refused_in_a_row", At<&Tenant::delivery, &TenantDelivery::max_refused_in_a_row>,
     Count("0", "100000"), "0", "0 is `delivery.max_refused_in_a_row`."},
    {"segment.write_key", At<&Tenant::segment, &TenantSegment::write_key>, kKey, kUnset,
     "The write key of the tenant's source in Segment. Required unless `segment.enabled` is "
     "false."},
    {"segment.region", At<&Tenant::segment, &TenantSegment::region>, kName, "us",
     "A name of `segment.endpoints`."},
    {"segment.enabled", At<&Tenant::segment, &TenantSegment::enabled>, kBool, "true",
     "The \"Send to Segment\" switch. When false, events are answered 200, counted and not "
     "stored."},
});

constexpr auto kServiceKeyFields = std::to_array<Field>({
    {"name", At<&ServiceKey::name>, kName, kRequired,
     "Shows in logs and metrics in place of the key."},
    {"key", At<&ServiceKey::key>, kKey, kRequired, "Used as an ingest key is."},
    {"unknown_tenant", At<&ServiceKey::unknown_tenant>, kChoice, "reject",
     "What happens to events for a tenant that is not configured: `reject` refuses them, `ignore` "
     "answers 200, counts them and stores nothing."},
    {"message_ids", At<&ServiceKey::message_ids>, kChoice, "auto", "As `message_ids` of a tenant."},
    {"limits.events_per_second", At<&ServiceKey::limits, &RateLimit::events_per_second>,
     Count("0", "10000000"), "0",
     "Events that may be sent with this key; 0 is no limit of its own."},
    {"limits.burst_events", At<&ServiceKey::limits, &RateLimit::burst_events>,
     Count("0", "10000000"), "0", "As `ingest.tenant_limits.burst_events`."},
});

constexpr auto kSections = std::to_array<Section>({
    {"ingest", "The listener that receives events, and its limits."},
    {"admin", "The listener for operators."},
    {"storage", "The durable queue."},
    {"retention", "How long what is not delivered is kept."},
    {"segment", "Where Segment's Tracking API is."},
    {"delivery", "How events are sent to Segment."},
    {"shutdown", "How the process ends."},
    {"log", "What is written to standard error."},
    {"secrets", "Keys of the gateway itself."},
    {"tenants", "One entry for each tenant that is declared in the file."},
    {"service_keys", "One entry for each of your own services that sends for many tenants."},
});

constexpr auto kRoles = std::to_array<EnumName<Role>>(
    {{"viewer", Role::kViewer}, {"operator", Role::kOperator}, {"admin", Role::kAdmin}});
constexpr auto kLevels =
    std::to_array<EnumName<common::log::Level>>({{"debug", common::log::Level::kDebug},
                                                 {"info", common::log::Level::kInfo},
                                                 {"warning", common::log::Level::kWarning},
                                                 {"error", common::log::Level::kError}});
constexpr auto kFormats =
    std::to_array<EnumName<common::log::Format>>({{"auto", common::log::Format::kAuto},
                                                  {"text", common::log::Format::kText},
                                                  {"json", common::log::Format::kJson}});
constexpr auto kMessageIds =
    std::to_array<EnumName<pipeline::MessageIds>>({{"auto", pipeline::MessageIds::kAuto},
                                                   {"keep", pipeline::MessageIds::kKeep},
                                                   {"scoped", pipeline::MessageIds::kScoped}});
constexpr auto kUnknownTenant = std::to_array<EnumName<pipeline::UnknownTenant>>(
    {{"reject", pipeline::UnknownTenant::kReject}, {"ignore", pipeline::UnknownTenant::kIgnore}});

}  // namespace

template <>
Fields FieldsOf<Config>() {
  return kConfigFields;
}
template <>
Fields FieldsOf<AdminToken>() {
  return kAdminTokenFields;
}
template <>
Fields FieldsOf<IngestKey>() {
  return kIngestKeyFields;
}
template <>
Fields FieldsOf<Tenant>() {
  return kTenantFields;
}
template <>
Fields FieldsOf<ServiceKey>() {
  return kServiceKeyFields;
}

std::span<const Section> Sections() { return kSections; }
std::span<const EnumName<Role>> NamesOf(const Role*) { return kRoles; }
std::span<const EnumName<common::log::Level>> NamesOf(const common::log::Level*) { return kLevels; }
std::span<const EnumName<common::log::Format>> NamesOf(const common::log::Format*) {
  return kFormats;
}
std::span<const EnumName<pipeline::MessageIds>> NamesOf(const pipeline::MessageIds*) {
  return kMessageIds;
}
std::span<const EnumName<pipeline::UnknownTenant>> NamesOf(const pipeline::UnknownTenant*) {
  return kUnknownTenant;
}

}  // namespace gateway::config

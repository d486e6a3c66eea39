// SPDX-License-Identifier: Apache-2.0
#include "gateway/config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"

namespace gateway::config {
namespace {

using common::Secret;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Key;

std::optional<std::string> FakeEnv(std::string_view name) {
  if (name == "WRITE_KEY") return "0123456789abcdefghijABCDEFGHIJ01";
  if (name == "PORT") return "9000";
  return std::nullopt;
}

/// Loads a text that has to be right.
Loaded Load(std::string_view text) {
  LoadResult result = LoadText("test.yaml", text, FakeEnv);
  if (!result) {
    for (const Problem& problem : result.error()) ADD_FAILURE() << problem.ToString();
    return {};
  }
  return *std::move(result);
}

std::vector<std::string> Warnings(const Loaded& loaded) {
  std::vector<std::string> lines;
  lines.reserve(loaded.warnings.size());
  for (const Problem& problem : loaded.warnings) lines.push_back(problem.ToString());
  return lines;
}

TEST(LoadTest, AnEmptyFileMeansTheDefaults) {
  for (const std::string_view text : {"", "# nothing\n", "---\n", "ingest:\ntenants:\n", "{}"}) {
    const Config config = Load(text).config;
    EXPECT_EQ(config.ingest.listen, (ListenAddress{"127.0.0.1", 8080})) << text;
    EXPECT_EQ(config.admin.listen, (ListenAddress{"127.0.0.1", 8081})) << text;
    EXPECT_THAT(config.tenants, IsEmpty()) << text;
  }
}

TEST(LoadTest, DefaultsKeepToSegmentsLimits) {
  const Config config = Defaults();
  EXPECT_EQ(config.ingest.max_request_bytes, 524'288U);
  EXPECT_EQ(config.ingest.max_event_bytes, 32'768U);
  EXPECT_EQ(config.ingest.max_batch_events, 2500U);
  EXPECT_EQ(config.delivery.max_batch_bytes, 475'000U);
  EXPECT_EQ(config.delivery.max_batch_events, 1000U);
  EXPECT_EQ(config.delivery.flush_interval, seconds(1));
  EXPECT_EQ(config.delivery.retry.initial, milliseconds(500));
  EXPECT_EQ(config.delivery.retry.max, seconds(300));
  EXPECT_EQ(config.delivery.retry.multiplier, 2.0);
  EXPECT_EQ(config.delivery.retry.jitter, 0.2);
  EXPECT_EQ(config.delivery.connection_max_age, minutes(10));
  EXPECT_EQ(config.segment.endpoints.at("us"), *pipeline::ParseEndpoint("https://api.segment.io"));
  EXPECT_EQ(config.segment.endpoints.at("eu"),
            *pipeline::ParseEndpoint("https://events.eu1.segmentapis.com"));
  EXPECT_EQ(config.storage.path, "./data");
  EXPECT_EQ(config.shutdown.deadline, seconds(20));
  EXPECT_TRUE(config.secrets.master_key.empty());
}

TEST(LoadTest, ReadsEveryKindOfValue) {
  const Config config = Load(R"(
ingest: { listen: "[::1]:${PORT}", max_connections: 5, max_request_bytes: 64KiB, idle_timeout: 2m }
admin:
  listen: :8081
  tokens: [ { name: ops, role: operator, token: 0123456789abcdef } ]
storage: { path: /var/lib/gateway, commit_linger: 300us, hot_tail: 0 }
segment: { endpoints: { local: "http://127.0.0.1:9090/seg/" }, ca_file: ca.pem }
delivery: { retry: { multiplier: 1.5 }, tenant_events_per_second: 0 }
log: { level: debug, format: json }
secrets: { master_key: MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE= }
)")
                            .config;
  EXPECT_EQ(config.ingest.listen, (ListenAddress{"::1", 9000}));
  EXPECT_EQ(config.ingest.max_connections, 5U);
  EXPECT_EQ(config.ingest.max_request_bytes, 65'536U);
  EXPECT_EQ(config.ingest.idle_timeout, seconds(120));
  EXPECT_EQ(config.ingest.body_timeout, seconds(30));  // Not given: the default.
  EXPECT_EQ(config.admin.listen, (ListenAddress{"0.0.0.0", 8081}));
  ASSERT_EQ(config.admin.tokens.size(), 1U);
  EXPECT_EQ(config.admin.tokens[0].name, "ops");
  EXPECT_EQ(config.admin.tokens[0].role, Role::kOperator);
  EXPECT_EQ(config.admin.tokens[0].token, Secret("0123456789abcdef"));
  EXPECT_EQ(config.storage.path, "/var/lib/gateway");
  EXPECT_EQ(config.storage.commit_linger, std::chrono::microseconds(300));
  EXPECT_EQ(config.storage.hot_tail, 0U);
  EXPECT_EQ(config.segment.endpoints.at("local"),
            *pipeline::ParseEndpoint("http://127.0.0.1:9090/seg"));
  EXPECT_EQ(config.segment.ca_file, "ca.pem");
  EXPECT_EQ(config.delivery.retry.multiplier, 1.5);
  EXPECT_EQ(config.delivery.tenant_events_per_second, 0U);
  EXPECT_EQ(config.log.level, common::log::Level::kDebug);
  EXPECT_EQ(config.log.format, common::log::Format::kJson);
  EXPECT_FALSE(config.secrets.master_key.empty());
}

TEST(LoadTest, ReadsTenantsAndServices) {
  const Config config = Load(R"(
tenants:
  - id: acme
    ingest_keys: [ acme-1, "acme-2" ]
    segment: { write_key: "${WRITE_KEY}", region: eu }
  - { id: off, segment: { enabled: false } }
  - id: held
    paused: true
    ingest_keys:
    segment: { write_key: "${WRITE_KEY}" }
service_keys: [ { name: backend, key: backend-1 } ]
)")
                            .config;
  ASSERT_EQ(config.tenants.size(), 3U);
  const Tenant& acme = config.tenants[0];
  EXPECT_EQ(acme.id, "acme");
  EXPECT_THAT(acme.ingest_keys, ElementsAre(testing::Field(&IngestKey::key, Secret("acme-1")),
                                            testing::Field(&IngestKey::key, Secret("acme-2"))));
  EXPECT_FALSE(acme.paused);
  EXPECT_EQ(acme.segment.write_key, Secret("0123456789abcdefghijABCDEFGHIJ01"));
  EXPECT_EQ(acme.segment.region, "eu");
  EXPECT_TRUE(acme.segment.enabled);
  EXPECT_FALSE(config.tenants[1].segment.enabled);
  EXPECT_EQ(config.tenants[1].segment.region, "us");
  EXPECT_TRUE(config.tenants[2].paused);
  EXPECT_THAT(config.tenants[2].ingest_keys, IsEmpty());
  ASSERT_EQ(config.service_keys.size(), 1U);
  EXPECT_EQ(config.service_keys[0].name, "backend");
  EXPECT_EQ(config.service_keys[0].key, Secret("backend-1"));
}

TEST(LoadTest, ReadsWhatIngestAsksOfTenantsAndKeys) {
  const Config config = Load(R"(
ingest:
  public_url: https://events.example.com
  trusted_proxies: [ 10.0.0.0/8, "::1" ]
  allowed_origins: []
  tenant_limits: { events_per_second: 500, max_backlog: 1GiB }
tenants:
  - id: acme
    strict: true
    message_ids: scoped
    dedupe: { window: 24h, max_ids: 5000 }
    limits: { events_per_second: 100, burst_events: 300, max_backlog: 1MiB }
    ingest_keys:
      - plain
      - { key: named, name: web, message_ids: keep, limits: { events_per_second: 7 } }
    segment: { write_key: "${WRITE_KEY}" }
service_keys:
  - { name: backend, key: svc, unknown_tenant: ignore, message_ids: keep,
      limits: { events_per_second: 9, burst_events: 8 } }
)")
                            .config;
  EXPECT_EQ(config.ingest.public_url.host, "events.example.com");
  EXPECT_THAT(config.ingest.trusted_proxies, ElementsAre("10.0.0.0/8", "::1"));
  EXPECT_THAT(config.ingest.allowed_origins, IsEmpty());
  EXPECT_EQ(config.ingest.tenant_limits.rate.events_per_second, 500U);
  EXPECT_EQ(config.ingest.tenant_limits.max_backlog, 1U << 30);
  const Tenant& acme = config.tenants.at(0);
  EXPECT_TRUE(acme.strict);
  EXPECT_EQ(acme.message_ids, pipeline::MessageIds::kScoped);
  EXPECT_EQ(acme.dedupe.window, std::chrono::hours(24));
  EXPECT_EQ(acme.dedupe.max_ids, 5000U);
  EXPECT_EQ(acme.limits.rate.burst_events, 300U);
  EXPECT_EQ(acme.limits.max_backlog, 1U << 20);
  ASSERT_EQ(acme.ingest_keys.size(), 2U);
  EXPECT_EQ(acme.ingest_keys[0].key, Secret("plain"));
  EXPECT_EQ(acme.ingest_keys[0].message_ids, pipeline::MessageIds::kAuto);
  EXPECT_EQ(acme.ingest_keys[1].key, Secret("named"));
  EXPECT_EQ(acme.ingest_keys[1].name, "web");
  EXPECT_EQ(acme.ingest_keys[1].message_ids, pipeline::MessageIds::kKeep);
  EXPECT_EQ(acme.ingest_keys[1].limits.events_per_second, 7U);
  const ServiceKey& backend = config.service_keys.at(0);
  EXPECT_EQ(backend.unknown_tenant, pipeline::UnknownTenant::kIgnore);
  EXPECT_EQ(backend.message_ids, pipeline::MessageIds::kKeep);
  EXPECT_EQ(backend.limits.burst_events, 8U);
}

TEST(LoadTest, EndpointsAddToTheDefaultsAndReplaceThem) {
  const Config config =
      Load("segment: { endpoints: { us: https://proxy.example, own: https://own.example } }")
          .config;
  EXPECT_THAT(config.segment.endpoints, ElementsAre(Key("eu"), Key("own"), Key("us")));
  EXPECT_EQ(config.segment.endpoints.at("us").host, "proxy.example");
}

TEST(LoadTest, AnchorsAndAliasesWork) {
  const Config config = Load(R"(
tenants:
  - { id: a, segment: &shared { write_key: "${WRITE_KEY}", region: eu } }
  - { id: b, segment: *shared }
)")
                            .config;
  ASSERT_EQ(config.tenants.size(), 2U);
  EXPECT_EQ(config.tenants[1].segment.region, "eu");
}

TEST(LoadTest, WarnsOfWhatIsAllowedButDoubtful) {
  const Loaded loaded = Load(R"(admin: { tokens: [ { name: ops, role: admin, token: short } ] }
segment: { endpoints: { far: http://example.com, near: http://127.0.0.1:1, own: http://localhost } }
tenants: [ { id: acme, segment: { write_key: tooshort, region: far } } ]
)");
  EXPECT_THAT(Warnings(loaded),
              ElementsAre("test.yaml:1:53: admin.tokens[0].token: is short enough to be guessed; "
                          "16 characters or more are better",
                          "test.yaml:2:30: segment.endpoints.far: is not https: write keys and "
                          "events cross the network in clear",
                          "test.yaml:3:46: tenants[0].segment.write_key: does not look like a "
                          "Segment write key (32 letters and digits); Segment answers 200 to some "
                          "wrong keys and drops the events"));
}

TEST(LoadTest, WarnsWhenAFullDiskCouldNotBeRecoveredFrom) {
  const char* const kTenant = "tenants: [ { id: a, segment: { enabled: false } } ]\n";
  EXPECT_THAT(Warnings(Load(std::string(kTenant) +
                            "storage: { min_free_disk: 40MiB, write_buffer: 8MiB }\n")),
              ElementsAre(testing::HasSubstr("storage.min_free_disk: is less than 48MiB")));
  EXPECT_THAT(Warnings(Load(std::string(kTenant) +
                            "storage: { min_free_disk: 48MiB, write_buffer: 8MiB }\n")),
              IsEmpty());
}

TEST(LoadTest, WarnsWhenThereAreNoTenants) {
  EXPECT_THAT(Warnings(Load("")),
              ElementsAre("test.yaml: tenants: there are none, so every event is refused"));
  EXPECT_THAT(Warnings(Load("tenants: [ { id: a, segment: { enabled: false } } ]")), IsEmpty());
}

TEST(LoadFileTest, ReadsAFileAndNamesIt) {
  const tests::TempDir dir;
  const std::string path = dir / "gateway.yaml";
  std::ofstream(path) << "storage: { path: /x }\n";
  const LoadResult good = LoadFile(path, FakeEnv);
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(good->config.storage.path, "/x");

  std::ofstream(path) << "storage: { path: /x, size: 1 }\n";
  const LoadResult bad = LoadFile(path, FakeEnv);
  ASSERT_FALSE(bad.has_value());
  ASSERT_EQ(bad.error().size(), 1U);
  EXPECT_EQ(bad.error()[0].file, path);
  EXPECT_EQ(bad.error()[0].line, 1);
}

TEST(LoadFileTest, SaysWhyAFileCannotBeRead) {
  const tests::TempDir dir;
  const std::string missing = dir / "missing.yaml";
  const LoadResult none = LoadFile(missing, FakeEnv);
  ASSERT_FALSE(none.has_value());
  ASSERT_EQ(none.error().size(), 1U);
  EXPECT_EQ(none.error()[0].ToString(), missing + ": cannot be read: No such file or directory");

  const LoadResult directory = LoadFile(dir.path().string(), FakeEnv);
  ASSERT_FALSE(directory.has_value());
  EXPECT_EQ(directory.error()[0].ToString(),
            dir.path().string() + ": cannot be read: it is a directory");
}

}  // namespace
}  // namespace gateway::config

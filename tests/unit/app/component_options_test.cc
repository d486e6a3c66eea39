// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/component_options.h"

#include <gtest/gtest.h>

#include <chrono>

#include "gateway/config/load.h"

namespace gateway::app {
namespace {

using namespace std::chrono_literals;

config::Config Load(const char* text) {
  auto loaded = config::LoadText("test", text, [](std::string_view) { return std::nullopt; });
  EXPECT_TRUE(loaded.has_value());
  return loaded ? loaded->config : config::Defaults();
}

TEST(ComponentOptions, TheDefaultsKeepSegmentsLimits) {
  const config::Config config = config::Defaults();
  const auto pump = ToPumpOptions(config);
  EXPECT_LE(pump.delivery.max_batch_bytes, 475'000U);
  EXPECT_LE(pump.delivery.max_batch_events, 2'500U);
  EXPECT_EQ(pump.delivery.events_per_second, 1'000U);
  EXPECT_EQ(pump.delivery.max_retry_after, 300s);
  const auto ingest = ToIngestOptions(config.ingest);
  EXPECT_EQ(ingest.limits.max_event_bytes, 32'768U);
  EXPECT_EQ(ingest.limits.max_batch_bytes, 524'288U);
  EXPECT_EQ(ingest.limits.max_batch_events, 2'500U);
  EXPECT_EQ(ingest.limits.max_message_id_chars, 100U);
}

TEST(ComponentOptions, ABurstNeverLiesBelowABatch) {
  config::Config config = config::Defaults();
  config.delivery.max_batch_events = 2'000;
  config.delivery.tenant_burst_events = 10;
  EXPECT_EQ(ToPumpOptions(config).delivery.burst_events, 2'000U);
}

TEST(ComponentOptions, ATenantsOwnDeliveryIsWhatTheOthersHaveButForWhatItSays) {
  const config::Config config = Load(R"(
delivery: { request_timeout: 9s, retry: { max: 1m } }
tenants:
  - { id: a, segment: { write_key: wa } }
  - id: b
    delivery: { weight: 3, events_per_second: 5000, max_batch_events: 2500, retry: { max: 2m } }
    segment: { write_key: wb }
)");
  const auto specs = ToTenantSpecs(config);
  ASSERT_EQ(specs.size(), 2U);
  EXPECT_EQ(specs[0].delivery, nullptr);
  ASSERT_NE(specs[1].delivery, nullptr);
  const pipeline::DeliveryPolicy& own = *specs[1].delivery;
  EXPECT_EQ(own.weight, 3U);
  EXPECT_EQ(own.events_per_second, 5'000U);
  EXPECT_EQ(own.max_batch_events, 2'500U);
  EXPECT_EQ(own.burst_events, 2'500U);
  EXPECT_EQ(own.backoff.max, 2min);
  EXPECT_EQ(own.request_timeout, 9s);
  EXPECT_EQ(own.max_refused_in_a_row, config.delivery.max_refused_in_a_row);
}

TEST(ComponentOptions, TenantsGetTheirRegionsEndpoint) {
  const config::Config config = Load(R"(
tenants:
  - { id: a, ingest_keys: [ka], segment: { write_key: wa, region: eu } }
  - { id: b, ingest_keys: [kb], paused: true, segment: { write_key: wb } }
  - { id: c, ingest_keys: [kc], segment: { enabled: false } }
service_keys: [ { name: backend, key: svc } ]
)");
  const auto specs = ToTenantSpecs(config);
  ASSERT_EQ(specs.size(), 3U);
  EXPECT_EQ(specs[0].endpoint->host, "events.eu1.segmentapis.com");
  EXPECT_TRUE(specs[0].forwarded);
  EXPECT_FALSE(specs[0].paused);
  EXPECT_EQ(specs[1].endpoint->host, "api.segment.io");
  EXPECT_TRUE(specs[1].paused);
  EXPECT_FALSE(specs[2].forwarded);
  ASSERT_EQ(ToServiceKeys(config).size(), 1U);
  EXPECT_EQ(ToServiceKeys(config)[0].name, "backend");
}

TEST(ComponentOptions, LimitsFallBackToTheWiderSetting) {
  const config::Config config = Load(R"(
ingest:
  max_batch_events: 500
  tenant_limits: { events_per_second: 100, max_backlog: 1GiB }
tenants:
  - id: a
    ingest_keys: [ ka, { key: kb, limits: { events_per_second: 2000 } } ]
    segment: { write_key: wa }
  - id: b
    limits: { events_per_second: 7, burst_events: 9, max_backlog: 1MiB }
    segment: { write_key: wb }
service_keys: [ { name: backend, key: svc, limits: { events_per_second: 3 } } ]
)");
  const auto specs = ToTenantSpecs(config);
  ASSERT_EQ(specs.size(), 2U);
  EXPECT_EQ(specs[0].rate.events_per_second, 100U);
  EXPECT_EQ(specs[0].rate.burst_events, 500U) << "the largest request fits";
  EXPECT_EQ(specs[0].max_backlog_bytes, 1U << 30);
  EXPECT_EQ(specs[0].ingest_keys[0].rate.events_per_second, 0U) << "no limit of its own";
  EXPECT_EQ(specs[0].ingest_keys[1].rate.events_per_second, 2000U);
  EXPECT_EQ(specs[0].ingest_keys[1].rate.burst_events, 2000U);
  EXPECT_EQ(specs[1].rate.events_per_second, 7U);
  EXPECT_EQ(specs[1].rate.burst_events, 9U);
  EXPECT_EQ(specs[1].max_backlog_bytes, 1U << 20);
  EXPECT_EQ(ToServiceKeys(config)[0].rate.events_per_second, 3U);
}

}  // namespace
}  // namespace gateway::app

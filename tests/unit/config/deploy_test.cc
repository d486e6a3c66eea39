// SPDX-License-Identifier: Apache-2.0
// The configurations that ship in deploy/ load without an error or a warning.
#include <gtest/gtest.h>

#include <string>

#include "gateway/config/load.h"

namespace gateway::config {
namespace {

Loaded LoadShipped(const std::string& name, const EnvLookup& env) {
  LoadResult result = LoadFile(GW_SOURCE_DIR "/deploy/" + name, env);
  if (!result) {
    for (const Problem& problem : result.error()) ADD_FAILURE() << problem.ToString();
    return {};
  }
  for (const Problem& warning : result->warnings) ADD_FAILURE() << warning.ToString();
  return *std::move(result);
}

TEST(DeployTest, QuickstartGoesToTheSandbox) {
  const Config config =
      LoadShipped("quickstart.yaml", [](std::string_view) { return std::nullopt; }).config;
  ASSERT_EQ(config.tenants.size(), 2U);
  for (const Tenant& tenant : config.tenants) {
    EXPECT_FALSE(config.segment.endpoints.at(tenant.segment.region).tls) << tenant.id;
    ASSERT_EQ(tenant.ingest_keys.size(), 1U);
    EXPECT_EQ(tenant.ingest_keys[0].key, common::Secret(tenant.id + "-key-1"));
  }
  ASSERT_EQ(config.service_keys.size(), 1U);
}

TEST(DeployTest, SegmentGoesToSegmentWithTheKeyOfTheEnvironment) {
  const std::string key = "0123456789abcdefghijABCDEFGHIJ01";
  const Config config = LoadShipped("segment.yaml", [&](std::string_view name) {
                          return name == "SEGMENT_WRITE_KEY" ? std::optional(key) : std::nullopt;
                        }).config;
  ASSERT_EQ(config.tenants.size(), 2U);
  EXPECT_EQ(config.tenants[0].segment.write_key, common::Secret(key));
  EXPECT_EQ(config.segment.endpoints.at(config.tenants[0].segment.region).host, "api.segment.io");
  EXPECT_FALSE(config.tenants[1].segment.enabled);
}

TEST(DeployTest, SegmentWithoutAKeySaysWhichVariableIsMissing) {
  const LoadResult result =
      LoadFile(GW_SOURCE_DIR "/deploy/segment.yaml", [](std::string_view) { return std::nullopt; });
  ASSERT_FALSE(result.has_value());
  ASSERT_EQ(result.error().size(), 1U);
  EXPECT_EQ(result.error()[0].path, "tenants[0].segment.write_key");
  EXPECT_EQ(result.error()[0].message, "the environment variable SEGMENT_WRITE_KEY is not set");
}

}  // namespace
}  // namespace gateway::config

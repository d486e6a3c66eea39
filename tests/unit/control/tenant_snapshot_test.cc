// SPDX-License-Identifier: Apache-2.0
#include "gateway/control/tenant_snapshot.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace gateway::control {
namespace {

using common::ErrorCode;
using common::Secret;
using pipeline::LogId;
using pipeline::ServiceKey;
using pipeline::Tenant;
using pipeline::TenantMode;

std::shared_ptr<const pipeline::Endpoint> SomeEndpoint() {
  return std::make_shared<const pipeline::Endpoint>(
      *pipeline::ParseEndpoint("https://segment.test"));
}

TenantSpec Spec(const std::string& id) {
  TenantSpec spec;
  spec.id = id;
  spec.ingest_keys = {{.key = Secret(id + "-key")}};
  spec.write_key = Secret(id + "-write-key");
  spec.region = "us";
  spec.endpoint = SomeEndpoint();
  return spec;
}

/// "a" has log 1, "b" log 2, …
common::Result<LogId> LogOf(std::string_view id) { return static_cast<LogId>(id[0] - 'a' + 1); }

TEST(BuildSnapshotTest, JoinsTenantsWithTheirLogs) {
  TenantSpec b = Spec("b");
  b.ingest_keys.push_back({.key = Secret("b-key-2")});
  const auto built =
      BuildSnapshot({Spec("a"), b}, {ServiceKey{.name = "backend", .key = Secret("svc")}}, LogOf);
  ASSERT_TRUE(built.has_value());
  const pipeline::TenantSnapshot& snapshot = **built;
  ASSERT_EQ(snapshot.tenants().size(), 2U);
  const Tenant* tenant = snapshot.FindIngestKey("b-key-2").tenant;
  ASSERT_NE(tenant, nullptr);
  EXPECT_EQ(tenant->id, "b");
  EXPECT_EQ(tenant->log, 2U);
  EXPECT_EQ(tenant->mode, TenantMode::kEnabled);
  EXPECT_EQ(tenant->write_key, Secret("b-write-key"));
  EXPECT_EQ(tenant->region, "us");
  EXPECT_EQ(tenant->endpoint->host, "segment.test");
  EXPECT_EQ(snapshot.FindById("a")->log, 1U);
  EXPECT_EQ(snapshot.FindByLog(2), tenant);
  ASSERT_NE(snapshot.FindServiceKey("svc"), nullptr);
  EXPECT_EQ(snapshot.FindServiceKey("svc")->name, "backend");
  EXPECT_EQ(snapshot.FindServiceKey("svc")->log, *LogOf(ServiceLogName("backend")));
  EXPECT_EQ(snapshot.FindIngestKey("svc").tenant, nullptr);
}

TEST(BuildSnapshotTest, NobodyIsAllRight) {
  const auto built = BuildSnapshot({}, {}, LogOf);
  ASSERT_TRUE(built.has_value());
  EXPECT_TRUE((*built)->tenants().empty());
}

TEST(BuildSnapshotTest, ModeFollowsTheSwitches) {
  const struct {
    bool paused;
    bool forwarded;
    TenantMode mode;
  } cases[] = {
      {false, true, TenantMode::kEnabled},
      {true, true, TenantMode::kPaused},
      {false, false, TenantMode::kNotForwarded},
      {true, false, TenantMode::kNotForwarded},
  };
  for (const auto& c : cases) {
    TenantSpec spec = Spec("a");
    spec.paused = c.paused;
    spec.forwarded = c.forwarded;
    const auto built = BuildSnapshot({spec}, {}, LogOf);
    ASSERT_TRUE(built.has_value());
    EXPECT_EQ((*built)->tenants()[0].mode, c.mode);
  }
}

TEST(BuildSnapshotTest, ATenantThatIsNotForwardedNeedsNoDestination) {
  TenantSpec spec = Spec("a");
  spec.forwarded = false;
  spec.write_key = Secret();
  spec.endpoint = nullptr;
  EXPECT_TRUE(BuildSnapshot({spec}, {}, LogOf).has_value());
}

TEST(BuildSnapshotTest, RefusesWhatWouldMixTwoTenants) {
  TenantSpec same_key = Spec("b");
  same_key.ingest_keys = {{.key = Secret("a-key")}};
  TenantSpec same_log = Spec("b");
  same_log.id = "a2";
  same_log.ingest_keys = {};
  TenantSpec no_key = Spec("b");
  no_key.ingest_keys = {{.key = Secret("")}};
  TenantSpec no_write_key = Spec("b");
  no_write_key.write_key = Secret();
  TenantSpec no_endpoint = Spec("b");
  no_endpoint.region = "mars";
  no_endpoint.endpoint = nullptr;
  const struct {
    TenantSpec other;
    std::vector<ServiceKey> services;
    std::string message;
  } cases[] = {
      {Spec("a"), {}, "tenant 'a' and tenant 'a' have the same id"},
      {same_key, {}, "tenant 'a' and tenant 'b' have the same key"},
      {same_log, {}, "tenant 'a' and tenant 'a2' have the same log"},
      {no_key, {}, "tenant 'b' has an empty key"},
      {no_write_key, {}, "tenant 'b' has no write key"},
      {no_endpoint, {}, "tenant 'b': region 'mars' has no endpoint"},
      {Spec("b"),
       {ServiceKey{.name = "backend", .key = Secret("a-key")}},
       "tenant 'a' and service 'backend' have the same key"},
      {Spec("b"),
       {ServiceKey{.name = "backend", .key = Secret("")}},
       "service 'backend' has an empty key"},
  };
  for (const auto& c : cases) {
    const auto built = BuildSnapshot({Spec("a"), c.other}, c.services, LogOf);
    ASSERT_FALSE(built.has_value()) << c.message;
    EXPECT_EQ(built.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(built.error().message, c.message);
  }
}

TEST(BuildSnapshotTest, PassesOnWhyALogCannotBeOpened) {
  const auto built = BuildSnapshot({Spec("a")}, {}, [](std::string_view) -> common::Result<LogId> {
    return common::Fail(ErrorCode::kIo, "disk");
  });
  ASSERT_FALSE(built.has_value());
  EXPECT_EQ(built.error().code, ErrorCode::kIo);
  EXPECT_EQ(built.error().message, "disk");
}

SnapshotPtr SnapshotOf(std::vector<TenantSpec> specs) {
  return *BuildSnapshot(std::move(specs), {}, LogOf);
}

TEST(CurrentTenantsTest, WhatAReaderHoldsOutlivesItsReplacement) {
  CurrentTenants tenants(SnapshotOf({Spec("a")}));
  const auto held = tenants.Current();
  tenants.Replace(SnapshotOf({Spec("b")}));
  EXPECT_NE(held->FindById("a"), nullptr);
  EXPECT_EQ(tenants.Current()->FindById("a"), nullptr);
  EXPECT_NE(tenants.Current()->FindById("b"), nullptr);
}

TEST(CurrentTenantsTest, ReadersSeeWholeSnapshotsWhileTheyAreReplaced) {
  const SnapshotPtr first = SnapshotOf({Spec("a"), Spec("b")});
  const SnapshotPtr second = SnapshotOf({Spec("c"), Spec("d")});
  CurrentTenants tenants(first);
  std::atomic<bool> stop{false};
  std::atomic<int> torn{0};
  std::vector<std::thread> readers;
  readers.reserve(3);
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      do {
        const SnapshotPtr now = tenants.Current();
        const bool a_and_b = now->FindById("a") != nullptr && now->FindById("b") != nullptr;
        const bool c_and_d = now->FindById("c") != nullptr && now->FindById("d") != nullptr;
        if (a_and_b == c_and_d) ++torn;
      } while (!stop);
    });
  }
  for (int i = 0; i < 5000; ++i) tenants.Replace(i % 2 == 0 ? second : first);
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(torn, 0);
}

}  // namespace
}  // namespace gateway::control

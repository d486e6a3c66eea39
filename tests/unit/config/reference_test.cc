// SPDX-License-Identifier: Apache-2.0
#include "gateway/config/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "gateway/config/load.h"
#include "gateway/config/schema.h"
#include "gateway/config/value.h"

namespace gateway::config {
namespace {

using testing::HasSubstr;
using testing::Not;

std::optional<std::string> NoEnv(std::string_view) { return std::nullopt; }

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(ReferenceTest, TheCommittedFileIsUpToDate) {
  const std::string path = GW_SOURCE_DIR "/docs/configuration.md";
  if (std::getenv("GW_UPDATE_DOCS") != nullptr) {
    std::ofstream(path, std::ios::binary) << RenderReference();
  }
  EXPECT_TRUE(ReadFile(path) == RenderReference())
      << path << " is stale: run this test once with GW_UPDATE_DOCS=1 and commit the file";
}

template <typename T>
void ExpectRowsAreSound() {
  T object;
  std::set<std::string_view> paths;
  for (const Field& field : FieldsOf<T>()) {
    EXPECT_TRUE(paths.insert(field.path).second) << field.path << " has two rows";
    EXPECT_FALSE(field.help.empty()) << field.path;
    EXPECT_TRUE(field.help.ends_with('.')) << field.path;
    EXPECT_EQ(field.help.find_first_of("|\n"), std::string_view::npos) << field.path;
    EXPECT_FALSE(Allowed(field.type, field.at(&object)).empty()) << field.path;
  }
}

TEST(SchemaTest, RowsAreSound) {
  ExpectRowsAreSound<Config>();
  ExpectRowsAreSound<AdminToken>();
  ExpectRowsAreSound<Tenant>();
  ExpectRowsAreSound<ServiceKey>();
}

TEST(SchemaTest, DefaultsAreInTheirRange) {
  // Every default is read by the parser of its row; one that is wrong fails every load.
  const LoadResult result =
      LoadText("f", "tenants: [ { id: a, segment: { enabled: false } } ]", NoEnv);
  EXPECT_TRUE(result.has_value());
}

TEST(SchemaTest, BoundsAndDefaultsReadBackAsWritten) {
  Config config;
  for (const Field& field : FieldsOf<Config>()) {
    for (const std::string_view text : {field.type.min, field.type.max}) {
      if (text.empty()) continue;
      EXPECT_EQ(Assign(field.type, field.at(&config), text), std::nullopt) << field.path;
    }
    const bool scalar = field.type.kind < Kind::kNetworkList;
    if (!scalar || field.fallback == kUnset) continue;
    EXPECT_EQ(Assign(field.type, field.at(&config), field.fallback), std::nullopt) << field.path;
    EXPECT_EQ(Render(field.at(&config)), field.fallback) << field.path;
  }
}

TEST(SchemaTest, EveryRowIsInASectionAndEverySectionHasRows) {
  std::set<std::string_view> used;
  for (const Field& field : FieldsOf<Config>())
    used.insert(field.path.substr(0, field.path.find('.')));
  std::set<std::string_view> declared;
  for (const Section& section : Sections()) declared.insert(section.name);
  EXPECT_EQ(used, declared);
}

TEST(EffectiveTest, ShowsDefaultsAndHidesSecrets) {
  const LoadResult result = LoadText("f", R"(
ingest: { listen: "[::1]:80" }
admin: { tokens: [ { name: ops, role: admin, token: top-secret-token-1 } ] }
secrets: { master_key: MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE= }
tenants:
  - id: acme
    ingest_keys: [ top-secret-1, top-secret-2 ]
    segment: { write_key: top-secret-3, region: eu }
  - { id: "null", segment: { enabled: false } }
service_keys: [ { name: backend, key: top-secret-4 } ]
)",
                                     NoEnv);
  ASSERT_TRUE(result.has_value());
  const std::string text = RenderEffective(result->config);
  EXPECT_THAT(text, Not(HasSubstr("top-secret")));
  EXPECT_THAT(text, Not(HasSubstr("MDEy")));
  EXPECT_THAT(text, HasSubstr("ingest:\n  listen: \"[::1]:80\"\n  trusted_proxies: []\n"
                              "  allowed_origins: [\"*\"]\n  threads: 0\n"));
  EXPECT_THAT(text, HasSubstr("  retry:\n    initial: 500ms\n    multiplier: 2\n"));
  EXPECT_THAT(text, HasSubstr("  max_retry_after: 5m\n"));
  EXPECT_THAT(text, HasSubstr("secrets:\n  master_key: \"***\"\n"));
  EXPECT_THAT(text, HasSubstr("admin:\n"
                              "  listen: 127.0.0.1:8081\n"
                              "  tokens:\n"
                              "    - name: ops\n"
                              "      role: admin\n"
                              "      token: \"***\"\n"));
  EXPECT_THAT(text, HasSubstr("tenants:\n"
                              "  - id: acme\n"
                              "    ingest_keys: [\"***\", \"***\"]\n"
                              "    paused: false\n"
                              "    strict: false\n"
                              "    message_ids: auto\n"
                              "    dedupe:\n"
                              "      window: 0s\n"
                              "      max_ids: 10000000\n"
                              "    limits:\n"
                              "      events_per_second: 0\n"
                              "      burst_events: 0\n"
                              "      max_backlog: 0\n"
                              "    retention:\n"
                              "      max_age: 0s\n"
                              "    delivery:\n"
                              "      weight: 1\n"
                              "      events_per_second: 0\n"
                              "      burst_events: 0\n"
                              "      max_batch_events: 0\n"
                              "      request_timeout: 0s\n"
                              "      retry:\n"
                              "        initial: 0s\n"
                              "        max: 0s\n"
                              "      max_retry_after: 0s\n"
                              "      hold_probe_interval: 0s\n"
                              "      max_refused_in_a_row: 0\n"
                              "    segment:\n"
                              "      write_key: \"***\"\n"
                              "      region: eu\n"
                              "      enabled: true\n"
                              "  - id: \"null\"\n"
                              "    paused: false\n"));
  EXPECT_THAT(text, HasSubstr("service_keys:\n"
                              "  - name: backend\n"
                              "    key: \"***\"\n"
                              "    unknown_tenant: reject\n"));
}

TEST(EffectiveTest, LoadsAgainAsTheSame) {
  const LoadResult first = LoadText("f", R"(
ingest: { listen: "[::]:80", threads: 3, max_request_bytes: 500000, tls: { certificate: c, key: k },
  public_url: "https://e.example.com/x", trusted_proxies: [ "::/0", 10.0.0.1 ], allowed_origins: [] }
storage: { path: "a $${x} \"b\" #c", commit_linger: 200us }
segment: { endpoints: { own: "http://[::1]:9/p" } }
delivery: { retry: { jitter: 0.333, max: 90s } }
log: { level: warning }
tenants: [ { id: "1", paused: true, segment: { enabled: false, region: own },
             ingest_keys: [ { key: k1, name: n } ] } ]
)",
                                    NoEnv);
  ASSERT_TRUE(first.has_value());
  const std::string text = RenderEffective(first->config);
  const LoadResult second = LoadText("f", text, NoEnv);
  ASSERT_TRUE(second.has_value()) << text << second.error()[0].ToString();
  EXPECT_EQ(second->config.storage.path, "a ${x} \"b\" #c");
  EXPECT_EQ(second->config.delivery.retry.jitter, 0.333);
  EXPECT_EQ(RenderEffective(second->config), text);
}

}  // namespace
}  // namespace gateway::config

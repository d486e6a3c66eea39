// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>

#include "common/metrics/metrics.h"
#include "gateway/observe/admin_service.h"
#include "gateway/observe/health.h"
#include "gateway/observe/ledger.h"
#include "gateway/observe/memory_watch.h"
#include "gateway/observe/storage_watch.h"
#include "tests/support/answer_sink.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace gateway::observe {
namespace {

using common::net::RequestHead;
using common::net::Responder;
using common::net::Response;
using Json = nlohmann::json;

Response Ask(AdminService& service, const std::string& method, const std::string& path) {
  const auto exchange = service.NewExchange();
  RequestHead head;
  head.method = method;
  head.path = path;
  auto verdict = exchange->OnHead(head);
  if (auto* refusal = std::get_if<Response>(&verdict)) return std::move(*refusal);
  const auto sink = std::make_shared<tests::AnswerSink>();
  exchange->OnBody("", Responder(sink));
  return sink->answer.value_or(Response{});
}

class AdminTest : public testing::Test {
 protected:
  Health health_;
  prometheus::Registry registry_;
  AdminService service_{health_, [this] { return registry_.Collect(); }};
};

TEST_F(AdminTest, LivenessIsNotReadiness) {
  EXPECT_EQ(Ask(service_, "GET", "/livez").status, 200);
  const Response starting = Ask(service_, "GET", "/readyz");
  EXPECT_EQ(starting.status, 503);
  EXPECT_EQ(Json::parse(starting.body), (Json{{"ready", false}, {"reasons", {"starting"}}}));
}

TEST_F(AdminTest, ReadinessSaysEveryReason) {
  std::optional<std::string> problem;
  health_.AddCheck([&] { return problem; });
  health_.SetStarted();
  EXPECT_EQ(Ask(service_, "GET", "/readyz").status, 200);
  problem = "disk \"full\"";
  health_.SetDraining();
  const Response response = Ask(service_, "GET", "/readyz");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(Json::parse(response.body).at("reasons"), (Json{"shutting down", "disk \"full\""}));
}

TEST_F(AdminTest, MetricsArePrometheusText) {
  common::metrics::Counter(registry_, "some_total", "h").Increment(3);
  const Response response = Ask(service_, "GET", "/metrics");
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.content_type.starts_with("text/plain; version=0.0.4"));
  EXPECT_NE(response.body.find("\nsegment_gateway_some_total 3\n"), std::string::npos)
      << response.body;
}

TEST_F(AdminTest, WrongPathsAndMethodsAreTold) {
  const Response absent = Ask(service_, "GET", "/nothing");
  EXPECT_EQ(absent.status, 404);
  EXPECT_EQ(Json::parse(absent.body).at("error").at("code"), "not_found");
  const Response post = Ask(service_, "POST", "/metrics");
  EXPECT_EQ(post.status, 405);
  EXPECT_EQ(post.headers.at(0).second, "GET, HEAD");
}

TEST(Ledger, AddsUpOverAllLogs) {
  pipeline::LogState one;
  one.tail = 10;
  one.cursor = {4, 2};
  one.dead = 1;
  pipeline::LogState two;
  two.tail = 7;
  two.cursor = {7, 0};
  const common::WallTime now = tests::FakeClock::kStart;
  one.oldest = now - std::chrono::seconds(90);
  two.oldest = now - std::chrono::hours(2);  // Of events that do not wait any more.
  const auto families = LedgerMetrics({one, two}, now);
  ASSERT_EQ(families.size(), 5U);
  const std::pair<const char*, double> expected[] = {
      {"segment_gateway_events_accepted_total", 17},
      {"segment_gateway_events_delivered_total", 12},
      {"segment_gateway_events_dead_total", 1},
      {"segment_gateway_events_pending", 4},
      {"segment_gateway_events_oldest_pending_age_seconds", 90}};
  for (std::size_t i = 0; i < families.size(); ++i) {
    EXPECT_EQ(families[i].name, expected[i].first);
    const auto& metric = families[i].metric.at(0);
    EXPECT_EQ(metric.counter.value + metric.gauge.value, expected[i].second);
  }
}

TEST(StorageWatch, SaysWhyNothingCanBeStored) {
  const tests::TempDir dir;
  prometheus::Registry registry;
  std::optional<std::string> store_problem;
  StorageWatch watch(dir.path().string(), "lock", 1, [&] { return store_problem; }, registry);
  watch.Check();
  EXPECT_EQ(watch.Problem(), std::nullopt);
  store_problem = "the store is read-only";
  EXPECT_EQ(watch.Problem(), std::nullopt) << "not before the next check";
  watch.Check();
  EXPECT_EQ(watch.Problem(), "the store is read-only");
  store_problem.reset();
  watch.Check();
  EXPECT_EQ(watch.Problem(), std::nullopt);
}

TEST(StorageWatch, KeepsTheFreeSpaceThatIsConfigured) {
  const tests::TempDir dir;
  prometheus::Registry registry;
  StorageWatch watch(
      dir.path().string(), "lock", std::uint64_t{1} << 62, [] { return std::nullopt; }, registry);
  watch.Check();
  ASSERT_TRUE(watch.Problem());
  EXPECT_NE(watch.Problem()->find("storage.min_free_disk"), std::string::npos);
}

TEST(StorageWatch, ADirectoryThatIsGoneIsAProblem) {
  prometheus::Registry registry;
  StorageWatch watch("/nonexistent/for/sure", "lock", 1, [] { return std::nullopt; }, registry);
  watch.Check();
  EXPECT_TRUE(watch.Problem());
}

TEST(StorageWatch, ADirectoryThatWasReplacedIsAProblemUntilItIsBack) {
  const tests::TempDir dir;
  const std::filesystem::path data = dir.path() / "data";
  const auto make = [&] {
    std::filesystem::create_directory(data);
    std::ofstream(data / "lock") << "held";
  };
  make();
  prometheus::Registry registry;
  StorageWatch watch(data.string(), "lock", 1, [] { return std::nullopt; }, registry);
  watch.Check();
  EXPECT_EQ(watch.Problem(), std::nullopt);
  std::filesystem::rename(data, dir.path() / "moved");
  make();
  watch.Check();
  ASSERT_TRUE(watch.Problem()) << "another directory of the same name";
  EXPECT_NE(watch.Problem()->find(data.string()), std::string::npos);
  std::filesystem::remove(data / "lock");
  watch.Check();
  EXPECT_TRUE(watch.Problem()) << "emptied";
  std::filesystem::remove(data);
  std::filesystem::rename(dir.path() / "moved", data);
  watch.Check();
  EXPECT_EQ(watch.Problem(), std::nullopt);
}

TEST(MemoryWatch, RefusesAboveItsMarkOnly) {
  prometheus::Registry registry;
  MemoryWatch generous(std::uint64_t{1} << 50, registry);
  generous.Check();
  EXPECT_FALSE(generous.Over());
  MemoryWatch strict(1, registry);
  EXPECT_FALSE(strict.Over()) << "not before the first check";
  strict.Check();
  EXPECT_TRUE(strict.Over());
  MemoryWatch off(0, registry);
  off.Check();
  EXPECT_FALSE(off.Over());
}

TEST(MemoryWatch, TakesNineTenthsOfTheContainersLimit) {
  const tests::TempDir dir;
  EXPECT_EQ(ContainerMemoryMark(dir.path().string()), std::nullopt);
  std::filesystem::create_directory(dir.path() / "memory");
  std::ofstream(dir.path() / "memory" / "memory.limit_in_bytes") << "2000\n";
  EXPECT_EQ(ContainerMemoryMark(dir.path().string()), 1800U);
  std::ofstream(dir.path() / "memory" / "memory.limit_in_bytes") << "9223372036854771712\n";
  EXPECT_EQ(ContainerMemoryMark(dir.path().string()), std::nullopt) << "version 1's no limit";
  std::ofstream(dir.path() / "memory.max") << "1000\n";
  EXPECT_EQ(ContainerMemoryMark(dir.path().string()), 900U) << "version 2 goes first";
  std::ofstream(dir.path() / "memory.max") << "max\n";
  EXPECT_EQ(ContainerMemoryMark(dir.path().string()), std::nullopt);
}

}  // namespace
}  // namespace gateway::observe

// SPDX-License-Identifier: Apache-2.0
//
// How often normalising allocates: a fixed number of times a request, whatever it holds.
// A binary of its own, since it counts every `operator new` of the process.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include "tests/unit/normalize/normalize_fixture.h"

namespace {

std::size_t allocations = 0;

void* Allocate(std::size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  std::abort();  // A test that is out of memory has nothing more to say.
}

}  // namespace

// All forms: a sanitizer's runtime brings its own of those that are left out, and they do
// not mix. (Over-aligned ones nobody uses here.)
void* operator new(std::size_t size) { return Allocate(size); }
void* operator new[](std::size_t size) { return Allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  return Allocate(size);
}
void* operator new[](std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  return Allocate(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t /*size*/) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t& /*tag*/) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t& /*tag*/) noexcept { std::free(memory); }

namespace gateway::normalize {
namespace {

/// An event with something of everything that takes a buffer: escapes, a number id, a
/// context to merge, a timestamp to correct.
std::string Event(int i, std::string_view tenant) {
  const std::string n = std::to_string(i);
  std::string event =
      R"({"type":"track","userId":)" + n + R"(,"event":"\u00e4 )" + n +
      R"(","messageId":"a message id with \"escapes\" and room for more )" + n +
      R"(","timestamp":"2026-01-02T03:04:00.000Z","properties":{"a":[1,2,{}]},)" +
      R"("context":{"a key with an escape: \u00e4\u00e4\u00e4":{"x":1},"direct":true})";
  if (!tenant.empty())
    event += R"(,"tenantId":")" + std::string(tenant) + std::to_string(i % 3) + '"';
  return event + '}';
}

std::string Batch(int events, std::string_view tenant, std::string_view envelope) {
  std::string body = R"({"batch":[)";
  for (int i = 0; i < events; ++i) body += (i == 0 ? "" : ",") + Event(i, tenant);
  return body + R"(],"sentAt":"2026-01-02T03:04:04.000Z")" + std::string(envelope) + '}';
}

/// Allocations of one more request after some like it.
std::size_t SteadyAllocations(Route route, const std::string& body, const RequestContext& request) {
  Limits limits = kTestLimits;
  limits.max_merged_bytes = 1 << 24;
  Normalizer normalizer(limits);
  std::string text;
  std::size_t count = 0;
  for (int i = 0; i < 3; ++i) {
    text = body;
    text.reserve(body.size() + Normalizer::kPadding);
    const std::size_t before = allocations;
    const auto out = normalizer.Normalize(route, text, request);
    count = allocations - before;
    EXPECT_TRUE(out.has_value());
    if (out) EXPECT_TRUE(out->rejected.empty());
  }
  return count;
}

constexpr std::string_view kEnvelope =
    R"(,"context":{"a key with an escape: \u00e4\u00e4\u00e4":{"y":1},"os":{"name":"x"}},"integrations":{"All":true})";

TEST(Allocations, ASingleCallTakesTwo) {
  const std::string body = Event(1, "");
  RequestContext request = TestRequest();
  EXPECT_EQ(SteadyAllocations(Route::kTrack, body, request), 2u) << "the text and its size";
  const Destination scoped{.scope = "acme", .collect_ids = true};
  request.own = &scoped;
  EXPECT_EQ(SteadyAllocations(Route::kTrack, body, request), 3u) << "and its id";
}

TEST(Allocations, DoNotGrowWithABatch) {
  const Destination everything{.scope = "acme", .collect_ids = true};
  for (const Destination* own : {&kPlainDestination, &everything}) {
    RequestContext request = TestRequest();
    request.own = own;
    request.client_ip = "203.0.113.9";
    request.client_side = true;
    for (const std::string_view envelope : {std::string_view(), kEnvelope}) {
      const std::size_t expected = own->collect_ids ? 3 : 2;
      EXPECT_EQ(SteadyAllocations(Route::kBatch, Batch(10, "", envelope), request), expected);
      EXPECT_EQ(SteadyAllocations(Route::kBatch, Batch(1000, "", envelope), request), expected);
    }
  }
}

TEST(Allocations, DoNotGrowWithTheEventsOfEachTenant) {
  const Destination tenants[] = {{.slot = 1, .strict = false, .scope = "acme", .collect_ids = true},
                                 {.slot = 2, .strict = false, .scope = "globex"},
                                 {.slot = 3}};
  const TenantResolver directory = [&](std::string_view id) { return &tenants[id.back() - '0']; };
  RequestContext request = TestRequest();
  request.own = nullptr;
  request.tenant_of = &directory;
  // The list of blocks; of each its text and sizes; once the ids.
  constexpr std::size_t kExpected = 1 + 3 * 2 + 1;
  for (const std::string_view envelope : {std::string_view(), kEnvelope}) {
    EXPECT_EQ(SteadyAllocations(Route::kBatch, Batch(10, "t", envelope), request), kExpected);
    EXPECT_EQ(SteadyAllocations(Route::kBatch, Batch(1000, "t", envelope), request), kExpected);
  }
}

}  // namespace
}  // namespace gateway::normalize

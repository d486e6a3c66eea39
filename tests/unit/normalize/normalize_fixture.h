// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/normalize/normalizer.h"

namespace gateway::normalize {

inline constexpr Limits kTestLimits{.max_event_bytes = 32768,
                                    .max_batch_events = 2500,
                                    .max_batch_bytes = 524288,
                                    .max_merged_bytes = 4 * 524288,
                                    .max_message_id_chars = 100,
                                    .max_depth = 128};
/// 2026-01-02T03:04:05.678Z
inline constexpr common::WallTime kTestNow{std::chrono::milliseconds(1767323045678)};
/// What a random that always returns 0 makes of kTestNow.
inline constexpr std::string_view kTestId = "019b7ca9-8f2e-7000-8000-000000000000";

class ZeroRandom final : public common::Random {
 public:
  std::uint64_t Next() override { return 0; }
};

/// Names every tenant the request's own.
inline const TenantResolver kOwnTenant = [](std::string_view) { return &kPlainDestination; };

/// A request at kTestNow, to be changed by the test.
inline RequestContext TestRequest() {
  static ZeroRandom random;
  return {.received_at = kTestNow, .random = random};
}

inline tl::expected<Normalized, RequestError> NormalizeAs(const RequestContext& request,
                                                          Route route, std::string body) {
  Normalizer normalizer(kTestLimits);
  return normalizer.Normalize(route, body, request);
}

inline tl::expected<Normalized, RequestError> NormalizeBody(Route route, std::string body,
                                                            const Limits& limits = kTestLimits,
                                                            bool service_key = false) {
  Normalizer normalizer(limits);
  ZeroRandom random;
  return normalizer.Normalize(route, body,
                              {.received_at = kTestNow,
                               .random = random,
                               .tenant_of = service_key ? &kOwnTenant : nullptr});
}

inline std::vector<std::string> Events(const Normalized& out) {
  std::vector<std::string> events;
  std::size_t at = 0;
  for (const std::uint32_t size : out.events.sizes) {
    events.push_back(out.events.bytes.substr(at, size));
    at += size + 1;
  }
  return events;
}

/// The event of a single call; what went wrong, when something did.
inline std::string OneOf(const tl::expected<Normalized, RequestError>& out) {
  if (!out) return "error " + std::string(out.error().code);
  if (!out->rejected.empty()) return "rejected " + std::string(out->rejected[0].code);
  return out->events.bytes;
}

inline std::string One(Route route, std::string body, const Limits& limits = kTestLimits,
                       bool service_key = false) {
  return OneOf(NormalizeBody(route, std::move(body), limits, service_key));
}

}  // namespace gateway::normalize

// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/admission.h"

#include <fmt/format.h>

namespace gateway::ingest {

std::optional<Admission::Refusal> Admission::TryReserve(std::uint64_t bytes) {
  if (draining_.load(std::memory_order_relaxed)) {
    return Refusal{"shutting_down", "the gateway is shutting down; send the request again"};
  }
  if (auto why = unavailable_()) return Refusal{"storage_unavailable", std::move(*why)};
  const std::uint64_t before = in_flight_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (before + bytes > max_in_flight_bytes_) {
    Release(bytes);
    return Refusal{"overloaded", fmt::format("{} bytes of requests are being handled, the limit "
                                             "is {} (ingest.max_in_flight_bytes)",
                                             before, max_in_flight_bytes_)};
  }
  return std::nullopt;
}

}  // namespace gateway::ingest

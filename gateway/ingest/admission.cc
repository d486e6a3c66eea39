// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/admission.h"

#include <fmt/format.h>

namespace gateway::ingest {

std::optional<Admission::Refusal> Admission::TryReserve(Account account, std::uint64_t bytes) {
  if (draining_.load(std::memory_order_relaxed)) {
    return Refusal{"shutting_down", "draining",
                   "the gateway is shutting down; send the request again"};
  }
  if (auto refusal = unavailable_()) return refusal;
  return Take(account, bytes, 0);
}

std::optional<Admission::Refusal> Admission::TryGrow(Account account, std::uint64_t held,
                                                     std::uint64_t more) {
  return Take(account, more, held);
}

std::optional<Admission::Refusal> Admission::Take(Account account, std::uint64_t bytes,
                                                  std::uint64_t held) {
  const std::uint64_t share = ShareOf(account);
  const bool reserved = in_flight_.With([&](InFlight& in_flight) {
    const auto it = in_flight.by_account.find(account);
    const std::uint64_t own = it == in_flight.by_account.end() ? 0 : it->second;
    if (in_flight.total != held && in_flight.total + bytes > max_in_flight_bytes_) return false;
    if (own != held && own + bytes > share) return false;
    in_flight.total += bytes;
    if (bytes != 0) in_flight.by_account[account] = own + bytes;
    return true;
  });
  if (reserved) return std::nullopt;
  return Refusal{
      "overloaded", "in_flight",
      fmt::format("too many bytes of requests are in hand; the limit is {} for {}, and "
                  "{} for all (ingest.max_in_flight_bytes)",
                  share, account == kNoKey ? "requests without a key in the header" : "one account",
                  max_in_flight_bytes_)};
}

void Admission::Release(Account account, std::uint64_t bytes) {
  if (bytes == 0) return;
  in_flight_.With([&](InFlight& in_flight) {
    in_flight.total -= bytes;
    const auto it = in_flight.by_account.find(account);
    it->second -= bytes;
    if (it->second == 0) in_flight.by_account.erase(it);
  });
}

std::uint64_t Admission::in_flight_bytes() const {
  return in_flight_.With([](const InFlight& in_flight) { return in_flight.total; });
}

}  // namespace gateway::ingest

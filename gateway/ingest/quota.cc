// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/quota.h"

#include <algorithm>

namespace gateway::ingest {

template <typename Use>
auto Quotas::WithBucket(Account account, const pipeline::IngestRate& rate, common::SteadyTime now,
                        Use use) {
  const auto make = [&] {
    return Entry{rate, common::TokenBucket(rate.events_per_second, rate.burst_events, now)};
  };
  // The log is in the upper half; logs are numbered one after the other.
  return shards_[(account >> 32U) % kShards].With([&](Shard& shard) {
    auto it = shard.find(account);
    if (it == shard.end()) {
      it = shard.emplace(account, make()).first;
    } else if (it->second.rate != rate) {
      it->second = make();
    }
    return use(it->second.bucket);
  });
}

std::optional<common::Duration> Quotas::Wait(Account account, const pipeline::IngestRate& rate,
                                             common::SteadyTime now) {
  if (rate.events_per_second == 0) return std::nullopt;
  return WithBucket(account, rate, now,
                    [&](common::TokenBucket& bucket) -> std::optional<common::Duration> {
                      const common::SteadyTime at = bucket.WhenAvailable(1, now);
                      if (at <= now) return std::nullopt;
                      return at - now;
                    });
}

void Quotas::Take(Account account, const pipeline::IngestRate& rate, std::uint32_t events,
                  Debt debt, common::SteadyTime now) {
  if (rate.events_per_second == 0) return;
  WithBucket(account, rate, now, [&](common::TokenBucket& bucket) {
    const std::uint32_t left = bucket.Available(now);
    bucket.Take(debt == Debt::kMade ? events : std::min(events, left));
  });
}

}  // namespace gateway::ingest

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "common/clock.h"
#include "common/guarded.h"
#include "common/token_bucket.h"
#include "gateway/pipeline/tenant_view.h"

namespace gateway::ingest {

/// How many events each tenant and each key may send. How many a request holds is known
/// only after its body has been read, so a request is let in while anything is left, and
/// what it takes too much is a debt that later requests wait for: over time the rate holds
/// exactly. Thread-safe; memory grows with the accounts that have a limit.
class Quotas {
 public:
  /// A tenant, a service, or one key of a tenant.
  using Account = std::uint64_t;
  static Account OfLog(pipeline::LogId log) { return static_cast<Account>(log) << 32U; }
  /// `index`: the key's place in Tenant::ingest_keys.
  static Account OfKey(pipeline::LogId log, std::size_t index) { return OfLog(log) + index + 1; }

  /// How long until the account may send again; nothing when it may now.
  std::optional<common::Duration> Wait(Account account, const pipeline::IngestRate& rate,
                                       common::SteadyTime now);
  /// What becomes of events beyond those that are left.
  enum class Debt { kMade, kForgiven };
  void Take(Account account, const pipeline::IngestRate& rate, std::uint32_t events, Debt debt,
            common::SteadyTime now);

 private:
  struct Entry {
    pipeline::IngestRate rate;  ///< As it was when the bucket was made.
    common::TokenBucket bucket;
  };
  using Shard = std::unordered_map<Account, Entry>;

  /// Runs `use` on the account's bucket, made anew when its rate has changed.
  template <typename Use>
  auto WithBucket(Account account, const pipeline::IngestRate& rate, common::SteadyTime now,
                  Use use);

  static constexpr std::size_t kShards = 16;
  std::array<common::Guarded<Shard>, kShards> shards_;
};

}  // namespace gateway::ingest

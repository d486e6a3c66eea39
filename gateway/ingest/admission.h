// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "common/guarded.h"
#include "gateway/pipeline/event.h"

namespace gateway::ingest {

/// Whether one more request may come in. Asked after the header and before the body, so
/// that a refusal costs nothing. Bytes in flight are bounded for all, for one tenant (a
/// quarter), for requests of service keys that name no tenant in their header (a quarter)
/// and for all requests that show no key in it (an eighth): a flood, or a crowd that
/// declares bodies and never sends them, leaves room for the others. A request that is alone
/// is let in whatever its size, or it could be sent again for ever.
/// Thread-safe.
class Admission {
 public:
  /// On whose account bytes are reserved: a tenant's log, kServiceKeys or kNoKey.
  using Account = std::uint64_t;
  static constexpr Account kNoKey = ~Account{0};
  static constexpr Account kServiceKeys = kNoKey - 1;

  struct Refusal {
    const char* code;    ///< Of the answer.
    const char* reason;  ///< For the metric; static storage.
    std::string message;
  };

  /// `max_in_flight_bytes` bounds the bodies that are being read or wait for the disk.
  /// `unavailable` says why nothing can be taken right now, or nothing; it is called for
  /// each request and must be cheap.
  Admission(std::uint64_t max_in_flight_bytes, std::function<std::optional<Refusal>()> unavailable)
      : max_in_flight_bytes_(max_in_flight_bytes), unavailable_(std::move(unavailable)) {}

  /// From now on every request is refused: the process is on its way out.
  void StartDraining() { draining_.store(true, std::memory_order_relaxed); }

  /// A refusal, or nothing, and then `bytes` are reserved until Release. One request is
  /// let in on any account that has nothing in flight, however small its share.
  std::optional<Refusal> TryReserve(Account account, std::uint64_t bytes);
  /// `more` bytes for a request that holds `held` of its account: refused as another request
  /// would be, but for one that is alone on its account.
  std::optional<Refusal> TryGrow(Account account, std::uint64_t held, std::uint64_t more);
  void Release(Account account, std::uint64_t bytes);
  std::uint64_t in_flight_bytes() const;

 private:
  struct InFlight {
    std::uint64_t total = 0;
    std::unordered_map<Account, std::uint64_t> by_account;  ///< No zeroes are kept.
  };

  std::optional<Refusal> Take(Account account, std::uint64_t bytes, std::uint64_t held);
  std::uint64_t ShareOf(Account account) const {
    return max_in_flight_bytes_ / (account == kNoKey ? 8 : 4);
  }

  const std::uint64_t max_in_flight_bytes_;
  const std::function<std::optional<Refusal>()> unavailable_;
  common::Guarded<InFlight> in_flight_;
  std::atomic<bool> draining_{false};
};

/// Holds what TryReserve gave, and gives it back.
class Reservation {
 public:
  Reservation() = default;
  Reservation(Admission& admission, Admission::Account account, std::uint64_t bytes)
      : admission_(&admission), account_(account), bytes_(bytes) {}
  Reservation(Reservation&& other) noexcept
      : admission_(std::exchange(other.admission_, nullptr)),
        account_(other.account_),
        bytes_(std::exchange(other.bytes_, 0)) {}
  Reservation& operator=(Reservation&& other) noexcept {
    if (this != &other) {
      Release();
      admission_ = std::exchange(other.admission_, nullptr);
      account_ = other.account_;
      bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
  }
  ~Reservation() { Release(); }

  std::uint64_t bytes() const { return bytes_; }
  void Release() {
    if (admission_ == nullptr) return;
    std::exchange(admission_, nullptr)->Release(account_, std::exchange(bytes_, 0));
  }
  /// The request takes another size: reserves what is missing, or gives back what is too
  /// much. After a refusal everything is as before.
  std::optional<Admission::Refusal> Resize(std::uint64_t bytes) {
    if (admission_ == nullptr) return std::nullopt;
    if (bytes > bytes_) {
      if (auto refusal = admission_->TryGrow(account_, bytes_, bytes - bytes_)) return refusal;
    } else {
      admission_->Release(account_, bytes_ - bytes);
    }
    bytes_ = bytes;
    return std::nullopt;
  }
  /// The key turned up in the body: the bytes go over to the tenant's account, or
  /// back, with a refusal.
  std::optional<Admission::Refusal> MoveTo(Admission::Account account) {
    if (admission_ == nullptr || account == account_) return std::nullopt;
    Admission& admission = *admission_;
    const std::uint64_t bytes = bytes_;
    Release();
    auto refusal = admission.TryReserve(account, bytes);
    if (!refusal) *this = Reservation(admission, account, bytes);
    return refusal;
  }

 private:
  Admission* admission_ = nullptr;
  Admission::Account account_ = Admission::kNoKey;
  std::uint64_t bytes_ = 0;
};

}  // namespace gateway::ingest

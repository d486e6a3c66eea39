// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace gateway::ingest {

/// Whether one more request may come in. Asked after the header and before the body, so
/// that a refusal costs nothing. Thread-safe.
class Admission {
 public:
  struct Refusal {
    const char* code;
    std::string message;
  };

  /// `max_in_flight_bytes` bounds the bodies that are being read or wait for the disk.
  /// `unavailable` says why nothing can be stored right now, or nothing; it is called for
  /// each request and must be cheap.
  Admission(std::uint64_t max_in_flight_bytes,
            std::function<std::optional<std::string>()> unavailable)
      : max_in_flight_bytes_(max_in_flight_bytes), unavailable_(std::move(unavailable)) {}

  /// From now on every request is refused: the process is on its way out.
  void StartDraining() { draining_.store(true, std::memory_order_relaxed); }

  /// A refusal, or nothing, and then `bytes` are reserved until Release.
  std::optional<Refusal> TryReserve(std::uint64_t bytes);
  void Release(std::uint64_t bytes) {
    in_flight_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  }
  std::uint64_t in_flight_bytes() const { return in_flight_bytes_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t max_in_flight_bytes_;
  const std::function<std::optional<std::string>()> unavailable_;
  std::atomic<std::uint64_t> in_flight_bytes_{0};
  std::atomic<bool> draining_{false};
};

/// Holds what TryReserve gave, and gives it back.
class Reservation {
 public:
  Reservation() = default;
  Reservation(Admission& admission, std::uint64_t bytes) : admission_(&admission), bytes_(bytes) {}
  Reservation(Reservation&& other) noexcept
      : admission_(std::exchange(other.admission_, nullptr)), bytes_(other.bytes_) {}
  Reservation& operator=(Reservation&& other) noexcept {
    if (this != &other) {
      Release();
      admission_ = std::exchange(other.admission_, nullptr);
      bytes_ = other.bytes_;
    }
    return *this;
  }
  ~Reservation() { Release(); }

  void Release() {
    if (admission_ != nullptr) std::exchange(admission_, nullptr)->Release(bytes_);
  }

 private:
  Admission* admission_ = nullptr;
  std::uint64_t bytes_ = 0;
};

}  // namespace gateway::ingest

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "gateway/pipeline/event_queue.h"

namespace gateway::queue {

/// A store that is looked at from outside: nothing in it changes, a gateway that has it open is
/// not disturbed, and what is shown is the moment of the opening. Not thread-safe.
class OfflineQueue {
 public:
  struct Log {
    pipeline::LogState state;
    std::optional<common::WallTime> oldest;  ///< When the next event to deliver was accepted.
    std::uint64_t dead_letters = 0;          ///< Of delivery, that are kept.
    std::uint64_t refused = 0;               ///< Refused events that are kept.
    std::uint64_t quarantined = 0;           ///< Events in quarantine.
  };
  /// What Verify found; everything is right when `problems` is empty.
  struct Verdict {
    std::uint64_t events = 0;  ///< Pending ones that are whole.
    std::uint64_t letters = 0;
    std::vector<std::string> problems;
  };
  /// Called now and then with the events that were seen.
  using Progress = std::function<void(std::uint64_t events)>;

  /// Fails when there is no store, or none that this release can read.
  static common::Result<std::unique_ptr<OfflineQueue>> Open(const std::string& path);
  ~OfflineQueue();
  OfflineQueue(const OfflineQueue&) = delete;
  OfflineQueue& operator=(const OfflineQueue&) = delete;

  /// Every log, in the order of LogId.
  common::Result<std::vector<Log>> Logs() const;
  /// Events that wait for delivery, of one log or of all.
  std::uint64_t Pending(std::optional<pipeline::LogId> log = std::nullopt) const;
  std::optional<pipeline::LogId> FindTenant(std::string_view tenant) const;

  /// Reads everything: the checksums of the tables, every pending event, every letter; compares
  /// counts.
  Verdict Verify(const Progress& progress) const;

  /// The pending events of a log, oldest first, in batches of at most `max_events`. Damaged ones
  /// are left out; returns how many those are.
  common::Result<std::uint64_t> ForEachPending(
      pipeline::LogId log, std::uint32_t max_events, std::uint64_t max_bytes,
      const std::function<void(const pipeline::ReadBatch&)>& visit) const;
  /// What can be made out of the quarantine: texts that are JSON, as they were found. Returns how
  /// many events could not be.
  common::Result<std::uint64_t> ForEachQuarantined(
      std::optional<pipeline::LogId> log,
      const std::function<void(std::string_view text)>& visit) const;

 private:
  class Impl;
  explicit OfflineQueue(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::queue

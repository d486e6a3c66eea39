// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/guarded.h"
#include "gateway/sandbox/records.h"
#include "gateway/sandbox/tracking.h"

namespace gateway::sandbox {

struct StoreOptions {
  std::size_t max_events_kept = 0;
  std::size_t max_bytes_kept = 0;       ///< Of events and of requests, each.
  bool discard = false;                 ///< Keep counters only.
  std::vector<std::string> write_keys;  ///< Sources that exist; empty: all.
};

/// A part of a list as NDJSON.
struct Page {
  std::string lines;
  std::uint64_t next_after = 0;  ///< Ask on with after=…
  bool more = false;             ///< There is more already.
  std::uint64_t missed = 0;      ///< Records after `after` that were forgotten meanwhile.
};

/// What the sandbox has received: the last events and requests, and counters of all.
///
/// Invariant: memory is bounded by the options; the oldest records and message ids are
/// forgotten first. Thread-safe.
class Store {
 public:
  explicit Store(StoreOptions options);

  /// Keeps a request, and its events when they were `taken`: finds duplicates (same
  /// messageId within 24 hours, whatever the key) and unknown keys.
  void Record(RequestRecord request, Reading reading, bool taken);

  Page Events(const Filter& filter) const;
  Page Requests(const Filter& filter) const;
  /// Counters per write key and in total, as one JSON object.
  std::string Stats() const;
  /// Forgets everything but the last n, so that cursors stay good.
  void Clear();

 private:
  struct Counters {
    std::uint64_t requests = 0;
    std::uint64_t bytes = 0;
    std::uint64_t events = 0;
    std::uint64_t distinct = 0;
    std::map<int, std::uint64_t> by_status;
    std::map<std::string, std::uint64_t, std::less<>> by_verdict;
    std::map<std::string, std::uint64_t, std::less<>> by_type;
  };
  struct State {
    std::deque<EventRecord> events;
    std::deque<RequestRecord> requests;
    std::size_t event_bytes = 0;
    std::size_t request_bytes = 0;
    std::uint64_t last_event = 0;
    std::uint64_t last_request = 0;
    Counters total;
    std::map<std::string, Counters, std::less<>> by_key;
    std::unordered_set<std::uint64_t> ids;
    std::deque<std::pair<common::WallTime, std::uint64_t>> id_ages;
  };

  void RecordIn(State& state, RequestRecord request, Reading reading, bool taken) const;
  Verdict Judge(State& state, const RequestRecord& request, const ReceivedEvent& event) const;
  bool IsNewId(State& state, std::string_view id, common::WallTime now) const;
  void Trim(State& state) const;
  static Counters& OfKey(State& state, const std::string& write_key);

  const StoreOptions options_;
  common::Guarded<State> state_;
};

}  // namespace gateway::sandbox

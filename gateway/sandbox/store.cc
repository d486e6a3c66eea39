// SPDX-License-Identifier: Apache-2.0
#include "gateway/sandbox/store.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

namespace gateway::sandbox {
namespace {

using common::WallTime;
using nlohmann::json;

constexpr std::chrono::hours kDuplicateWindow{24};
// Message ids are remembered longer than events: 16 bytes each instead of a kilobyte.
constexpr std::size_t kIdsPerEvent = 10;
constexpr std::size_t kMaxKeysCounted = 10'000;
constexpr std::size_t kMaxPageBytes = 64UL * 1024 * 1024;
constexpr std::size_t kRecordOverhead = 400;

std::size_t Weight(const EventRecord& record) { return record.raw.size() + kRecordOverhead; }

std::size_t Weight(const RequestRecord& record) {
  std::size_t weight =
      kRecordOverhead + record.user_agent.size() + record.content_type.size() + record.path.size();
  for (const std::string& id : record.message_ids) weight += id.size() + sizeof(std::string);
  return weight;
}

template <typename Record>
void DropOldest(std::deque<Record>& records, std::size_t& bytes, std::size_t max_records,
                std::size_t max_bytes) {
  while (!records.empty() && (records.size() > max_records || bytes > max_bytes)) {
    bytes -= Weight(records.front());
    records.pop_front();
  }
}

/// `records` have consecutive numbers that end with `last`.
template <typename Record>
Page Select(const std::deque<Record>& records, std::uint64_t last, const Filter& filter) {
  Page page;
  page.next_after = filter.after;
  if (filter.after >= last) return page;
  const std::uint64_t first = last - records.size() + 1;
  const std::uint64_t start = std::max(filter.after + 1, first);
  page.missed = start - filter.after - 1;
  std::uint64_t left = filter.limit;
  for (std::uint64_t n = start; n <= last; ++n) {
    if (left == 0 || page.lines.size() >= kMaxPageBytes) {
      page.more = true;
      return page;
    }
    const Record& record = records[n - first];
    page.next_after = n;
    if (!filter.Matches(record)) continue;
    AppendLine(page.lines, record);
    --left;
  }
  return page;
}

}  // namespace

Store::Store(StoreOptions options) : options_(std::move(options)) {}

void Store::Record(RequestRecord request, Reading reading, bool taken) {
  state_.With(
      [&](State& state) { RecordIn(state, std::move(request), std::move(reading), taken); });
}

void Store::RecordIn(State& state, RequestRecord request, Reading reading, bool taken) const {
  request.n = ++state.last_request;
  Counters& key = OfKey(state, request.write_key);
  for (Counters* counters : {&state.total, &key}) {
    ++counters->requests;
    ++counters->by_status[request.status];
    counters->bytes += request.bytes;
    if (taken) counters->events += reading.event_count;
  }
  for (ReceivedEvent& event : reading.events) {
    request.message_ids.push_back(event.message_id);
    if (!taken) continue;
    const Verdict verdict = Judge(state, request, event);
    request.accepted += verdict == Verdict::kAccepted ? 1 : 0;
    request.duplicates += verdict == Verdict::kDuplicate ? 1 : 0;
    for (Counters* counters : {&state.total, &key}) {
      ++counters->by_verdict[std::string(VerdictName(verdict))];
      if (verdict != Verdict::kAccepted) continue;
      ++counters->by_type[event.type];
      if (!event.message_id.empty()) ++counters->distinct;
    }
    EventRecord record{++state.last_event,
                       request.n,
                       request.received_at,
                       request.write_key,
                       request.path,
                       request.retry_count(),
                       request.sent_at,
                       event.timestamp,
                       std::move(event.type),
                       std::move(event.message_id),
                       std::move(event.user_id),
                       verdict,
                       std::move(event.raw)};
    state.event_bytes += Weight(record);
    state.events.push_back(std::move(record));
  }
  if (taken && !options_.discard) {
    request.dropped = request.events - request.accepted - request.duplicates;
  }
  if (!options_.discard) {
    state.request_bytes += Weight(request);
    state.requests.push_back(std::move(request));
  }
  Trim(state);
}

Verdict Store::Judge(State& state, const RequestRecord& request, const ReceivedEvent& event) const {
  if (event.verdict != Verdict::kAccepted) return event.verdict;
  if (!options_.write_keys.empty() &&
      std::find(options_.write_keys.begin(), options_.write_keys.end(), request.write_key) ==
          options_.write_keys.end()) {
    return Verdict::kUnknownWriteKey;
  }
  if (event.message_id.empty() || IsNewId(state, event.message_id, request.received_at)) {
    return Verdict::kAccepted;
  }
  return Verdict::kDuplicate;
}

bool Store::IsNewId(State& state, std::string_view id, WallTime now) const {
  while (!state.id_ages.empty() &&
         (now - state.id_ages.front().first >= kDuplicateWindow ||
          state.id_ages.size() > options_.max_events_kept * kIdsPerEvent)) {
    state.ids.erase(state.id_ages.front().second);
    state.id_ages.pop_front();
  }
  const std::uint64_t hash = std::hash<std::string_view>{}(id);
  if (!state.ids.insert(hash).second) return false;
  state.id_ages.emplace_back(now, hash);
  return true;
}

void Store::Trim(State& state) const {
  DropOldest(state.events, state.event_bytes, options_.max_events_kept, options_.max_bytes_kept);
  DropOldest(state.requests, state.request_bytes, options_.max_events_kept,
             options_.max_bytes_kept);
}

Store::Counters& Store::OfKey(State& state, const std::string& write_key) {
  const auto it = state.by_key.find(write_key);
  if (it != state.by_key.end()) return it->second;
  // Whoever sends a new key with each request shall not fill the memory.
  return state.by_key[state.by_key.size() < kMaxKeysCounted ? write_key : "(others)"];
}

Page Store::Events(const Filter& filter) const {
  return state_.With(
      [&](const State& state) { return Select(state.events, state.last_event, filter); });
}

Page Store::Requests(const Filter& filter) const {
  return state_.With(
      [&](const State& state) { return Select(state.requests, state.last_request, filter); });
}

std::string Store::Stats() const {
  const auto render = [](const Counters& counters) {
    json by_status = json::object();
    for (const auto& [status, count] : counters.by_status) {
      by_status[status == 0 ? "no_answer" : std::to_string(status)] = count;
    }
    const auto count = [&](Verdict verdict) {
      const auto it = counters.by_verdict.find(VerdictName(verdict));
      return it == counters.by_verdict.end() ? 0 : it->second;
    };
    return json{{"requests", counters.requests},
                {"requests_by_status", by_status},
                {"bytes", counters.bytes},
                {"events", counters.events},
                {"accepted", count(Verdict::kAccepted)},
                {"duplicates", count(Verdict::kDuplicate)},
                {"distinct_message_ids", counters.distinct},
                {"events_by_verdict", counters.by_verdict},
                {"accepted_by_type", counters.by_type}};
  };
  return state_.With([&](const State& state) {
    json keys = json::object();
    for (const auto& [key, counters] : state.by_key) keys[key] = render(counters);
    return json{{"total", render(state.total)},
                {"write_keys", keys},
                {"events_kept", state.events.size()},
                {"last_event", state.last_event},
                {"last_request", state.last_request}}
               .dump(2, ' ', false, json::error_handler_t::replace) +
           "\n";
  });
}

void Store::Clear() {
  state_.With([](State& state) {
    State fresh;
    fresh.last_event = state.last_event;
    fresh.last_request = state.last_request;
    std::swap(state, fresh);
  });
}

}  // namespace gateway::sandbox

// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/log_table.h"

#include <algorithm>

namespace gateway::queue {

using pipeline::LogId;
using pipeline::LogState;

std::uint64_t Overlap(const DamagedRange& range, pipeline::Seq from, pipeline::Seq to) {
  const pipeline::Seq begin = std::max(range.first, from);
  const pipeline::Seq end = std::min(range.second, to);
  return begin < end ? end - begin : 0;
}

LogState LogTable::ToState(const Log& log) {
  return {.log = log.id,
          .tenant = log.tenant,
          .cursor = log.position.cursor,
          .tail = log.position.tail,
          .dead = log.position.dead,
          .pending_bytes = log.position.pending_bytes,
          .oldest = log.position.oldest,
          .retry = log.position.retry};
}

void LogTable::Add(LogId id, std::string tenant, LogPosition position) {
  auto log = std::make_unique<Log>(
      Log{.id = id, .tenant = std::move(tenant), .position = std::move(position)});
  const std::scoped_lock lock(mutex_);
  by_tenant_.emplace(log->tenant, log.get());
  logs_.emplace(id, std::move(log));
  next_id_ = std::max(next_id_, id + 1);
}

std::optional<LogId> LogTable::FindTenant(std::string_view tenant) const {
  const std::scoped_lock lock(mutex_);
  const auto found = by_tenant_.find(tenant);
  if (found == by_tenant_.end()) return std::nullopt;
  return found->second->id;
}

void LogTable::ReserveId(LogId id) {
  const std::scoped_lock lock(mutex_);
  next_id_ = std::max(next_id_, id + 1);
}

LogId LogTable::TakeNextId() {
  const std::scoped_lock lock(mutex_);
  return next_id_++;
}

std::optional<LogState> LogTable::State(LogId log) const {
  const std::scoped_lock lock(mutex_);
  const auto found = logs_.find(log);
  if (found == logs_.end()) return std::nullopt;
  return ToState(*found->second);
}

std::vector<LogState> LogTable::States() const {
  std::vector<LogState> states;
  {
    const std::scoped_lock lock(mutex_);
    states.reserve(logs_.size());
    for (const auto& [id, log] : logs_) states.push_back(ToState(*log));
  }
  std::ranges::sort(states, {}, &LogState::log);
  return states;
}

std::optional<std::pair<pipeline::Cursor, pipeline::Seq>> LogTable::Bounds(LogId log) const {
  const std::scoped_lock lock(mutex_);
  const auto found = logs_.find(log);
  if (found == logs_.end()) return std::nullopt;
  return std::pair(found->second->position.cursor, found->second->position.tail);
}

std::uint64_t LogTable::PendingBytes(LogId log) const {
  const std::scoped_lock lock(mutex_);
  const auto found = logs_.find(log);
  return found == logs_.end() ? 0 : found->second->position.pending_bytes;
}

const LogTable::Log* LogTable::Find(LogId log) const {
  const std::scoped_lock lock(mutex_);
  const auto found = logs_.find(log);
  return found == logs_.end() ? nullptr : found->second.get();
}

void LogTable::Publish(std::vector<Change>& changes) {
  const std::scoped_lock lock(mutex_);
  for (Change& change : changes) {
    logs_.at(change.log->id)->position = std::move(change.position);
  }
}

}  // namespace gateway::queue

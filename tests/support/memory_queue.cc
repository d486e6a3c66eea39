// SPDX-License-Identifier: Apache-2.0
#include "tests/support/memory_queue.h"

#include <algorithm>
#include <chrono>
#include <iterator>

namespace tests {

using common::ErrorCode;
using common::Fail;
using common::Result;
using common::Status;
using gateway::pipeline::AppendRequest;
using gateway::pipeline::Chunk;
using gateway::pipeline::Committed;
using gateway::pipeline::DeadLetter;
using gateway::pipeline::EventBlock;
using gateway::pipeline::EventId;
using gateway::pipeline::LogState;
using gateway::pipeline::ReadBatch;
using gateway::pipeline::ReadRequest;
using gateway::pipeline::Settlement;

namespace {

std::shared_ptr<const Chunk> MakeChunk(gateway::pipeline::Seq first, AppendRequest& request) {
  auto chunk = std::make_shared<Chunk>();
  chunk->first = first;
  chunk->accepted_at = request.received_at;
  chunk->storage = std::move(request.events.bytes);
  chunk->events = chunk->storage;
  std::uint32_t end = 0;
  for (const std::uint32_t size : request.events.sizes) {
    end += size + (chunk->ends.empty() ? 0 : 1);
    chunk->ends.push_back(end);
  }
  return chunk;
}

/// How many events of `chunk` from `from` on fit into what is left of the request.
std::uint32_t CountThatFits(const Chunk& chunk, std::uint32_t from, const ReadRequest& request,
                            const ReadBatch& batch) {
  const std::uint32_t most = std::min(
      chunk.count() - from, request.max_events - std::min(request.max_events, batch.events));
  const auto goes_alone = [&](std::uint64_t bytes) { return bytes > request.max_bytes_in_company; };
  if (batch.events == 1 && goes_alone(batch.bytes)) return 0;
  std::uint32_t n = 0;
  while (n < most) {
    if (goes_alone(chunk.Span(from + n, 1).size())) return batch.events + n == 0 ? 1 : n;
    const std::uint64_t comma = batch.events > 0 ? 1 : 0;
    const std::uint64_t bytes = batch.bytes + comma + chunk.Span(from, n + 1).size();
    if (bytes > request.max_bytes && batch.events + n > 0) break;
    ++n;
  }
  return n;
}

}  // namespace

Result<LogState> MemoryQueue::OpenLog(std::string_view tenant_id) {
  const std::scoped_lock lock(mutex_);
  for (const auto& [id, log] : logs_) {
    if (log.state.tenant == tenant_id) return log.state;
  }
  const LogId id = static_cast<LogId>(logs_.size() + 1);
  Log& log = logs_[id];
  log.state.log = id;
  log.state.tenant = std::string(tenant_id);
  return log.state;
}

void MemoryQueue::Append(AppendRequest request, AppendDone done) {
  Status answer = common::Ok();
  std::vector<Committed> committed;
  CommitListener listener;
  {
    const std::scoped_lock lock(mutex_);
    const auto it = logs_.find(request.log);
    if (append_error_) {
      answer = tl::unexpected(*append_error_);
    } else if (it == logs_.end()) {
      answer = Fail(ErrorCode::kInvalidArgument, "unknown log");
    } else {
      Log& log = it->second;
      for (DeadLetter& letter : request.rejected) KeepRejected(log, std::move(letter));
      if (request.dedupe.on()) request.events = DropRepeated(request, log.memory);
      if (request.events.count() > 0) {
        const auto chunk = MakeChunk(log.state.tail, request);
        log.chunks[chunk->first] = StoredChunk{.chunk = chunk};
        log.state.tail = chunk->end();
        log.state.pending_bytes += chunk->events.size();
        committed.push_back({.log = request.log,
                             .events = chunk->count(),
                             .bytes = chunk->events.size(),
                             .tail = log.state.tail,
                             .accepted_at = chunk->accepted_at});
        listener = listener_;
      }
    }
  }
  if (listener) listener(committed);
  done(std::move(answer));
}

EventBlock MemoryQueue::DropRepeated(const AppendRequest& request, Memory& memory) {
  const auto forget_oldest = [&] {
    const EventId& id = memory.order.front().second;
    memory.ids.erase({id.high, id.low});
    memory.order.pop_front();
  };
  memory.newest = std::max(memory.newest, request.received_at);
  const auto window = std::chrono::duration_cast<std::chrono::milliseconds>(request.dedupe.window);
  while (!memory.order.empty() && memory.order.front().first < memory.newest - window) {
    forget_oldest();
  }
  EventBlock kept;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < request.events.count(); ++i) {
    const std::size_t size = request.events.sizes[i];
    const EventId id = request.events.ids.at(i);
    const bool fresh = id.made_here() || memory.ids.insert({id.high, id.low}).second;
    if (fresh) kept.Append(std::string_view(request.events.bytes).substr(begin, size));
    if (fresh && !id.made_here()) memory.order.emplace_back(memory.newest, id);
    if (memory.order.size() > request.dedupe.max_ids) forget_oldest();
    begin += size + 1;
  }
  return kept;
}

void MemoryQueue::KeepRejected(Log& log, DeadLetter letter) const {
  const std::uint64_t bytes = letter.code.size() + letter.message.size() + letter.event.size();
  if (bytes > max_rejected_bytes_) return;
  log.rejected_bytes += bytes;
  log.dead_letters.push_back({.letter = std::move(letter), .rejected_bytes = bytes});
  std::erase_if(log.dead_letters, [&](const StoredLetter& oldest) {
    if (log.rejected_bytes <= max_rejected_bytes_) return false;
    log.rejected_bytes -= oldest.rejected_bytes;
    return oldest.rejected_bytes > 0;
  });
}

Result<ReadBatch> MemoryQueue::ReadLocked(const ReadRequest& request) {
  if (read_error_) return tl::unexpected(*read_error_);
  const auto it = logs_.find(request.log);
  if (it == logs_.end()) return Fail(ErrorCode::kInvalidArgument, "unknown log");
  Log& log = it->second;
  if (request.from.next() < log.state.cursor.next()) {
    return Fail(ErrorCode::kInvalidArgument, "a read behind the cursor");
  }
  ReadBatch batch;
  Seq next = request.from.next();
  while (next < log.state.tail) {
    auto at = std::prev(log.chunks.upper_bound(next));
    const Chunk& chunk = *at->second.chunk;
    if (at->second.damaged) {
      if (batch.events > 0) break;
      batch.damaged.emplace_back(next, chunk.end());
      if (std::ranges::find(log.damaged, std::pair(chunk.first, chunk.end())) ==
          log.damaged.end()) {
        log.damaged.emplace_back(chunk.first, chunk.end());
      }
      next = chunk.end();
      continue;
    }
    const auto from = static_cast<std::uint32_t>(next - chunk.first);
    const std::uint32_t n = CountThatFits(chunk, from, request, batch);
    if (n == 0) break;
    batch.bytes += chunk.Span(from, n).size() + (batch.events > 0 ? 1 : 0);
    batch.events += n;
    batch.slices.push_back({.chunk = at->second.chunk, .from = from, .count = n});
    next += n;
    if (next < chunk.end()) break;
  }
  return batch;
}

void MemoryQueue::Read(ReadRequest request, ReadDone done) {
  Result<ReadBatch> answer = [&] {
    const std::scoped_lock lock(mutex_);
    reads_.push_back(request);
    return ReadLocked(request);
  }();
  done(std::move(answer));
}

Status MemoryQueue::SettleLocked(Settlement settlement) {
  if (settle_error_) return tl::unexpected(*settle_error_);
  const auto it = logs_.find(settlement.log);
  if (it == logs_.end()) return Fail(ErrorCode::kInvalidArgument, "unknown log");
  Log& log = it->second;
  const Seq old_next = log.state.cursor.next();
  const Seq next = settlement.cursor.next();
  if (next < old_next || next > log.state.tail) {
    return Fail(ErrorCode::kInvalidArgument, "a cursor outside the log's pending events");
  }
  for (const Seq first : settlement.finished_chunks) {
    if (first >= settlement.cursor.chunk) {
      return Fail(ErrorCode::kInvalidArgument, "a finished chunk that is not settled");
    }
  }
  for (const Seq first : settlement.finished_chunks) log.chunks.erase(first);
  for (const auto& [first, end] : log.damaged) {
    const Seq from = std::max(first, old_next);
    const Seq to = std::min(end, next);
    if (from < to) log.state.dead += to - from;
  }
  log.state.cursor = settlement.cursor;
  log.state.retry = settlement.retry;
  log.state.dead += settlement.dead.size();
  for (DeadLetter& letter : settlement.dead) {
    log.dead_letters.push_back({.letter = std::move(letter)});
  }
  log.state.pending_bytes = 0;
  for (const auto& [first, stored] : log.chunks) {
    if (stored.chunk->end() > next) log.state.pending_bytes += stored.chunk->events.size();
  }
  return common::Ok();
}

void MemoryQueue::Settle(Settlement settlement, SettleDone done) {
  std::optional<Status> answer;
  {
    const std::scoped_lock lock(mutex_);
    if (hold_settles_) {
      held_.emplace_back(std::move(settlement), std::move(done));
      return;
    }
    answer = SettleLocked(std::move(settlement));
  }
  done(std::move(*answer));
}

void MemoryQueue::HoldSettles() {
  const std::scoped_lock lock(mutex_);
  hold_settles_ = true;
}

void MemoryQueue::FreeSettles() {
  std::vector<std::pair<Settlement, SettleDone>> held;
  {
    const std::scoped_lock lock(mutex_);
    hold_settles_ = false;
    held.swap(held_);
  }
  for (auto& [settlement, done] : held) Settle(std::move(settlement), std::move(done));
}

std::size_t MemoryQueue::HeldLetters() const {
  const std::scoped_lock lock(mutex_);
  std::size_t letters = 0;
  for (const auto& [settlement, done] : held_) letters += settlement.dead.size();
  return letters;
}

std::vector<ReadRequest> MemoryQueue::Reads() const {
  const std::scoped_lock lock(mutex_);
  return reads_;
}

void MemoryQueue::SetCommitListener(CommitListener listener) {
  const std::scoped_lock lock(mutex_);
  listener_ = std::move(listener);
}

void MemoryQueue::FailAppends(std::optional<common::Error> error) {
  const std::scoped_lock lock(mutex_);
  append_error_ = std::move(error);
}

void MemoryQueue::FailReads(std::optional<common::Error> error) {
  const std::scoped_lock lock(mutex_);
  read_error_ = std::move(error);
}

void MemoryQueue::FailSettles(std::optional<common::Error> error) {
  const std::scoped_lock lock(mutex_);
  settle_error_ = std::move(error);
}

void MemoryQueue::Damage(LogId log, Seq first) {
  const std::scoped_lock lock(mutex_);
  logs_.at(log).chunks.at(first).damaged = true;
}

Status MemoryQueue::AppendTexts(LogId log, const std::vector<std::string>& texts,
                                common::WallTime received_at) {
  AppendRequest request;
  request.log = log;
  request.received_at = received_at;
  for (const std::string& text : texts) request.events.Append(text);
  Status answer = Fail(ErrorCode::kCancelled, "append was not answered");
  Append(std::move(request), [&](Status status) { answer = std::move(status); });
  return answer;
}

LogState MemoryQueue::State(LogId log) const {
  const std::scoped_lock lock(mutex_);
  return logs_.at(log).state;
}

std::vector<std::string> MemoryQueue::PendingEvents(LogId log) const {
  const std::scoped_lock lock(mutex_);
  const Log& found = logs_.at(log);
  std::vector<std::string> texts;
  for (const auto& [first, stored] : found.chunks) {
    for (std::uint32_t i = 0; i < stored.chunk->count(); ++i) {
      if (first + i >= found.state.cursor.next()) texts.emplace_back(stored.chunk->Span(i, 1));
    }
  }
  return texts;
}

std::vector<DeadLetter> MemoryQueue::DeadLetters(LogId log) const {
  const std::scoped_lock lock(mutex_);
  std::vector<DeadLetter> letters;
  for (const StoredLetter& stored : logs_.at(log).dead_letters) letters.push_back(stored.letter);
  return letters;
}

std::uint64_t MemoryQueue::PendingBytes(LogId log) const {
  const std::scoped_lock lock(mutex_);
  const auto found = logs_.find(log);
  return found == logs_.end() ? 0 : found->second.state.pending_bytes;
}

std::size_t MemoryQueue::StoredChunks(LogId log) const {
  const std::scoped_lock lock(mutex_);
  return logs_.at(log).chunks.size();
}

}  // namespace tests

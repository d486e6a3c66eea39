// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/commit_builder.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "gateway/queue/record_key.h"
#include "gateway/queue/stored_records.h"

namespace gateway::queue {

using common::ErrorCode;
using pipeline::Committed;
using pipeline::DeadLetter;
using pipeline::EventBlock;
using pipeline::LogId;
using pipeline::Seq;

namespace {

constexpr std::chrono::minutes kExpiryInterval{1};
/// Event bytes from which a request is not joined with others: a record costs less than the copy.
constexpr std::size_t kRecordOfItsOwnBytes = std::size_t{32} << 10;

common::Error Invalid(std::string message) {
  return {ErrorCode::kInvalidArgument, std::move(message)};
}

/// A time as the id of a letter would say it.
std::uint64_t AsId(common::WallTime time) {
  return static_cast<std::uint64_t>(time.time_since_epoch().count()) * 1000;
}

void PutChunk(std::string_view head, LogId log, const pipeline::Chunk& chunk,
              rocksdb::ColumnFamilyHandle* queue, rocksdb::WriteBatch& batch) {
  const std::string key_bytes = EncodeKey(EntryKey{log, chunk.first});
  const rocksdb::Slice key(key_bytes);
  const std::array<rocksdb::Slice, 2> value{head, chunk.events};
  // Fails only for values of 4 GiB.
  batch.Put(queue, rocksdb::SliceParts(&key, 1), rocksdb::SliceParts(value.data(), value.size()));
}

/// Moves the cursor and settles what depends on it: damage that was passed is dead, and
/// the estimate of pending bytes shrinks in proportion.
void MoveCursor(LogPosition& position, const pipeline::Cursor& cursor) {
  const Seq from = position.cursor.next();
  const Seq to = cursor.next();
  const auto pending = static_cast<double>(position.tail - from);
  if (to > from) {
    const double left = static_cast<double>(position.tail - to) / pending;
    position.pending_bytes =
        static_cast<std::uint64_t>(static_cast<double>(position.pending_bytes) * left);
  }
  for (const DamagedRange& range : position.damage) position.dead += Overlap(range, from, to);
  std::erase_if(position.damage, [&](const DamagedRange& range) { return range.second <= to; });
  position.cursor = cursor;
}

/// What waits is not older than what was settled last.
void MoveOldest(LogPosition& position, common::WallTime settled_up_to) {
  if (position.cursor.next() == position.tail) {
    position.oldest.reset();
  } else if (settled_up_to != common::WallTime{}) {
    position.oldest = settled_up_to;
  }
}

}  // namespace

void Commit::clear() {
  batch.Clear();
  sync = false;
  changes.clear();
  chunks.clear();
  committed.clear();
  events = 0;
  duplicates = 0;
  rejected_evicted.clear();
  dead_evicted.clear();
  quarantined_chunks = 0;
  quarantined_events = 0;
}

CommitBuilder::CommitBuilder(const RocksStore& store, const LogTable& table,
                             const common::Clock& clock, std::uint64_t max_chunk_bytes,
                             std::uint64_t last_dead_id, Ledgers ledgers)
    : store_(store),
      table_(table),
      clock_(clock),
      max_chunk_bytes_(max_chunk_bytes),
      last_dead_id_(last_dead_id),
      rejected_(std::move(ledgers.rejected)),
      dead_(std::move(ledgers.dead)),
      ids_(std::move(ledgers.ids)),
      tails_(std::move(ledgers.tails)),
      trust_(clock.Steady(), clock.Wall()) {}

LogTable::Change* CommitBuilder::Stage(LogId log, Commit& commit) {
  const auto [staged, is_new] = staged_.try_emplace(log, commit.changes.size());
  if (!is_new) return &commit.changes[staged->second];
  const LogTable::Log* found = table_.Find(log);
  if (found == nullptr) {
    staged_.erase(staged);
    return nullptr;
  }
  commit.changes.push_back({.log = found, .position = found->position});
  return &commit.changes.back();
}

void CommitBuilder::Build(Work& work, Commit& commit) {
  staged_.clear();
  for (LetterLedger* letters : {&rejected_, &dead_}) {
    letters->Begin();
    if (expire_letters_at_ != 0) letters->Expire(expire_letters_at_);
  }
  ids_.Begin();
  tails_.Begin();
  const std::uint64_t dead_id_before = last_dead_id_;
  AddAppends(work, commit);
  for (const PendingQuarantine& quarantine : work.quarantines) {
    for (const DamagedRecord& record : quarantine.records) AddQuarantine(record, commit);
  }
  for (PendingSettle& settle : work.settlements) AddSettlement(settle, commit);
  rejected_.Seal(commit.batch);
  dead_.Seal(commit.batch);
  ids_.Seal(commit.batch);
  tails_.Seal(commit.batch);
  commit.rejected_evicted = rejected_.evicted();
  commit.dead_evicted = dead_.evicted();
  rocksdb::ColumnFamilyHandle* meta = store_.family(Family::kMeta);
  for (const LogTable::Change& change : commit.changes) {
    if (!change.cursor_changed) continue;
    const LogPosition& position = change.position;
    commit.batch.Put(
        meta, EncodeMetaKey(kCursorPrefix, change.log->id),
        EncodeCursor({.cursor = position.cursor, .dead = position.dead, .retry = position.retry}));
  }
  if (last_dead_id_ != dead_id_before) {
    commit.batch.Put(meta, kDeadIdKey, EncodeNumber(last_dead_id_));
  }
}

void CommitBuilder::AddAppends(Work& work, Commit& commit) {
  if (work.appends.empty()) return;
  commit.sync = true;
  order_.clear();
  for (PendingAppend& append : work.appends) order_.push_back(&append);
  // By log and, within one log, in the order in which they came: they lie in one vector.
  std::ranges::sort(order_, [](const PendingAppend* a, const PendingAppend* b) {
    return a->request.log != b->request.log ? a->request.log < b->request.log : a < b;
  });
  for (std::size_t begin = 0; begin < order_.size();) {
    std::size_t end = begin + 1;
    while (end < order_.size() && order_[end]->request.log == order_[begin]->request.log) ++end;
    AddLogAppends(begin, end, commit);
    begin = end;
  }
}

void CommitBuilder::AddLogAppends(std::size_t begin, std::size_t end, Commit& commit) {
  const LogId log = order_[begin]->request.log;
  LogTable::Change* change = Stage(log, commit);
  if (change == nullptr) {
    for (std::size_t i = begin; i < end; ++i) order_[i]->refused = Invalid("unknown log");
    return;
  }
  Committed committed{.log = log, .accepted_at = {}};
  for (std::size_t i = begin; i < end; ++i) {
    pipeline::AppendRequest& request = order_[i]->request;
    AddEvents(request, *change, committed, commit);
    for (const DeadLetter& letter : request.rejected) {
      rejected_.Add(log, NextDeadId(), letter, commit.batch);
    }
  }
  FlushChunk(*change, committed, commit);
  if (committed.events == 0) return;
  committed.tail = change->position.tail;
  tails_.Add(log, committed.tail);
  change->position.pending_bytes += committed.bytes;
  commit.events += committed.events;
  commit.committed.push_back(committed);
}

void CommitBuilder::AddEvents(pipeline::AppendRequest& request, LogTable::Change& change,
                              Committed& committed, Commit& commit) {
  EventBlock& block = request.events;
  const common::WallTime received_at = request.received_at;
  const std::size_t dropped = request.dedupe.on() ? ids_.Admit(request, fresh_, commit.batch) : 0;
  if (dropped == 0) {
    const EventRun all{.block = &block, .count = block.count(), .length = block.bytes.size()};
    const bool alone = all.length >= kRecordOfItsOwnBytes;
    if (alone) FlushChunk(change, committed, commit);
    AddRun(all, received_at, change, committed, commit);
    if (alone) FlushChunk(change, committed, commit);
    return;
  }
  commit.duplicates += dropped;
  EventRun run{.block = &block};
  std::size_t begin = 0;
  for (std::size_t i = 0; i < block.count(); begin += block.sizes[i] + 1U, ++i) {
    if (!fresh_[i]) {
      AddRun(run, received_at, change, committed, commit);
      run = {.block = &block};
      continue;
    }
    if (run.count == 0) {
      run.first = i;
      run.begin = begin;
    }
    ++run.count;
    run.length = begin + block.sizes[i] - run.begin;
  }
  AddRun(run, received_at, change, committed, commit);
}

void CommitBuilder::AddRun(EventRun rest, common::WallTime received_at, LogTable::Change& change,
                           Committed& committed, Commit& commit) {
  while (rest.count > 0) {
    EventRun run{.block = rest.block, .first = rest.first, .begin = rest.begin};
    if (runs_bytes_ + rest.length <= max_chunk_bytes_) {
      run = rest;
    } else {
      while (run.count < rest.count) {
        const std::size_t size =
            rest.block->sizes[rest.first + run.count] + (run.count > 0 ? 1U : 0U);
        const bool fits = runs_bytes_ + run.length + size <= max_chunk_bytes_;
        if (!fits && (run.count > 0 || !runs_.empty())) break;
        run.length += size;
        ++run.count;
      }
    }
    if (run.count > 0) {
      runs_accepted_at_ = runs_.empty() ? received_at : std::min(runs_accepted_at_, received_at);
      runs_.push_back(run);
      runs_bytes_ += run.length + 1;
      rest.first += run.count;
      rest.count -= run.count;
      rest.begin += run.length + 1;
      if (rest.count > 0) rest.length -= run.length + 1;
    }
    if (rest.count > 0) FlushChunk(change, committed, commit);
  }
}

void CommitBuilder::FlushChunk(LogTable::Change& change, Committed& committed, Commit& commit) {
  if (runs_.empty()) return;
  LogPosition& position = change.position;
  const LogId log = change.log->id;
  auto [chunk, head] = EncodeChunk(log, position.tail, runs_accepted_at_, runs_);
  PutChunk(head, log, *chunk, store_.family(Family::kQueue), commit.batch);
  if (position.cursor.next() == position.tail) position.oldest = runs_accepted_at_;
  position.tail = chunk->end();
  committed.accepted_at = committed.events == 0
                              ? runs_accepted_at_
                              : std::min(committed.accepted_at, runs_accepted_at_);
  committed.events += chunk->count();
  committed.bytes += chunk->events.size();
  commit.chunks.emplace_back(log, std::move(chunk));
  runs_.clear();
  runs_bytes_ = 0;
}

std::uint64_t CommitBuilder::NextDeadId() {
  // Microseconds of the clock, pushed on where the clock is coarse or went back: an id is
  // never given out twice, and sorts by time.
  last_dead_id_ = std::max(last_dead_id_ + 1, AsId(clock_.Wall()));
  return last_dead_id_;
}

bool CommitBuilder::LettersExpired() {
  const common::SteadyTime now = clock_.Steady();
  if (now < next_expiry_) return false;
  next_expiry_ = now + kExpiryInterval;
  expire_letters_at_ = 0;
  const common::WallTime wall = clock_.Wall();
  if (trust_.Observe(now, wall) < common::ClockTrust::kEnough) return false;
  const std::uint64_t id = AsId(wall);
  if (rejected_.HasExpired(id) || dead_.HasExpired(id)) expire_letters_at_ = id;
  return expire_letters_at_ != 0;
}

void CommitBuilder::AddQuarantine(const DamagedRecord& record, Commit& commit) {
  LogTable::Change* change = Stage(record.log, commit);
  if (change == nullptr) return;
  LogPosition& position = change->position;
  // A second read of the same place finds the gap that the first one left. What is known
  // already keeps its raw bytes and is not counted again.
  Seq first = record.first;
  for (const DamagedRange& range : position.damage) {
    if (range.first <= first && first < range.second) first = range.second;
  }
  const std::uint64_t lost = Overlap({first, record.end}, position.cursor.next(), record.end);
  if (lost == 0) return;
  commit.sync = true;
  const QuarantineKey key{.log = record.log, .first = first, .end = record.end};
  commit.batch.Put(store_.family(Family::kQuarantine), EncodeKey(key), record.raw);
  commit.batch.Delete(store_.family(Family::kQueue), EncodeKey(EntryKey{record.log, record.first}));
  position.damage.emplace_back(first, record.end);
  std::ranges::sort(position.damage);
  commit.quarantined_chunks += 1;
  commit.quarantined_events += lost;
}

void CommitBuilder::AddSettlement(PendingSettle& settle, Commit& commit) {
  const pipeline::Settlement& settlement = settle.settlement;
  LogTable::Change* change = Stage(settlement.log, commit);
  if (change == nullptr) {
    settle.refused = Invalid("unknown log");
    return;
  }
  LogPosition& position = change->position;
  const Seq next = settlement.cursor.next();
  if (next < position.cursor.next() || next > position.tail) {
    settle.refused = Invalid("a cursor outside the log's pending events");
    return;
  }
  const auto unsettled = [&](Seq first) { return first >= settlement.cursor.chunk; };
  if (std::ranges::any_of(settlement.finished_chunks, unsettled)) {
    settle.refused = Invalid("a finished chunk that is not settled");
    return;
  }
  for (const Seq first : settlement.finished_chunks) {
    commit.batch.Delete(store_.family(Family::kQueue), EncodeKey(EntryKey{settlement.log, first}));
  }
  for (const DeadLetter& letter : settlement.dead) {
    dead_.Add(settlement.log, NextDeadId(), letter, commit.batch);
  }
  MoveCursor(position, settlement.cursor);
  MoveOldest(position, settlement.settled_up_to);
  position.dead += settlement.dead.size();
  position.retry = settlement.retry;
  change->cursor_changed = true;
}

void CommitBuilder::OnSuccess() {
  rejected_.OnSuccess();
  dead_.OnSuccess();
  expire_letters_at_ = 0;
  ids_.OnSuccess();
  tails_.OnSuccess();
}

}  // namespace gateway::queue

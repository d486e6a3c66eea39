// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/disk_reader.h"

#include <algorithm>
#include <optional>
#include <string>

#include "common/log.h"
#include "gateway/queue/batch_filler.h"
#include "gateway/queue/chunk_codec.h"
#include "gateway/queue/record_key.h"
#include "gateway/queue/rocks_status.h"

namespace gateway::queue {

using common::ErrorCode;
using common::Fail;
using common::Result;
using common::Status;
using pipeline::Seq;

namespace {

/// Walks the records of one log from a position on. Damage has an end only once the next
/// record is seen, so the last damaged record stays open until then.
class Walk {
 public:
  explicit Walk(const pipeline::ReadRequest& request)
      : request_(request), next_(request.from.next()) {}

  /// False when the batch is complete.
  bool Visit(Seq first, std::string_view value) {
    CloseDamage(first);
    auto chunk = DecodeChunk(request_.log, first, std::string(value));
    if (!chunk) {
      if (read_.batch.events > 0) return false;
      common::log::Error("queue_damaged_record", "an event record cannot be decoded",
                         {{"log", request_.log},
                          {"first", first},
                          {"bytes", value.size()},
                          {"error", chunk.error().message}});
      open_ = DamagedRecord{.log = request_.log, .first = first, .raw = std::string(value)};
      return true;
    }
    if ((*chunk)->end() <= next_) return true;
    if (first > next_) {
      if (read_.batch.events > 0) return false;
      AddGap(first);
    }
    const auto from = static_cast<std::uint32_t>(next_ - first);
    next_ = (*chunk)->end();
    return AddToBatch(request_, *chunk, from, read_.batch);
  }

  bool has_events() const { return read_.batch.events > 0; }
  Seq next() const { return next_; }

  /// What lies before `end` cannot be read.
  void Skip(Seq end) {
    CloseDamage(end);
    if (next_ < end) AddGap(end);
  }

  /// There are no records behind the ones visited, though the log goes on to `tail`.
  void Finish(Seq tail) {
    CloseDamage(tail);
    if (read_.batch.events == 0 && next_ < tail) AddGap(tail);
  }

  DiskRead Take() { return std::move(read_); }

 private:
  void CloseDamage(Seq end) {
    if (!open_) return;
    open_->end = end;
    if (end > next_) {
      read_.batch.damaged.emplace_back(std::max(next_, open_->first), end);
      read_.damage.push_back(std::move(*open_));
      next_ = end;
    }
    open_.reset();
  }

  void AddGap(Seq end) {
    common::log::Error("queue_missing_events", "events of a log are missing from the store",
                       {{"log", request_.log}, {"first", next_}, {"end", end}});
    read_.batch.damaged.emplace_back(next_, end);
    read_.damage.push_back({.log = request_.log, .first = next_, .end = end, .raw = {}});
    next_ = end;
  }

  const pipeline::ReadRequest& request_;
  Seq next_;
  DiskRead read_;
  std::optional<DamagedRecord> open_;
};

/// The first Seq of the first record at or behind `from`, or `tail`; nothing when that cannot be
/// read.
std::optional<Seq> FirstReadable(const RocksStore& store, pipeline::LogId log, Seq from, Seq tail) {
  RangeScan scan(store, Family::kQueue, EncodeKey(EntryKey{log, from}), LogUpperBound(log));
  scan->SeekToFirst();
  if (!scan->status().ok()) return std::nullopt;
  if (!scan->Valid()) return tail;
  const std::optional<EntryKey> key = DecodeEntryKey(scan.key());
  return key ? std::optional(key->number) : std::nullopt;
}

/// Where a log can be read again, behind a block of a table that RocksDB cannot read. There may
/// be more of them, and what lies between two is whole: so Seq by Seq at first, which finds the
/// end of a block; then in longer and longer steps, so that a destroyed table costs few seeks.
Seq EndOfUnreadable(const RocksStore& store, pipeline::LogId log, Seq damaged, Seq tail) {
  constexpr Seq kNear = 4096;
  Seq bad = damaged;
  Seq step = 1;
  while (bad + step < tail && !FirstReadable(store, log, bad + step, tail)) {
    bad += step;
    if (bad - damaged >= kNear) step *= 2;
  }
  Seq good = std::min(bad + step, tail);
  while (bad + 1 < good) {
    const Seq middle = bad + (good - bad) / 2;
    (FirstReadable(store, log, middle, tail) ? good : bad) = middle;
  }
  return FirstReadable(store, log, good, tail).value_or(tail);
}

common::Error BehindCursor() { return {ErrorCode::kInvalidArgument, "a read behind the cursor"}; }

}  // namespace

Result<DiskRead> ReadLog(const RocksStore& store, const LogTable& table,
                         const pipeline::ReadRequest& request) {
  const auto before = table.Bounds(request.log);
  if (!before) return Fail(ErrorCode::kInvalidArgument, "unknown log");
  const auto& [cursor, tail] = *before;
  if (request.from.next() < cursor.next()) return tl::unexpected(BehindCursor());
  if (request.from.next() >= tail) return DiskRead{};

  Walk walk(request);
  bool more = true;
  for (Seq from = request.from.chunk; more && from < tail;) {
    RangeScan scan(store, Family::kQueue, EncodeKey(EntryKey{request.log, from}),
                   LogUpperBound(request.log));
    for (scan->SeekToFirst(); more && scan->Valid(); scan->Next()) {
      const std::optional<EntryKey> key = DecodeEntryKey(scan.key());
      if (!key) return Fail(ErrorCode::kDataLoss, "an event record has a key of a wrong length");
      more = walk.Visit(key->number, scan.value());
    }
    if (!more || scan->status().ok()) break;
    if (!scan->status().IsCorruption()) {
      return tl::unexpected(ToError(scan->status(), "read events"));
    }
    if (walk.has_events()) break;  // Those first; the next read begins at the damage.
    common::log::Error(
        "queue_damaged_table", "a part of a table cannot be read",
        {{"log", request.log}, {"first", walk.next()}, {"error", scan->status().ToString()}});
    from = EndOfUnreadable(store, request.log, walk.next(), tail);
    walk.Skip(from);
  }
  if (more && !walk.has_events()) walk.Finish(tail);

  DiskRead read = walk.Take();
  if (!read.damage.empty()) {
    // Events that were settled while we looked are gone for a good reason.
    const auto after = table.Bounds(request.log);
    if (request.from.next() < after->first.next()) return tl::unexpected(BehindCursor());
  }
  return read;
}

void DiskReader::Submit(pipeline::ReadRequest request, pipeline::EventQueue::ReadDone done) {
  {
    const std::scoped_lock lock(mutex_);
    if (!closed_) {
      waiting_.push_back({request, std::move(done)});
      changed_.notify_one();
      return;
    }
  }
  done(Fail(ErrorCode::kUnavailable, "the queue is closing"));
}

void DiskReader::Run() {
  while (true) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
    if (closed_) break;
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    Serve(std::move(next));
  }
}

void DiskReader::RunOnce() {
  std::unique_lock lock(mutex_);
  if (waiting_.empty()) return;
  Waiting next = std::move(waiting_.front());
  waiting_.pop_front();
  lock.unlock();
  Serve(std::move(next));
}

void DiskReader::Close() {
  std::deque<Waiting> refused;
  {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    refused.swap(waiting_);
    changed_.notify_all();
  }
  for (Waiting& waiting : refused) {
    waiting.done(Fail(ErrorCode::kUnavailable, "the queue is closing"));
  }
}

void DiskReader::Serve(Waiting waiting) {
  Result<DiskRead> read = ReadLog(store_, table_, waiting.request);
  if (!read) {
    waiting.done(tl::unexpected(std::move(read.error())));
    return;
  }
  if (read->damage.empty()) {
    waiting.done(std::move(read->batch));
    return;
  }
  // Shared by both ends: the caller's callback must run whichever way this goes.
  auto done = std::make_shared<pipeline::EventQueue::ReadDone>(std::move(waiting.done));
  PendingQuarantine quarantine;
  quarantine.records = std::move(read->damage);
  quarantine.done = [done, batch = std::move(read->batch)](Status status) mutable {
    if (status) {
      (*done)(std::move(batch));
    } else {
      (*done)(tl::unexpected(std::move(status.error())));
    }
  };
  if (Status pushed = intake_.Push(quarantine); !pushed) {
    (*done)(tl::unexpected(std::move(pushed.error())));
  }
}

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/letter_ledger.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "gateway/queue/record_key.h"
#include "gateway/queue/rocks_status.h"
#include "gateway/queue/stored_records.h"

namespace gateway::queue {

using common::Result;
using common::Status;
using pipeline::LogId;

Result<LetterLedger> LetterLedger::Load(const RocksStore& store, Kind kind,
                                        const LetterLimits& limits) {
  LetterLedger ledger(store, kind, limits);
  Status read =
      ForEachLogMeta(store, kind.prefix, [&](LogId log, std::string_view value) -> Status {
        Result<LetterRecord> record = DecodeLetters(value);
        if (!record) return tl::unexpected(std::move(record.error()));
        ledger.logs_.emplace(log, LetterSegments(std::move(*record)));
        return common::Ok();
      });
  if (read) read = ledger.CountUnrecorded();
  if (!read) return tl::unexpected(read.error());
  for (const auto& [log, segments] : ledger.logs_) ledger.bytes_ += segments.bytes();
  return ledger;
}

Status LetterLedger::CountUnrecorded() {
  RangeScan scan(*store_, kind_.family, "", std::string(32, '\xff'));
  scan->SeekToFirst();
  while (scan->Valid()) {
    const std::optional<EntryKey> first = DecodeEntryKey(scan.key());
    if (first && logs_.contains(first->log)) {
      scan->Seek(LogUpperBound(first->log));
      continue;
    }
    if (!first) {
      scan->Next();  // Not one of ours.
      continue;
    }
    // As if they were added now, but without a limit: the next letter keeps it, a segment at a
    // time.
    LetterSegments segments;
    for (; scan->Valid(); scan->Next()) {
      const std::optional<EntryKey> key = DecodeEntryKey(scan.key());
      if (!key || key->log != first->log) break;
      segments.Count(key->number, scan.key().size() + scan.value().size(), limits_);
    }
    logs_.emplace(first->log, std::move(segments));
  }
  if (!scan->status().ok()) return tl::unexpected(ToError(scan->status(), "count the letters"));
  return common::Ok();
}

void LetterLedger::Begin() {
  staged_.clear();
  places_.clear();
}

LetterLedger::Staged& LetterLedger::Stage(LogId log, std::uint64_t id) {
  const auto [place, is_new] = places_.try_emplace(log, staged_.size());
  if (!is_new) return staged_[place->second];
  Staged& staged = staged_.emplace_back();
  staged.log = log;
  staged.evict_from = id;
  if (const auto known = logs_.find(log); known != logs_.end()) staged.segments = known->second;
  if (!staged.segments.segments().empty()) {
    staged.evict_from = staged.segments.segments().front().first_id;
  }
  return staged;
}

void LetterLedger::Add(LogId log, std::uint64_t id, const pipeline::DeadLetter& letter,
                       rocksdb::WriteBatch& batch) {
  Staged& staged = Stage(log, id);
  const std::string key = EncodeKey(EntryKey{log, id});
  const std::string value = EncodeDeadLetter(letter);
  const auto [kept, evicted] = staged.segments.Add(id, key.size() + value.size(), limits_);
  staged.evicted += evicted + (kept ? 0 : 1);
  if (kept) {
    batch.Put(store_->family(kind_.family), key, value);
    staged.adds = true;
  }
  if (evicted > 0) {
    const std::vector<LetterSegment>& left = staged.segments.segments();
    staged.evict_to = left.empty() ? id : left.front().first_id;
  }
}

std::uint64_t LetterLedger::Oldest(std::uint64_t now) const {
  const auto age = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(limits_.max_age).count());
  return age == 0 || age > now ? 0 : now - age;
}

bool LetterLedger::HasExpired(std::uint64_t now) const {
  const std::uint64_t oldest = Oldest(now);
  return oldest != 0 &&
         std::ranges::any_of(logs_, [&](const auto& log) { return log.second.HasBefore(oldest); });
}

void LetterLedger::Expire(std::uint64_t now) {
  const std::uint64_t oldest = Oldest(now);
  if (oldest == 0) return;
  for (const auto& [log, segments] : logs_) {
    if (!segments.HasBefore(oldest)) continue;
    Staged& staged = Stage(log, 0);
    staged.evicted += staged.segments.DropBefore(oldest);
    const LetterRecord& left = staged.segments.record();
    staged.evict_to = left.segments.empty() ? left.last_id + 1 : left.segments.front().first_id;
  }
}

void LetterLedger::Seal(rocksdb::WriteBatch& batch) const {
  for (const Staged& staged : staged_) {
    if (staged.evict_to != 0) {
      batch.DeleteRange(store_->family(kind_.family),
                        EncodeKey(EntryKey{staged.log, staged.evict_from}),
                        EncodeKey(EntryKey{staged.log, staged.evict_to}));
    }
    if (staged.evicted == 0 && !staged.adds) continue;
    batch.Put(store_->family(Family::kMeta), EncodeMetaKey(kind_.prefix, staged.log),
              EncodeLetters(staged.segments.record()));
  }
}

std::vector<LetterLedger::Evicted> LetterLedger::evicted() const {
  std::vector<Evicted> evicted;
  for (const Staged& staged : staged_) {
    if (staged.evicted > 0) evicted.push_back({staged.log, staged.evicted});
  }
  return evicted;
}

void LetterLedger::OnSuccess() {
  for (Staged& staged : staged_) {
    LetterSegments& kept = logs_[staged.log];
    bytes_ = bytes_ - kept.bytes() + staged.segments.bytes();
    kept = std::move(staged.segments);
  }
  Begin();
}

}  // namespace gateway::queue

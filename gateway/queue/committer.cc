// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/committer.h"

#include <rocksdb/perf_level.h>

#include <bit>
#include <utility>

#include "common/log.h"
#include "gateway/queue/rocks_status.h"

namespace gateway::queue {
Committer::Committer(Parts parts, CommitBuilder builder, std::uint64_t min_free_bytes,
                     common::Duration probe_interval)
    : parts_(parts),
      builder_(std::move(builder)),
      min_free_bytes_(min_free_bytes),
      probe_interval_(probe_interval) {
  ShowKept();
}

void Committer::ShowKept() {
  parts_.metrics.rejected_bytes.Set(static_cast<double>(builder_.rejected_bytes()));
  parts_.metrics.dead_bytes.Set(static_cast<double>(builder_.dead_bytes()));
  parts_.metrics.remembered_ids.Set(static_cast<double>(builder_.remembered_ids()));
}

void Committer::SetListener(pipeline::EventQueue::CommitListener listener) {
  auto shared = std::make_shared<const pipeline::EventQueue::CommitListener>(std::move(listener));
  const std::scoped_lock lock(listener_mutex_);
  listener_ = std::move(shared);
}

void Committer::Run() {
  // RocksDB counts each comparison of keys in a variable of the thread; nobody asks for it.
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  // Also when healthy: an error in the background must not wait for the next request.
  while (RunOnce(std::chrono::steady_clock::now() + probe_interval_)) {
  }
}

bool Committer::RunOnce(std::chrono::steady_clock::time_point deadline) {
  const Intake::Taken taken = parts_.intake.Take(work_, deadline);
  if (taken == Intake::Taken::kClosed) return false;
  parts_.metrics.pending_requests.Set(static_cast<double>(parts_.intake.pending_requests()));
  if (!parts_.health.ok()) TryToRecover();
  if (builder_.ForgetExpiredIds()) ShowKept();
  if (builder_.LettersExpired() || taken == Intake::Taken::kWork) CommitWork();
  work_.clear();
  return true;
}

void Committer::CommitWork() {
  if (!parts_.health.ok()) {
    Answer(work_, common::Fail(common::ErrorCode::kIo, parts_.health.Get().reason));
    return;
  }
  RefuseAppendsOnAFullDisk();
  const common::SteadyTime start = parts_.clock.Steady();
  commit_.clear();
  builder_.Build(work_, commit_);
  if (!Write()) {
    Answer(work_, common::Fail(common::ErrorCode::kIo, parts_.health.Get().reason));
    return;
  }
  Publish();
  if (!work_.appends.empty()) {
    parts_.intake.Answering(work_.appends.size(), parts_.clock.Steady() - start);
  }
  Answer(work_, common::Ok());
  parts_.metrics.commit_seconds.Observe(SecondsSince(start));
}

void Committer::RefuseAppendsOnAFullDisk() {
  if (min_free_bytes_ == 0 || work_.appends.empty()) return;
  const std::optional<std::uint64_t> free = parts_.store.FreeBytes();
  const bool full = free && *free < min_free_bytes_;
  if (full != disk_full_) {
    disk_full_ = full;
    if (full) {
      common::log::Error("queue_disk_full", "what is left of the disk is for delivery",
                         {{"free_bytes", *free}, {"least_bytes", min_free_bytes_}});
    } else {
      common::log::Info("queue_disk_has_room", "events are stored again");
    }
  }
  if (!full) return;
  const common::Status refused =
      common::Fail(common::ErrorCode::kIo, "the disk is full (storage.hard_min_free_disk)");
  for (PendingAppend& append : work_.appends) append.done(refused);
  work_.appends.clear();
}

double Committer::SecondsSince(common::SteadyTime start) const {
  return std::chrono::duration<double>(parts_.clock.Steady() - start).count();
}

bool Committer::Write() {
  if (commit_.batch.Count() == 0) return true;  // Everything in it was refused.
  const common::SteadyTime start = parts_.clock.Steady();
  const rocksdb::Status status = parts_.store.Write(commit_.batch, commit_.sync);
  if (commit_.sync) parts_.metrics.fsync_seconds.Observe(SecondsSince(start));
  if (status.ok()) {
    builder_.OnSuccess();
    parts_.metrics.commits.Increment();
    return true;
  }
  const common::Error error = ToError(status, "write to the store");
  const bool fatal = status.severity() >= rocksdb::Status::Severity::kFatalError;
  parts_.health.ReportFailure(error.message, fatal);
  parts_.metrics.commit_errors.Increment();
  parts_.metrics.healthy.Set(0);
  next_probe_ = parts_.clock.Steady() + probe_interval_;
  common::log::Error("queue_commit_failed", "a commit failed and nothing in it was accepted",
                     {{"error", error.message}, {"events", commit_.events}});
  return false;
}

void Committer::Publish() {
  for (const LogTable::Change& change : commit_.changes) {
    if (change.cursor_changed) {
      parts_.hot_tail.DropSettled(change.log->id, change.position.cursor.next());
    }
  }
  GiveUpSettled();
  for (auto& [log, chunk] : commit_.chunks) parts_.hot_tail.Insert(log, std::move(chunk));
  parts_.table.Publish(commit_.changes);
  parts_.metrics.hot_tail_bytes.Set(static_cast<double>(parts_.hot_tail.bytes()));
  ShowKept();
  if (commit_.duplicates > 0) {
    parts_.metrics.duplicates.Increment(static_cast<double>(commit_.duplicates));
  }
  ReportEvicted();
  if (commit_.quarantined_chunks > 0) {
    parts_.metrics.quarantined_chunks.Increment(static_cast<double>(commit_.quarantined_chunks));
    parts_.metrics.quarantined_events.Increment(static_cast<double>(commit_.quarantined_events));
  }
  if (commit_.committed.empty()) return;
  parts_.metrics.commit_events.Observe(static_cast<double>(commit_.events));
  std::shared_ptr<const pipeline::EventQueue::CommitListener> listener;
  {
    const std::scoped_lock lock(listener_mutex_);
    listener = listener_;
  }
  if (listener != nullptr && *listener) (*listener)(commit_.committed);
}

void Committer::GiveUpSettled() {
  for (const LogTable::Change& change : commit_.changes) {
    if (change.cursor_changed) unsynced_[change.log->id] = change.position.cursor.chunk;
  }
  if (!commit_.sync) return;
  for (const auto& [log, chunk] : unsynced_) parts_.store.settled_cutoffs().Set(log, chunk);
  unsynced_.clear();
}

void Committer::ReportEvicted() {
  for (const LetterLedger::Evicted& of_log : commit_.rejected_evicted) {
    parts_.metrics.rejected_evicted.Increment(static_cast<double>(of_log.count));
  }
  for (const LetterLedger::Evicted& of_log : commit_.dead_evicted) {
    parts_.metrics.dead_evicted.Increment(static_cast<double>(of_log.count));
    const LogTable::Log* log = parts_.table.Find(of_log.log);
    common::log::Warning("dead_letters_dropped",
                         "a tenant's oldest dead letters are beyond what is kept",
                         {{"tenant", log == nullptr ? "" : log->tenant}, {"count", of_log.count}});
  }
}

void Committer::Answer(Work& work, const common::Status& status) {
  const auto result = [&](const std::optional<common::Error>& refused) -> common::Status {
    if (refused) return tl::unexpected(*refused);
    return status;
  };
  for (PendingAppend& append : work.appends) append.done(result(append.refused));
  for (PendingSettle& settle : work.settlements) settle.done(result(settle.refused));
  for (PendingQuarantine& quarantine : work.quarantines) quarantine.done(status);
}

void Committer::TryToRecover() {
  parts_.metrics.healthy.Set(0);
  const common::SteadyTime now = parts_.clock.Steady();
  if (now < next_probe_ || parts_.health.Get().needs_restart) return;
  next_probe_ = now + probe_interval_;
  rocksdb::Status status = parts_.store.Resume();
  if (status.ok()) status = parts_.store.WriteVersion();
  if (!status.ok()) {
    const bool fatal = status.severity() >= rocksdb::Status::Severity::kFatalError;
    parts_.health.ReportFailure(status.ToString(), fatal);
    // A full disk may stay so for hours: the 1st, 2nd, 4th, … try speaks for the others.
    if (std::has_single_bit(++failed_probes_)) {
      common::log::Warning(
          "queue_still_failing", "the store still refuses writes",
          {{"error", status.ToString()}, {"tries", failed_probes_}, {"needs_restart", fatal}});
    }
    return;
  }
  failed_probes_ = 0;
  parts_.health.ReportRecovery();
  parts_.metrics.healthy.Set(1);
  common::log::Info("queue_recovered", "the store takes writes again");
}

}  // namespace gateway::queue

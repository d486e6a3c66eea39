// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "gateway/pipeline/dead_letter.h"
#include "gateway/pipeline/event.h"

namespace gateway::pipeline {

/// How far a destination has settled a log. `chunk` is the first Seq of the chunk that
/// holds the next event to deliver, `index` that event's place in it; when everything is
/// settled, `chunk` is the Seq the next event will get and `index` is 0.
struct Cursor {
  Seq chunk = 0;
  std::uint32_t index = 0;

  Seq next() const { return chunk + index; }
  friend bool operator==(const Cursor&, const Cursor&) = default;
};

/// Why a tenant's events are kept back until somebody mends something.
enum class HoldReason : std::uint8_t {
  kNone = 0,
  kWriteKeyRefused = 1,  ///< 401, 403, or a 400 that names the write key.
  kEndpointWrong = 2,    ///< 404, 3xx, 501, 505: the URL is not Segment's API.
  kEventsRefused = 3,    ///< Many events in a row were refused one by one: it is not the events.
};

/// A destination's retry state; stored beside its cursor so that a restart neither
/// forgets a Retry-After nor starts a stampede.
struct RetryState {
  std::uint32_t attempts = 0;      ///< Failed attempts for the event at the cursor.
  common::WallTime first_attempt;  ///< Epoch when attempts is 0.
  common::WallTime not_before;     ///< Epoch when it may go at once.
  HoldReason hold = HoldReason::kNone;
  std::uint32_t refused_in_a_row = 0;  ///< Events buried one by one since Segment took one.

  friend bool operator==(const RetryState&, const RetryState&) = default;
};

/// What the store knows of one log.
struct LogState {
  LogId log = 0;
  std::string tenant;
  Cursor cursor;
  Seq tail = 0;                     ///< Seq the next accepted event will get.
  std::uint64_t dead = 0;           ///< Events of this log that went to the dead letters, ever.
  std::uint64_t pending_bytes = 0;  ///< Estimate of event bytes between cursor and tail.
  /// The events between cursor and tail were accepted then or later; nothing when there are none,
  /// or it is not known.
  std::optional<common::WallTime> oldest{};
  RetryState retry;

  std::uint64_t accepted() const { return tail; }
  std::uint64_t pending() const { return tail - cursor.next(); }
  std::uint64_t delivered() const { return cursor.next() - dead; }
};

/// Events to make durable for one tenant, and the events of the same request that
/// validation refused (kept as dead letters in the same commit).
struct AppendRequest {
  LogId log = 0;
  common::WallTime received_at;
  EventBlock events;
  std::vector<DeadLetter> rejected;
  /// When on, `events.ids` has an id for each event, and an event whose id the log remembers
  /// is not stored: it counts as appended, and it has no Seq.
  Dedupe dedupe{};
};

struct ReadRequest {
  LogId log = 0;
  Cursor from;
  std::uint32_t max_events = 0;
  std::uint64_t max_bytes = 0;  ///< Of event texts and commas; the first event always fits.
  /// An event of more bytes than this is a batch of its own.
  std::uint64_t max_bytes_in_company = std::numeric_limits<std::uint64_t>::max();
};

/// A run of consecutive events. `slices` is empty when nothing lies at the cursor yet.
struct ReadBatch {
  std::vector<ChunkSlice> slices;
  std::uint32_t events = 0;
  std::uint64_t bytes = 0;
  /// Chunks that could not be decoded and were moved to quarantine on the way; the batch
  /// starts behind them. Each is [first, end) of the Seqs that were lost to damage.
  std::vector<std::pair<Seq, Seq>> damaged;
};

/// Moves a cursor; everything between the old and the new one is either delivered or in
/// `dead`. Committed as one unit.
struct Settlement {
  LogId log = 0;
  Cursor cursor;                     ///< Not before the current one.
  std::vector<Seq> finished_chunks;  ///< First Seqs of chunks now wholly settled.
  std::vector<DeadLetter> dead;
  RetryState retry;
  /// When the last event before the cursor was accepted; what is behind it is not older. Epoch
  /// where that is not known.
  common::WallTime settled_up_to{};
};

/// What one commit added to one log.
struct Committed {
  LogId log = 0;
  std::uint32_t events = 0;
  std::uint64_t bytes = 0;
  Seq tail = 0;  ///< After this commit.
  common::WallTime accepted_at;
};

/// The seam of durability: one ordered log a tenant, and one cursor in it. Today RocksDB
/// below, tomorrow perhaps a replicated log; nothing of either shows here.
/// All methods are thread-safe. Callbacks run on a thread of the queue's choosing or
/// inline, must not block, and post to their own executor when they have work to do.
class EventQueue {
 public:
  using AppendDone = std::function<void(common::Status)>;
  using ReadDone = std::function<void(common::Result<ReadBatch>)>;
  using SettleDone = std::function<void(common::Status)>;
  /// Called once a commit, after its fsync and before the AppendDone callbacks.
  using CommitListener = std::function<void(const std::vector<Committed>&)>;

  virtual ~EventQueue() = default;

  /// The tenant's log, made durable first when there was none. Blocks on the disk: for
  /// start-up and tenant changes, never for an io thread.
  virtual common::Result<LogState> OpenLog(std::string_view tenant_id) = 0;

  /// `done` gets success only after everything in `request` is fsynced; kUnavailable when
  /// the queue is full or closing; kIo when the disk refused (nothing of it is kept then).
  virtual void Append(AppendRequest request, AppendDone done) = 0;

  /// Up to the given number of events and bytes from `from` on. Served from memory when
  /// the events are recent, else read from disk on the queue's reader thread.
  virtual void Read(ReadRequest request, ReadDone done) = 0;

  /// Joins the next commit; needs no fsync of its own, since a crash only re-sends events
  /// with the same messageIds. On an error the caller keeps the settlement and tries again.
  virtual void Settle(Settlement settlement, SettleDone done) = 0;

  virtual void SetCommitListener(CommitListener listener) = 0;

  /// Estimate of the event bytes that wait in a log; 0 for an unknown one. Cheap: asked for
  /// each request.
  virtual std::uint64_t PendingBytes(LogId log) const = 0;
};

}  // namespace gateway::pipeline

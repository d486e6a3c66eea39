// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/registry.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "gateway/pipeline/event_queue.h"
#include "gateway/queue/backup.h"
#include "gateway/queue/options.h"
#include "gateway/queue/queue_health.h"

namespace gateway::queue {

class RocksStore;

/// Where the queue's bytes are; for the metrics and the status page.
struct QueueSizes {
  std::uint64_t hot_tail_bytes = 0;
  std::uint64_t memtable_bytes = 0;
  std::uint64_t table_bytes = 0;       ///< SST files on disk, without the write-ahead log.
  std::uint64_t log_file_bytes = 0;    ///< The write-ahead log.
  std::uint64_t pending_requests = 0;  ///< Appends that wait for the committer.
};

/// The durable queue on RocksDB: one committer thread with group commit, chunk records,
/// cursors, dead letters and a bounded memory of recent events. docs/storage-format.md
/// describes its bytes.
///
/// It makes no thread of its own. Life: Open; OpenLog for each tenant; RunCommitter and
/// RunReader on a thread each; Stop; join the two; destroy. Append, Read and Settle are
/// answered only while the two loops run. All methods are thread-safe; callbacks run on
/// the committer's or the reader's thread, or inside the call when the answer is known.
///
/// After a write that failed, appends and settlements are answered kIo until the store has
/// recovered by itself (a full disk that got space again) or, where health() says so, has
/// been opened again. An append that was answered kIo may still be delivered, if the
/// process dies before it recovers: it is unknown what reached the disk. It is never lost
/// half, never reordered, and its Seqs never stand for other events.
class RocksQueue final : public pipeline::EventQueue {
 public:
  /// Fails with one clear sentence when the options are wrong, the directory cannot be
  /// used, another process has it open, or it has an unknown format. `clock` and
  /// `registry` outlive the queue.
  static common::Result<std::unique_ptr<RocksQueue>> Open(const Options& options,
                                                          const common::Clock& clock,
                                                          prometheus::Registry& registry);
  /// Both loops have returned. What was never taken is answered kUnavailable.
  ~RocksQueue() override;
  RocksQueue(const RocksQueue&) = delete;
  RocksQueue& operator=(const RocksQueue&) = delete;

  /// Loops until Stop; each for one thread of its own. The committer blocks on the disk's
  /// writes, the reader on its reads.
  void RunCommitter();
  void RunReader();
  /// One turn of each loop on the caller's thread, without waiting: in place of the loops,
  /// for a test that owns the time.
  void CommitOnce();
  void ReadOnce();
  /// Refuses everything new (kUnavailable); what waits is committed and answered, reads
  /// that wait are refused; then both loops return. Does not wait for that.
  void Stop();

  common::Result<pipeline::LogState> OpenLog(std::string_view tenant_id) override;
  void Append(pipeline::AppendRequest request, AppendDone done) override;
  void Read(pipeline::ReadRequest request, ReadDone done) override;
  void Settle(pipeline::Settlement settlement, SettleDone done) override;
  void SetCommitListener(CommitListener listener) override;
  std::uint64_t PendingBytes(pipeline::LogId log) const override;

  /// OpenLog for many tenants with one write: a disk syncs a thousand times no faster for each
  /// of them being small. All of them or none.
  common::Status OpenLogs(std::span<const std::string_view> tenant_ids);

  /// Every log ever opened, in the order of LogId; also those of tenants that are gone.
  std::vector<pipeline::LogState> Logs() const;
  common::Result<pipeline::LogState> State(pipeline::LogId log) const;

  /// A dead letter's id: its time in microseconds since 1970, unique in the store.
  using DeadLetterId = std::uint64_t;
  /// Up to `limit` dead letters of both stages of `log` with ids above `after` (0: from the
  /// first), oldest first. Refused events (kIngest) may have been dropped to make room for
  /// later ones. Blocks on the disk.
  common::Result<std::vector<std::pair<DeadLetterId, pipeline::DeadLetter>>> ReadDeadLetters(
      pipeline::LogId log, DeadLetterId after, std::size_t limit) const;

  /// Gives the disk space of settled events back at once. RocksDB does so by itself while
  /// it writes; a gateway that refuses events for want of space writes nothing, and would
  /// wait for ever. Does nothing while events wait for delivery, whose rewriting would need
  /// the space that is missing. Blocks on the disk.
  common::Status ReclaimSpace();

  /// Copies the store, as it is at some moment during the call, into a directory of backups:
  /// everything acknowledged before the call is in it. Commits go on meanwhile; no file that
  /// the store has done with is deleted until the end. Blocks for long: to be called on a
  /// thread of its own. `stop` ends it soon (kCancelled). Fails with kInvalidArgument (the
  /// place), kUnavailable (the store takes no writes, or another backup goes into the
  /// directory), kIo or kDataLoss; then earlier backups are as they were, and nothing of the
  /// new one stays. The queue's health is never touched. Only after the new backup has been
  /// checked are older ones removed.
  common::Result<BackupReport> Backup(const BackupOptions& options, const BackupProgress& progress,
                                      const std::stop_token& stop) const;

  /// While it lives, no file that the store has done with is deleted: another process can read the
  /// store as it was at some moment. Any number at a time, none of them longer than the queue.
  class FilesHold {
   public:
    explicit FilesHold(RocksStore& store);
    /// Deletes what has waited for it. Blocks on the disk.
    ~FilesHold();
    FilesHold(const FilesHold&) = delete;
    FilesHold& operator=(const FilesHold&) = delete;

   private:
    RocksStore& store_;
  };
  std::unique_ptr<FilesHold> HoldFiles() const;

  /// Whether every append would be refused now, for there wait too many. Cheap.
  bool Full() const;
  /// Free space of the disk; nothing when it cannot be told.
  std::optional<std::uint64_t> FreeBytes() const;
  /// After health() asked for it: whether the directory can be written, so that opening it again
  /// has a chance. Blocks on the disk.
  bool CanOpenAgain() const;
  QueueHealth health() const;
  QueueSizes sizes() const;
  /// Writes down beside the store where the logs end, so that a lost end of the log file is
  /// missed; the destructor does too. To be called now and then. Blocks on the disk.
  void SaveTails();
  /// Sets the metrics that nobody keeps up to date between scrapes. Blocks shortly on the disk.
  void UpdateMetrics();

 private:
  class Impl;
  explicit RocksQueue(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::queue

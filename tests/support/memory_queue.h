// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"
#include "gateway/pipeline/event_queue.h"

namespace tests {

/// An EventQueue in memory with the contract of the real one. Deterministic: every append
/// is a commit and a chunk of its own, and each callback runs inside the call that caused
/// it. Thread-safe; no lock is held while a callback runs.
///
/// Log numbers are 1, 2, … in the order of OpenLog.
class MemoryQueue final : public gateway::pipeline::EventQueue {
 public:
  using Seq = gateway::pipeline::Seq;
  using LogId = gateway::pipeline::LogId;

  /// `max_rejected_bytes`: refused events that each log keeps, in bytes of their texts.
  explicit MemoryQueue(std::uint64_t max_rejected_bytes = 1 << 20)
      : max_rejected_bytes_(max_rejected_bytes) {}

  common::Result<gateway::pipeline::LogState> OpenLog(std::string_view tenant_id) override;
  void Append(gateway::pipeline::AppendRequest request, AppendDone done) override;
  void Read(gateway::pipeline::ReadRequest request, ReadDone done) override;
  void Settle(gateway::pipeline::Settlement settlement, SettleDone done) override;
  void SetCommitListener(CommitListener listener) override;
  std::uint64_t PendingBytes(LogId log) const override;

  /// While an error is set, every call of that kind is answered with it and changes nothing.
  void FailAppends(std::optional<common::Error> error);
  void FailReads(std::optional<common::Error> error);
  void FailSettles(std::optional<common::Error> error);

  /// Until FreeSettles, settlements are neither done nor answered, as by a committer that stands.
  void HoldSettles();
  void FreeSettles();
  /// Dead letters in the settlements that are held.
  std::size_t HeldLetters() const;

  /// Every read that was asked for.
  std::vector<gateway::pipeline::ReadRequest> Reads() const;

  /// Makes the chunk that starts at `first` unreadable, as a flipped bit on disk would.
  void Damage(LogId log, Seq first);

  /// Appends `texts` as one request, received at `received_at`.
  common::Status AppendTexts(LogId log, const std::vector<std::string>& texts,
                             common::WallTime received_at = {});

  /// The state of a log that exists.
  gateway::pipeline::LogState State(LogId log) const;
  /// Texts of the events between cursor and tail, in order.
  std::vector<std::string> PendingEvents(LogId log) const;
  /// Every dead letter that the log keeps, in the order they were written.
  std::vector<gateway::pipeline::DeadLetter> DeadLetters(LogId log) const;
  /// Chunks that are still stored; settled ones must go.
  std::size_t StoredChunks(LogId log) const;

 private:
  struct StoredChunk {
    std::shared_ptr<const gateway::pipeline::Chunk> chunk;
    bool damaged = false;
  };
  struct StoredLetter {
    gateway::pipeline::DeadLetter letter;
    std::uint64_t rejected_bytes = 0;  ///< 0: a letter of delivery, which is never dropped.
  };
  /// The ids that a log remembers, oldest first.
  struct Memory {
    std::deque<std::pair<common::WallTime, gateway::pipeline::EventId>> order;
    std::set<std::pair<std::uint64_t, std::uint64_t>> ids;
    common::WallTime newest;
  };
  struct Log {
    gateway::pipeline::LogState state;
    std::map<Seq, StoredChunk> chunks;
    Memory memory;
    std::vector<StoredLetter> dead_letters;
    std::uint64_t rejected_bytes = 0;          ///< Of all of them.
    std::vector<std::pair<Seq, Seq>> damaged;  ///< Found by a read; dead once passed.
  };

  common::Result<gateway::pipeline::ReadBatch> ReadLocked(
      const gateway::pipeline::ReadRequest& request);
  /// The events of the request whose ids `memory` does not hold; they are held from then on.
  static gateway::pipeline::EventBlock DropRepeated(const gateway::pipeline::AppendRequest& request,
                                                    Memory& memory);
  void KeepRejected(Log& log, gateway::pipeline::DeadLetter letter) const;
  common::Status SettleLocked(gateway::pipeline::Settlement settlement);

  const std::uint64_t max_rejected_bytes_;
  mutable std::mutex mutex_;
  std::map<LogId, Log> logs_;
  CommitListener listener_;
  std::optional<common::Error> append_error_;
  std::optional<common::Error> read_error_;
  std::optional<common::Error> settle_error_;
  bool hold_settles_ = false;
  std::vector<std::pair<gateway::pipeline::Settlement, SettleDone>> held_;
  std::vector<gateway::pipeline::ReadRequest> reads_;
};

}  // namespace tests

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/result.h"
#include "gateway/pipeline/event_queue.h"

namespace gateway::queue {

/// A record that could not be decoded, on its way to quarantine.
struct DamagedRecord {
  pipeline::LogId log = 0;
  pipeline::Seq first = 0;  ///< As in its key.
  pipeline::Seq end = 0;    ///< First Seq behind it.
  std::string raw;          ///< The bytes that were stored; empty when there were none.
};

// What waits for the committer. `refused` is set when the item cannot be part of a commit;
// it is then answered alone.

struct PendingAppend {
  pipeline::AppendRequest request;
  pipeline::EventQueue::AppendDone done;
  std::uint64_t bytes = 0;
  std::optional<common::Error> refused;
};

struct PendingSettle {
  pipeline::Settlement settlement;
  pipeline::EventQueue::SettleDone done;
  std::optional<common::Error> refused;
};

struct PendingQuarantine {
  std::vector<DamagedRecord> records;
  std::function<void(common::Status)> done;
};

/// Everything that one commit takes.
struct Work {
  std::vector<PendingAppend> appends;
  std::vector<PendingSettle> settlements;
  std::vector<PendingQuarantine> quarantines;

  bool empty() const { return appends.empty() && settlements.empty() && quarantines.empty(); }
  void clear() {
    appends.clear();
    settlements.clear();
    quarantines.clear();
  }
};

}  // namespace gateway::queue

// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/health_listener.h"

#include <string>
#include <string_view>

#include "common/log.h"
#include "gateway/queue/rocks_options.h"
#include "gateway/queue/store_files.h"

namespace gateway::queue {
namespace {

std::string_view StallName(rocksdb::WriteStallCondition condition) {
  switch (condition) {
    case rocksdb::WriteStallCondition::kNormal:
      return "normal";
    case rocksdb::WriteStallCondition::kDelayed:
      return "delayed";
    case rocksdb::WriteStallCondition::kStopped:
      return "stopped";
  }
  return "unknown";
}

}  // namespace

void HealthListener::OnBackgroundError(rocksdb::BackgroundErrorReason reason,
                                       rocksdb::Status* error) {
  // A soft error (a compaction without space) leaves writes possible.
  if (error->severity() < rocksdb::Status::Severity::kHardError) {
    common::log::Warning("queue_background_error", "the store reported an error it can bear",
                         {{"error", error->ToString()}});
    return;
  }
  const bool fatal = error->severity() >= rocksdb::Status::Severity::kFatalError;
  const bool read_a_table = reason == rocksdb::BackgroundErrorReason::kCompaction;
  if (fatal && (error->IsCorruption() || (read_a_table && !error->IsNoSpace()))) {
    const rocksdb::Status marked = Mark(env_, path_, kCheckTables);
    if (!marked.ok()) {
      common::log::Error("queue_mark_failed", "the next opening will not look at the tables",
                         {{"error", marked.ToString()}});
    }
  }
  health_.ReportFailure("the store refuses writes: " + error->ToString(), fatal);
  common::log::Error("queue_background_error", "the store refuses writes",
                     {{"error", error->ToString()}, {"needs_restart", fatal}});
}

void HealthListener::OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason /*reason*/,
                                          rocksdb::Status error, bool* auto_recovery) {
  error.PermitUncheckedError();
  *auto_recovery = false;
}

void HealthListener::OnStallConditionsChanged(const rocksdb::WriteStallInfo& info) {
  common::log::Warning("queue_write_stall", "the store changed how fast it takes writes",
                       {{"family", info.cf_name},
                        {"from", StallName(info.condition.prev)},
                        {"to", StallName(info.condition.cur)}});
}

void HealthListener::OnFlushCompleted(rocksdb::DB* /*db*/, const rocksdb::FlushJobInfo& info) {
  if (info.cf_name != FamilyName(Family::kQueue)) return;
  queue_flushes_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace gateway::queue

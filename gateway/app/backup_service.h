// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/registry.h>

#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/thread.h"
#include "gateway/app/control_socket.h"
#include "gateway/queue/rocks_queue.h"

namespace gateway::app {

// The lines of the control socket. A request is {"command":"backup", …}, an answer any number
// of {"progress":{step,done,total}} and then {"result":{…}} or {"error":{message,usage}}.
std::string BackupRequest(const queue::BackupOptions& options);
std::string_view StepName(queue::BackupStep step);
nlohmann::ordered_json ToJson(const queue::BackupReport& report, common::Duration took);

/// Makes backups of a running queue, one at a time, on a thread of its own ("backup"), for
/// whoever asks on the control socket; counts them. Thread-safe. Destroyed before the queue.
class BackupService {
 public:
  BackupService(const queue::RocksQueue& queue, prometheus::Registry& registry);
  /// Stops what runs, and waits for it.
  ~BackupService();
  BackupService(const BackupService&) = delete;
  BackupService& operator=(const BackupService&) = delete;

  /// Answers the call now or when the backup is made. One whose client goes away is stopped.
  void Handle(const std::string& request, std::shared_ptr<ControlCall> call);
  /// Ends a running backup soon and takes no more. Does not wait.
  void Stop();

 private:
  void Run(const queue::BackupOptions& options, const std::shared_ptr<ControlCall>& call,
           std::stop_source stop);
  void Finished(const queue::BackupOptions& options,
                const common::Result<queue::BackupReport>& report, common::Duration took);

  const queue::RocksQueue& queue_;
  prometheus::Gauge& last_success_;
  prometheus::Gauge& last_bytes_;
  prometheus::Counter& failures_;
  std::mutex mutex_;
  bool stopping_ = false;
  bool running_ = false;
  std::stop_source stop_;
  std::optional<common::Thread> thread_;  ///< Of the running backup, or of the last one.
};

}  // namespace gateway::app

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/thread.h"
#include "gateway/queue/rocks_queue.h"

namespace tests {

/// Sizes that fit a test: small, so that limits are reached, and quick to probe.
inline gateway::queue::Options SmallQueueOptions(const std::string& path) {
  gateway::queue::Options options;
  options.path = path;
  options.hot_tail_bytes = 1 << 20;
  options.max_pending_bytes = 8 << 20;
  options.max_pending_requests = 10000;
  options.max_commit_bytes = 1 << 20;
  options.max_chunk_bytes = 256 << 10;
  options.max_rejected_bytes = 64 << 10;
  options.max_dead_bytes = 64 << 10;
  options.health_probe_interval = std::chrono::milliseconds(10);
  options.write_buffer_bytes = 1 << 20;
  options.write_buffer_count = 4;
  options.max_wal_bytes = 16 << 20;
  options.block_cache_bytes = 1 << 20;
  return options;
}

/// A RocksQueue with its two threads, and calls that wait for their answer. Stops, joins
/// and closes when destroyed.
class RunningQueue {
 public:
  /// With `start` false the threads wait for Start, so that requests pile up first.
  explicit RunningQueue(std::unique_ptr<gateway::queue::RocksQueue> queue, bool start = true)
      : queue_(std::move(queue)) {
    if (start) Start();
  }
  ~RunningQueue() { queue_->Stop(); }
  RunningQueue(const RunningQueue&) = delete;
  RunningQueue& operator=(const RunningQueue&) = delete;

  void Start() {
    committer_.emplace("committer", [this] { queue_->RunCommitter(); });
    reader_.emplace("reader", [this] { queue_->RunReader(); });
  }

  gateway::queue::RocksQueue* operator->() { return queue_.get(); }
  gateway::queue::RocksQueue& operator*() { return *queue_; }

  std::future<common::Status> AppendAsync(gateway::pipeline::AppendRequest request) {
    auto answer = std::make_shared<std::promise<common::Status>>();
    queue_->Append(std::move(request),
                   [answer](common::Status status) { answer->set_value(std::move(status)); });
    return answer->get_future();
  }
  common::Status Append(gateway::pipeline::AppendRequest request) {
    return AppendAsync(std::move(request)).get();
  }
  common::Status AppendTexts(gateway::pipeline::LogId log, const std::vector<std::string>& texts,
                             common::WallTime received_at = {}) {
    gateway::pipeline::AppendRequest request;
    request.log = log;
    request.received_at = received_at;
    for (const std::string& text : texts) request.events.Append(text);
    return Append(std::move(request));
  }
  common::Result<gateway::pipeline::ReadBatch> Read(gateway::pipeline::ReadRequest request) {
    std::promise<common::Result<gateway::pipeline::ReadBatch>> answer;
    queue_->Read(request, [&](common::Result<gateway::pipeline::ReadBatch> batch) {
      answer.set_value(std::move(batch));
    });
    return answer.get_future().get();
  }
  common::Status Settle(gateway::pipeline::Settlement settlement) {
    std::promise<common::Status> answer;
    queue_->Settle(std::move(settlement),
                   [&](common::Status status) { answer.set_value(std::move(status)); });
    return answer.get_future().get();
  }

 private:
  std::unique_ptr<gateway::queue::RocksQueue> queue_;
  // Joined before the queue goes.
  std::optional<common::Thread> committer_;
  std::optional<common::Thread> reader_;
};

}  // namespace tests

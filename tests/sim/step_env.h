// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rocksdb/env.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

namespace tests {

/// RocksDB's environment for one thread: what RocksDB wants done in the background waits
/// until RunJobs, and is done there, in order. So a run depends on its seed alone. Only when
/// that thread waits for a job inside RocksDB (to resume, say) another thread lends a hand.
class StepEnv final : public rocksdb::EnvWrapper {
 public:
  explicit StepEnv(const std::shared_ptr<rocksdb::FileSystem>& disk);
  ~StepEnv() override;

  /// Until nothing is left to do, or `most` jobs are done: one that fails comes again at once.
  /// Returns how many.
  std::size_t RunJobs(std::size_t most);

  void Schedule(void (*function)(void*), void* argument, Priority priority, void* tag,
                void (*unscheduled)(void*)) override;
  int UnSchedule(void* tag, Priority priority) override;
  unsigned int GetThreadPoolQueueLen(Priority priority) const override;
  void SetBackgroundThreads(int /*number*/, Priority /*priority*/) override {}
  int GetBackgroundThreads(Priority /*priority*/) override { return 1; }
  void IncBackgroundThreadsIfNeeded(int /*number*/, Priority /*priority*/) override {}

 private:
  struct Job {
    void (*function)(void*);
    void* argument;
    Priority priority;
    void* tag;
    void (*unscheduled)(void*);
  };

  bool RunOne();
  void LendAHand();
  bool OwnerWaits() const;

  const int owner_;  ///< The kernel's number of the thread that made this.
  mutable std::mutex mutex_;
  std::deque<Job> jobs_;
  bool stop_ = false;
  std::condition_variable stopped_;
  std::thread helper_;
};

}  // namespace tests

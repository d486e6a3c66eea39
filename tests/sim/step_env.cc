// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/step_env.h"

#include <rocksdb/system_clock.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace tests {

namespace {

/// RocksDB sleeps for a second before it tries a job again that failed.
class SleeplessClock final : public rocksdb::SystemClockWrapper {
 public:
  using rocksdb::SystemClockWrapper::SystemClockWrapper;
  const char* Name() const override { return "SleeplessClock"; }
  void SleepForMicroseconds(int /*time*/) override {}
};

}  // namespace

StepEnv::StepEnv(const std::shared_ptr<rocksdb::FileSystem>& disk)
    : rocksdb::EnvWrapper(rocksdb::NewCompositeEnv(disk)), owner_(gettid()) {
  // RocksDB asks an Env for these; a wrapper's own would lose which errors may be retried.
  file_system_ = disk;
  system_clock_ = std::make_shared<SleeplessClock>(target()->GetSystemClock());
  helper_ = std::thread([this] { LendAHand(); });
}

StepEnv::~StepEnv() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  stopped_.notify_one();
  helper_.join();
}

void StepEnv::Schedule(void (*function)(void*), void* argument, Priority priority, void* tag,
                       void (*unscheduled)(void*)) {
  const std::scoped_lock lock(mutex_);
  jobs_.push_back({function, argument, priority, tag, unscheduled});
}

int StepEnv::UnSchedule(void* tag, Priority priority) {
  std::vector<Job> dropped;
  {
    const std::scoped_lock lock(mutex_);
    std::erase_if(jobs_, [&](const Job& job) {
      if (job.tag != tag || job.priority != priority) return false;
      dropped.push_back(job);
      return true;
    });
  }
  for (const Job& job : dropped) {
    if (job.unscheduled != nullptr) job.unscheduled(job.argument);
  }
  return static_cast<int>(dropped.size());
}

unsigned int StepEnv::GetThreadPoolQueueLen(Priority priority) const {
  const std::scoped_lock lock(mutex_);
  unsigned int count = 0;
  for (const Job& job : jobs_) count += job.priority == priority ? 1 : 0;
  return count;
}

bool StepEnv::RunOne() {
  Job job{};
  {
    const std::scoped_lock lock(mutex_);
    if (jobs_.empty()) return false;
    job = jobs_.front();
    jobs_.pop_front();
  }
  job.function(job.argument);
  return true;
}

std::size_t StepEnv::RunJobs(std::size_t most) {
  std::size_t done = 0;
  while (done < most && RunOne()) ++done;
  return done;
}

/// Asleep, and not merely put off by a busy machine.
bool StepEnv::OwnerWaits() const {
  std::ifstream file("/proc/self/task/" + std::to_string(owner_) + "/stat");
  std::string stat;
  std::getline(file, stat);
  const std::size_t name_end = stat.rfind(')');
  return name_end != std::string::npos && name_end + 2 < stat.size() && stat[name_end + 2] == 'S';
}

void StepEnv::LendAHand() {
  constexpr std::chrono::microseconds kLook{300};
  constexpr int kSure = 3;
  int asleep = 0;
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, kLook, [this] { return stop_; })) {
    const bool jobs = !jobs_.empty();
    lock.unlock();
    asleep = jobs && OwnerWaits() ? asleep + 1 : 0;
    if (asleep == kSure) {
      RunOne();
      asleep = 0;
    }
    lock.lock();
  }
}

}  // namespace tests

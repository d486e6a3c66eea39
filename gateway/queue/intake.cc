// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/intake.h"

#include <iterator>
#include <utility>

namespace gateway::queue {

using common::ErrorCode;
using common::Fail;
using common::Status;

namespace {

/// Appends of so many bytes are a commit that more company would not make cheaper.
constexpr std::uint64_t kEnoughBytes = std::uint64_t{256} << 10;
/// Behind the last wait of this process; time_point::max() overflows in some wait_until.
constexpr std::chrono::hours kForever{24};

Status Closed() { return Fail(ErrorCode::kUnavailable, "the queue is closing"); }

}  // namespace

Status Intake::Push(PendingAppend& append) {
  const std::scoped_lock lock(mutex_);
  if (closed_) return Closed();
  // An empty queue takes a request of any size: the limits of one request are not ours.
  const bool full = append_bytes_ + append.bytes > limits_.pending_bytes ||
                    appends_.size() >= limits_.pending_requests;
  if (full && !appends_.empty()) {
    return Fail(ErrorCode::kUnavailable,
                "the queue is full: the disk is slower than the events come in");
  }
  append_bytes_ += append.bytes;
  appends_.push_back(std::move(append));
  CountLocked();
  WakeLocked();
  return common::Ok();
}

Status Intake::Push(PendingSettle& settle) {
  const std::scoped_lock lock(mutex_);
  if (closed_) return Closed();
  settlements_.push_back(std::move(settle));
  WakeLocked();
  return common::Ok();
}

Status Intake::Push(PendingQuarantine& quarantine) {
  const std::scoped_lock lock(mutex_);
  if (closed_) return Closed();
  quarantines_.push_back(std::move(quarantine));
  WakeLocked();
  return common::Ok();
}

void Intake::CountLocked() {
  pending_.store(appends_.size(), std::memory_order_relaxed);
  full_.store(!appends_.empty() && (append_bytes_ >= limits_.pending_bytes ||
                                    appends_.size() >= limits_.pending_requests),
              std::memory_order_relaxed);
}

void Intake::WakeLocked() {
  if (waiting_ && (appends_.size() >= wake_at_ || append_bytes_ >= kEnoughBytes)) {
    changed_.notify_one();
  }
}

void Intake::LingerLocked(std::unique_lock<std::mutex>& lock) {
  const auto until = std::chrono::steady_clock::now() + limits_.linger;
  waiting_ = true;
  while (!closed_ && append_bytes_ < limits_.commit_bytes &&
         changed_.wait_until(lock, until) != std::cv_status::timeout) {
  }
  waiting_ = false;
}

void Intake::GatherLocked(std::unique_lock<std::mutex>& lock,
                          std::chrono::steady_clock::time_point answered) {
  if (appends_.empty() || append_bytes_ >= kEnoughBytes) return;
  const std::optional<Gathering::Wait> wait = gathering_.Begin(appends_.size());
  if (!wait) return;
  const auto until = answered + wait->at_most;
  waiting_ = true;
  wake_at_ = wait->appends;
  while (!closed_ && appends_.size() < wake_at_ && append_bytes_ < kEnoughBytes &&
         changed_.wait_until(lock, until) != std::cv_status::timeout) {
  }
  waiting_ = false;
  wake_at_ = 0;
  // A commit that became large before all were there is what was waited for, too.
  gathering_.Ended(append_bytes_ < kEnoughBytes ? appends_.size() : wait->appends);
}

void Intake::Answering(std::size_t appends, common::Duration took) {
  const std::scoped_lock lock(mutex_);
  gathering_.Answering(appends, appends_.size(), took);
}

void Intake::TakeLocked(Work& work) {
  std::uint64_t taken = 0;
  while (!appends_.empty() &&
         (taken == 0 || taken + appends_.front().bytes <= limits_.commit_bytes)) {
    taken += appends_.front().bytes;
    work.appends.push_back(std::move(appends_.front()));
    appends_.pop_front();
  }
  append_bytes_ -= taken;
  CountLocked();
  std::ranges::move(settlements_, std::back_inserter(work.settlements));
  settlements_.clear();
  std::ranges::move(quarantines_, std::back_inserter(work.quarantines));
  quarantines_.clear();
}

Intake::Taken Intake::Take(Work& work, std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  const auto answered = std::chrono::steady_clock::now();
  const auto until = std::min(deadline, answered + kForever);
  waiting_ = true;
  while (EmptyLocked() && !closed_ && changed_.wait_until(lock, until) != std::cv_status::timeout) {
  }
  waiting_ = false;
  if (EmptyLocked()) return closed_ ? Taken::kClosed : Taken::kNothing;
  if (limits_.linger > common::Duration::zero() && !appends_.empty()) LingerLocked(lock);
  GatherLocked(lock, answered);
  TakeLocked(work);
  return Taken::kWork;
}

void Intake::Close() {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

}  // namespace gateway::queue

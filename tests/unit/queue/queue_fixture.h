// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gateway/queue/rocks_store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/running_queue.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/queue/texts.h"

namespace gateway::queue {

/// A directory and what is needed to open a queue in it, as often as a test likes.
class QueueFixture : public testing::Test {
 protected:
  std::string path() const { return dir_ / "queue"; }

  std::unique_ptr<tests::RunningQueue> Open(const Options& options, bool start = true) {
    // Metrics of each opening on their own, as in a new process.
    registries_.push_back(std::make_unique<prometheus::Registry>());
    auto queue = RocksQueue::Open(options, clock_, *registries_.back());
    if (!queue) throw std::runtime_error(queue.error().message);
    return std::make_unique<tests::RunningQueue>(std::move(*queue), start);
  }
  std::unique_ptr<tests::RunningQueue> Open() { return Open(Defaults()); }
  Options Defaults() const { return tests::SmallQueueOptions(path()); }
  /// As Defaults, but every read goes to the disk.
  Options WithoutHotTail() const {
    Options options = Defaults();
    options.hot_tail_bytes = 0;
    return options;
  }

  static pipeline::ReadRequest From(const pipeline::LogState& state) {
    return {.log = state.log, .from = state.cursor, .max_events = 100000, .max_bytes = 1 << 30};
  }
  /// Every pending event of the log, in order, in as many reads as it takes.
  static std::vector<std::string> Pending(tests::RunningQueue& queue, pipeline::LogId log) {
    std::vector<std::string> texts;
    pipeline::ReadRequest request = From(*queue->State(log));
    while (true) {
      const auto batch = queue.Read(request);
      EXPECT_TRUE(batch) << batch.error().message;
      if (!batch || batch->slices.empty()) return texts;
      for (std::string& text : Texts(*batch)) texts.push_back(std::move(text));
      request.from = {.chunk = batch->slices.back().end(), .index = 0};
    }
  }

  /// Of the queue that was opened last.
  double Metric(const std::string& name) const {
    for (const prometheus::MetricFamily& family : registries_.back()->Collect()) {
      if (family.name != "segment_gateway_" + name) continue;
      const prometheus::ClientMetric& metric = family.metric.at(0);
      if (family.type == prometheus::MetricType::Counter) return metric.counter.value;
      if (family.type == prometheus::MetricType::Gauge) return metric.gauge.value;
      return static_cast<double>(metric.histogram.sample_count);
    }
    ADD_FAILURE() << "no metric " << name;
    return -1;
  }

  /// Changes a closed store by hand.
  void Tamper(const std::function<void(RocksStore&)>& change) const {
    StoreHealth health;
    auto store = RocksStore::Open(Defaults(), health);
    ASSERT_TRUE(store) << store.error().message;
    change(**store);
  }

  tests::TempDir dir_;
  tests::FakeClock clock_;
  std::vector<std::unique_ptr<prometheus::Registry>> registries_;  ///< Outlive every queue.
};

}  // namespace gateway::queue

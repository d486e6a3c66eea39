// SPDX-License-Identifier: Apache-2.0
//
// The cost of making events durable through RocksQueue, next to the floor: the same bytes
// appended to a plain file with one fdatasync a group. `cpu_us_event` is the CPU time of
// the whole process, the copies of the producer included.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <prometheus/registry.h>
#include <sys/resource.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gateway/queue/rocks_queue.h"
#include "tests/support/running_queue.h"
#include "tests/support/temp_dir.h"

namespace {

using gateway::pipeline::Committed;
using gateway::pipeline::EventBlock;
using gateway::pipeline::LogId;
using gateway::pipeline::Seq;

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::size_t kEventBytes = 763;

EventBlock Events(std::int64_t count) {
  EventBlock block;
  for (std::int64_t i = 0; i < count; ++i) block.Append(std::string(kEventBytes, 'x'));
  return block;
}

double CpuMicros() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto micros = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

void Report(benchmark::State& state, std::int64_t events_each, double cpu_before) {
  const std::int64_t events = state.iterations() * events_each;
  state.SetItemsProcessed(events);
  state.counters["cpu_us_event"] = (CpuMicros() - cpu_before) / static_cast<double>(events);
}

/// A queue with the sizes of a real one.
struct Store {
  Store() {
    gateway::queue::Options options = tests::SmallQueueOptions(dir / "queue");
    options.hot_tail_bytes = 64 * kMiB;
    options.max_pending_bytes = 256 * kMiB;
    options.max_commit_bytes = 4 * kMiB;
    options.max_chunk_bytes = 4 * kMiB;
    options.write_buffer_bytes = 64 * kMiB;
    options.max_wal_bytes = 512 * kMiB;
    options.block_cache_bytes = 16 * kMiB;
    auto opened = gateway::queue::RocksQueue::Open(options, clock, registry);
    if (!opened) throw std::runtime_error(opened.error().message);
    queue = std::make_unique<tests::RunningQueue>(std::move(*opened));
    log = (*queue)->OpenLog("bench")->log;
  }

  tests::TempDir dir;
  common::SystemClock clock;
  prometheus::Registry registry;
  std::unique_ptr<tests::RunningQueue> queue;
  LogId log = 0;
};

/// How many requests may be under way, and the commits that wait to be settled.
struct Flow {
  std::mutex mutex;
  std::condition_variable changed;
  std::int64_t free = 0;
  std::vector<Seq> chunks{0};
  Seq tail = 0;
};

/// Settles everything after each sixteenth commit, as delivery in steady state does.
void SettleSome(Store& store, Flow& flow) {
  gateway::pipeline::Settlement settlement;
  {
    const std::scoped_lock lock(flow.mutex);
    if (flow.chunks.size() <= 16) return;
    settlement.log = store.log;
    settlement.cursor = {.chunk = flow.tail, .index = 0};
    // The last one is the tail itself, where the next chunk will begin.
    settlement.finished_chunks.assign(flow.chunks.begin(), flow.chunks.end() - 1);
    flow.chunks = {flow.tail};
  }
  (*store.queue)->Settle(std::move(settlement), [](const common::Status& status) {
    if (!status) throw std::runtime_error(status.error().message);
  });
}

/// range(0) events a request, range(1) requests under way.
void Append(benchmark::State& state) {
  const EventBlock block = Events(state.range(0));
  Store store;
  Flow flow;
  flow.free = state.range(1);
  (*store.queue)->SetCommitListener([&](const std::vector<Committed>& committed) {
    const std::scoped_lock lock(flow.mutex);
    flow.tail = committed.front().tail;
    flow.chunks.push_back(flow.tail);
  });
  const auto done = [&](const common::Status& status) {
    if (!status) throw std::runtime_error(status.error().message);
    const std::scoped_lock lock(flow.mutex);
    ++flow.free;
    flow.changed.notify_one();
  };
  const auto wait_for = [&](std::int64_t free) {
    std::unique_lock lock(flow.mutex);
    flow.changed.wait(lock, [&] { return flow.free >= free; });
  };
  const double cpu_before = CpuMicros();
  for (auto _ : state) {
    wait_for(1);
    {
      const std::scoped_lock lock(flow.mutex);
      --flow.free;
    }
    (*store.queue)
        ->Append(
            {.log = store.log, .received_at = store.clock.Wall(), .events = block, .rejected = {}},
            done);
    SettleSome(store, flow);
  }
  wait_for(state.range(1));
  Report(state, state.range(0), cpu_before);
}
BENCHMARK(Append)
    ->Args({1, 1})
    ->Args({1, 64})
    ->Args({100, 1})
    ->Args({100, 16})
    ->Args({1000, 1})
    ->Args({1000, 4})
    ->UseRealTime();

/// The floor: groups of range(0) events in one write and one fdatasync.
void RawAppendAndSync(benchmark::State& state) {
  const tests::TempDir dir;
  const std::string group = Events(state.range(0)).bytes;
  const int file = ::open((dir / "raw").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  const double cpu_before = CpuMicros();
  std::uint64_t size = 0;
  for (auto _ : state) {
    const ssize_t written = ::write(file, group.data(), group.size());
    if (written != static_cast<ssize_t>(group.size()) || ::fdatasync(file) != 0) {
      state.SkipWithError("write failed");
      break;
    }
    size += group.size();
    if (size > 512 * kMiB) {
      size = 0;
      if (::ftruncate(file, 0) != 0) state.SkipWithError("truncate failed");
    }
  }
  Report(state, state.range(0), cpu_before);
  ::close(file);
}
BENCHMARK(RawAppendAndSync)->Arg(1)->Arg(64)->Arg(100)->Arg(1000)->UseRealTime();

}  // namespace

// SPDX-License-Identifier: Apache-2.0
//
// The cost of making events durable through RocksQueue; store_bench.cc has what to compare it
// with. `cpu_us_event` is the CPU time of the whole process; of groups without the making of their
// requests, which `make_us_event` has.
#include <benchmark/benchmark.h>
#include <prometheus/registry.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "common/random.h"
#include "gateway/queue/rocks_queue.h"
#include "tests/bench/bench_events.h"
#include "tests/support/running_queue.h"
#include "tests/support/temp_dir.h"

namespace {

using gateway::pipeline::AppendRequest;
using gateway::pipeline::Committed;
using gateway::pipeline::Cursor;
using gateway::pipeline::Dedupe;
using gateway::pipeline::EventId;
using gateway::pipeline::LogId;
using gateway::pipeline::Seq;

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr Dedupe kDedupe{.window = std::chrono::hours(24), .max_ids = 100'000'000};

/// A queue with the sizes of a real one.
struct Store {
  Store() {
    gateway::queue::Options options = tests::SmallQueueOptions(dir / "queue");
    options.hot_tail_bytes = 64 * kMiB;
    options.max_pending_bytes = 256 * kMiB;
    options.max_commit_bytes = 4 * kMiB;
    options.commit_gather_percent = 25;
    options.max_chunk_bytes = 512 * 1024;
    options.write_buffer_bytes = 64 * kMiB;
    options.max_wal_bytes = 512 * kMiB;
    options.block_cache_bytes = 16 * kMiB;
    options.max_rejected_bytes = 16 * kMiB;
    options.max_dead_bytes = 16 * kMiB;
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

AppendRequest Request(const Store& store, std::int64_t events) {
  AppendRequest request;
  request.log = store.log;
  request.events = bench::Events(events);
  return request;
}

/// How many requests may be under way, and what is not settled yet.
struct Flow {
  std::mutex mutex;
  std::condition_variable changed;
  std::int64_t free = 0;
  int commits = 0;  ///< Not settled.
  Cursor settled;
};

/// Reads what is there, and settles all of it, after each sixteenth commit: as delivery does in
/// steady state.
void SettleSome(Store& store, Flow& flow) {
  {
    const std::scoped_lock lock(flow.mutex);
    if (flow.commits < 16) return;
    flow.commits = 0;
  }
  const auto batch = store.queue->Read(
      {.log = store.log, .from = flow.settled, .max_events = 1 << 30, .max_bytes = 1 << 30});
  if (!batch || batch->slices.empty()) throw std::runtime_error("cannot read what was appended");
  gateway::pipeline::Settlement settlement;
  settlement.log = store.log;
  for (const auto& slice : batch->slices) settlement.finished_chunks.push_back(slice.chunk->first);
  flow.settled = {.chunk = batch->slices.back().end(), .index = 0};
  settlement.cursor = flow.settled;
  (*store.queue)->Settle(std::move(settlement), [](const common::Status& status) {
    if (!status) throw std::runtime_error(status.error().message);
  });
}

/// Appends requests that are copies of `request`, `under_way` at a time; `before_each` may
/// change them. In the gateway the normalizer makes them, and nobody copies them.
template <typename BeforeEach>
void AppendAll(benchmark::State& state, Store& store, const AppendRequest& request,
               std::int64_t under_way, BeforeEach before_each) {
  Flow flow;
  flow.free = under_way;
  flow.settled = (*store.queue)->State(store.log)->cursor;
  (*store.queue)->SetCommitListener([&](const std::vector<Committed>&) {
    const std::scoped_lock lock(flow.mutex);
    ++flow.commits;
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
  const auto events = static_cast<std::int64_t>(request.events.count());
  const bool group = events >= 100;  // To ask the clock is dearer than to make a single one.
  double making = 0;
  const double cpu_before = bench::ProcessMicros();
  for (auto _ : state) {
    wait_for(1);
    {
      const std::scoped_lock lock(flow.mutex);
      --flow.free;
    }
    const double making_before = group ? bench::ThreadMicros() : 0;
    AppendRequest next = request;
    next.received_at = store.clock.Wall();
    before_each(next);
    if (group) making += bench::ThreadMicros() - making_before;
    (*store.queue)->Append(std::move(next), done);
    SettleSome(store, flow);
  }
  wait_for(under_way);
  bench::Report(state, events, cpu_before + making);
  if (group) {
    state.counters["make_us_event"] = making / static_cast<double>(state.iterations() * events);
  }
  (*store.queue)->SetCommitListener({});
}

/// range(0) events a request, range(1) requests under way.
void Append(benchmark::State& state) {
  Store store;
  AppendAll(state, store, Request(store, state.range(0)), state.range(1), [](AppendRequest&) {});
}
BENCHMARK(Append)
    ->Args({1, 1})
    ->Args({1, 64})
    ->Args({100, 1})
    ->Args({100, 16})
    ->Args({1000, 1})
    ->Args({1000, 2})
    ->Args({1000, 4})
    ->UseRealTime();

/// Refused events alone, as a producer of nothing but rubbish sends them: range(0) a request.
/// `page_us` is the time to read the first hundred that are kept.
void AppendRejected(benchmark::State& state) {
  Store store;
  AppendRequest request;
  request.log = store.log;
  request.rejected.resize(static_cast<std::size_t>(state.range(0)),
                          {.stage = gateway::pipeline::DeadLetterStage::kIngest,
                           .code = "no_user_anon_id",
                           .message = {},
                           .event = bench::EventText(0),
                           .accepted_at = {},
                           .dead_at = {}});
  const double cpu_before = bench::ProcessMicros();
  for (auto _ : state) {
    if (!store.queue->Append(request)) throw std::runtime_error("refused");
  }
  bench::Report(state, state.range(0), cpu_before);
  const auto start = std::chrono::steady_clock::now();
  const auto page = (*store.queue)->ReadDeadLetters(store.log, 0, 100);
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  if (!page || page->empty()) throw std::runtime_error("nothing is kept");
  state.counters["page_us"] = took.count();
  state.counters["table_mib"] = static_cast<double>((*store.queue)->sizes().table_bytes) / kMiB;
}
BENCHMARK(AppendRejected)->Arg(1)->Arg(100)->Arg(1000)->UseRealTime();

/// Gives each event an id that was never used.
void RenewIds(AppendRequest& request) {
  static common::FastRandom random(1);
  request.events.ids.resize(request.events.count());
  for (EventId& id : request.events.ids) id = {.high = random.Next(), .low = random.Next()};
}

/// A store whose log remembers so many ids. Kept from one run to the next: filling it takes
/// longer than measuring.
Store& Remembering(std::uint64_t count) {
  // Opened at once, so that it goes before the statics of RocksDB do.
  static auto store = std::make_unique<Store>();
  static std::uint64_t remembered = 0;
  if (remembered == count) return *store;
  store = std::make_unique<Store>();
  remembered = count;
  AppendRequest request;
  request.log = store->log;
  request.received_at = store->clock.Wall();
  request.dedupe = kDedupe;
  for (int i = 0; i < 1000; ++i) request.events.Append("1");
  for (std::uint64_t i = 0; i < count; i += 1000) {
    RenewIds(request);
    const Seq first = (*store->queue)->State(store->log)->tail;
    const bool settled = store->queue->Append(request) &&
                         store->queue->Settle({.log = store->log,
                                               .cursor = {.chunk = first + 1000, .index = 0},
                                               .finished_chunks = {first},
                                               .dead = {},
                                               .retry = {}});
    if (!settled) throw std::runtime_error("the store cannot be filled");
  }
  return *store;
}

/// The same with ids to remember, all of them new, where range(2) others are remembered.
void AppendNewIds(benchmark::State& state) {
  Store& store = Remembering(static_cast<std::uint64_t>(state.range(2)));
  AppendRequest request = Request(store, state.range(0));
  request.dedupe = kDedupe;
  AppendAll(state, store, request, state.range(1), RenewIds);
  state.counters["table_mib"] = static_cast<double>((*store.queue)->sizes().table_bytes) / kMiB;
}
BENCHMARK(AppendNewIds)
    // The number remembered changes last: the store is filled once for each.
    ->ArgsProduct({{1, 1000}, {1, 64}, {0, 1'000'000, 10'000'000}})
    ->UseRealTime();

}  // namespace

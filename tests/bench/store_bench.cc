// SPDX-License-Identifier: Apache-2.0
//
// What queue_bench.cc is compared with: the same bytes appended to a plain file with one
// fdatasync a group, and RocksDB without a committer, where each thread syncs its own write
// and RocksDB groups them.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <rocksdb/db.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "tests/bench/bench_events.h"
#include "tests/support/temp_dir.h"

namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

/// The floor: groups of range(0) events in one write and one fdatasync.
void RawAppendAndSync(benchmark::State& state) {
  const tests::TempDir dir;
  const std::string group = bench::Events(state.range(0)).bytes;
  const int file = ::open((dir / "raw").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  const double cpu_before = bench::ProcessMicros();
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
  bench::Report(state, state.range(0), cpu_before);
  ::close(file);
}
BENCHMARK(RawAppendAndSync)->Arg(1)->Arg(64)->Arg(100)->Arg(1000)->UseRealTime();

/// RocksDB as it comes, but for the size of a memtable. Shared by the threads of one run.
struct PlainStore {
  PlainStore() {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = 64 * kMiB;
    options.max_write_buffer_number = 4;
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(options, dir / "plain", &opened);
    if (!status.ok()) throw std::runtime_error(status.ToString());
    db.reset(opened);
  }

  tests::TempDir dir;
  std::unique_ptr<rocksdb::DB> db;
  std::atomic<std::uint64_t> next_key = 0;
};

/// Each thread writes range(0) events, a record each, in one synced write of its own.
class SyncedPut : public benchmark::Fixture {
 public:
  void SetUp(const benchmark::State& state) override {
    if (state.thread_index() == 0) store_ = std::make_unique<PlainStore>();
  }
  void TearDown(const benchmark::State& state) override {
    if (state.thread_index() == 0) store_.reset();
  }

 protected:
  PlainStore& store() { return *store_; }

 private:
  std::unique_ptr<PlainStore> store_;
};

BENCHMARK_DEFINE_F(SyncedPut, Threads)(benchmark::State& state) {
  const std::string text = bench::Events(1).bytes;
  rocksdb::WriteOptions options;
  options.sync = true;
  rocksdb::WriteBatch batch;
  const double cpu_before = bench::ProcessMicros();
  for (auto _ : state) {
    batch.Clear();
    for (std::int64_t i = 0; i < state.range(0); ++i) {
      const std::uint64_t key = __builtin_bswap64(store().next_key.fetch_add(1));
      batch.Put({reinterpret_cast<const char*>(&key), sizeof(key)}, text);
    }
    if (!store().db->Write(options, &batch).ok()) {
      state.SkipWithError("write failed");
      break;
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  if (state.thread_index() == 0) {
    // The threads run for the same time: what the process used is shared by all of them.
    const auto events = static_cast<double>(state.iterations() * state.range(0) * state.threads());
    state.counters["cpu_us_event"] = (bench::ProcessMicros() - cpu_before) / events;
  }
}
BENCHMARK_REGISTER_F(SyncedPut, Threads)->Arg(1)->Threads(1)->Threads(64)->UseRealTime();
BENCHMARK_REGISTER_F(SyncedPut, Threads)->Arg(100)->Threads(64)->UseRealTime();

}  // namespace

// SPDX-License-Identifier: Apache-2.0
//
// The choices in gateway/queue/rocks_options.cc, each against its alternatives: a steady state,
// an outage of 960 MB and its drain on a store of the product's options with one of them
// changed. Nothing is synced, so that the numbers are those of bytes and CPU and not of the
// disk. docs/benchmarks.md ("Choices measured") has the table.
#include <benchmark/benchmark.h>
#include <rocksdb/db.h>

#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "gateway/queue/record_key.h"
#include "gateway/queue/rocks_options.h"
#include "tests/bench/bench_events.h"
#include "tests/support/running_queue.h"
#include "tests/support/temp_dir.h"

namespace {

using gateway::queue::EncodeKey;
using gateway::queue::EntryKey;
using gateway::queue::Family;

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::int64_t kEventsAChunk = 100;
constexpr std::uint64_t kSteadyChunks = 4'000;
constexpr std::uint64_t kOutageChunks = 12'000;
constexpr std::uint64_t kInFlight = 20;   ///< Chunks that wait in the steady state,
constexpr std::uint64_t kLate = 1'000;    ///< and where Segment is a second late at 100,000/s.
constexpr int kDrainSpeed = 4;            ///< Chunks read for each that is written.
constexpr std::size_t kReadTogether = 5;  ///< About one batch to Segment.

/// What one run changes.
using Change = std::function<void(gateway::queue::Options&)>;
using Tune = std::function<void(rocksdb::DBOptions&, rocksdb::ColumnFamilyOptions&)>;

/// Different chunks of different events; their sum is more than any window of a compressor.
const std::vector<std::string>& Chunks() {
  static const std::vector<std::string> kChunks = [] {
    std::vector<std::string> chunks;
    std::uint64_t seed = 0;
    for (int i = 0; i < 200; ++i) {
      std::string& chunk = chunks.emplace_back();
      for (std::int64_t j = 0; j < kEventsAChunk; ++j) chunk += bench::EventText(seed++) + ",";
    }
    return chunks;
  }();
  return kChunks;
}

double KernelWritten() {
  std::ifstream file("/proc/self/io");
  std::string name;
  double value = 0;
  while (file >> name >> value) {
    if (name == "write_bytes:") return value;
  }
  throw std::runtime_error("the kernel does not count what is written");
}

/// A log of one tenant: chunks are put at its end, read and deleted at its front.
class Log {
 public:
  Log(const Change& change, const Tune& tune) {
    gateway::queue::Options options = tests::SmallQueueOptions(dir_ / "store");
    options.write_buffer_bytes = 64 * kMiB;
    options.max_wal_bytes = 512 * kMiB;
    options.block_cache_bytes = 32 * kMiB;
    change(options);
    auto [db, families] = gateway::queue::MakeSettings(options, nullptr, {});
    tune(db, families[static_cast<std::size_t>(Family::kQueue)].options);
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status =
        rocksdb::DB::Open(db, options.path, families, &handles_, &opened);
    if (!status.ok()) throw std::runtime_error(status.ToString());
    db_.reset(opened);
    queue_ = handles_[static_cast<std::size_t>(Family::kQueue)];
  }
  ~Log() {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) {
      db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
    }
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void Put() {
    const std::string& chunk = Chunks()[tail_ % Chunks().size()];
    bytes_ += static_cast<double>(chunk.size());
    batch_.Put(queue_, EncodeKey(EntryKey{1, tail_++}), chunk);
    Write();
  }

  /// Without reading, as after a delivery out of memory.
  void Settle() {
    batch_.Delete(queue_, EncodeKey(EntryKey{1, head_++}));
    Write();
  }

  void ReadAndSettle() {
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, queue_));
    it->Seek(EncodeKey(EntryKey{1, head_}));
    for (std::size_t i = 0; i < kReadTogether && it->Valid() && head_ < tail_; ++i, it->Next()) {
      benchmark::DoNotOptimize(std::string(it->value().data(), it->value().size()));
      batch_.Delete(queue_, EncodeKey(EntryKey{1, head_++}));
    }
    Write();
  }

  std::uint64_t waiting() const { return tail_ - head_; }
  double bytes() const { return bytes_; }
  double TakesMiB() const {
    std::uint64_t tables = 0;
    std::uint64_t blobs = 0;
    db_->GetIntProperty(queue_, rocksdb::DB::Properties::kTotalSstFilesSize, &tables);
    db_->GetIntProperty(queue_, rocksdb::DB::Properties::kTotalBlobFileSize, &blobs);
    return static_cast<double>(tables + blobs) / kMiB;
  }
  void WaitForCompactions() {
    for (const char* what : {"rocksdb.num-running-flushes", "rocksdb.num-running-compactions",
                             "rocksdb.compaction-pending", "rocksdb.mem-table-flush-pending"}) {
      std::uint64_t running = 1;
      while (running > 0) db_->GetIntProperty(queue_, what, &running);
    }
  }

 private:
  void Write() {
    const rocksdb::Status status = db_->Write({}, &batch_);
    if (!status.ok()) throw std::runtime_error(status.ToString());
    batch_.Clear();
  }

  tests::TempDir dir_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  rocksdb::ColumnFamilyHandle* queue_ = nullptr;
  rocksdb::WriteBatch batch_;
  std::uint64_t head_ = 0;
  std::uint64_t tail_ = 0;
  double bytes_ = 0;
};

/// CPU and bytes of a part of the run, as counters of the benchmark.
class Part {
 public:
  Part(benchmark::State& state, std::string name, const Log& log)
      : state_(state), name_(std::move(name)), log_(log) {}

  void End() {
    const double bytes = log_.bytes() - bytes_;
    state_.counters[name_ + "_cpu"] =
        (bench::ProcessMicros() - cpu_) / (bytes / static_cast<double>(bench::kEventBytes));
    state_.counters[name_ + "_written"] = (KernelWritten() - written_) / bytes;
  }

 private:
  benchmark::State& state_;
  std::string name_;
  const Log& log_;
  const double bytes_ = log_.bytes();
  const double cpu_ = bench::ProcessMicros();
  const double written_ = KernelWritten();
};

void Outage(benchmark::State& state, const Change& change, const Tune& tune) {
  Chunks();
  for (auto _ : state) {
    Log log(change, tune);
    Part steady(state, "steady", log);
    for (std::uint64_t i = 0; i < kSteadyChunks; ++i) {
      log.Put();
      if (log.waiting() > kInFlight) log.Settle();
    }
    steady.End();
    Part late(state, "late", log);
    for (std::uint64_t i = 0; i < kSteadyChunks; ++i) {
      log.Put();
      if (log.waiting() > kLate) log.Settle();
    }
    late.End();
    Part outage(state, "outage", log);
    for (std::uint64_t i = 0; i < kOutageChunks; ++i) log.Put();
    state.counters["backlog_mib"] = log.TakesMiB();
    while (log.waiting() > kInFlight) {
      for (std::size_t i = 0; i < kReadTogether; ++i) log.Put();
      for (int i = 0; i < kDrainSpeed; ++i) log.ReadAndSettle();
    }
    log.WaitForCompactions();
    outage.End();
    state.counters["left_mib"] = log.TakesMiB();
  }
}

void Same(gateway::queue::Options& /*options*/) {}
void Untuned(rocksdb::DBOptions& /*db*/, rocksdb::ColumnFamilyOptions& /*queue*/) {}

Change Memtable(std::uint64_t mib) {
  return [mib](gateway::queue::Options& options) { options.write_buffer_bytes = mib * kMiB; };
}
Change LogLimit(std::uint64_t mib) {
  return [mib](gateway::queue::Options& options) { options.max_wal_bytes = mib * kMiB; };
}
Tune Compression(rocksdb::CompressionType type) {
  return [type](rocksdb::DBOptions& /*db*/, rocksdb::ColumnFamilyOptions& queue) {
    queue.compression = type;
  };
}
void LogInZstd(rocksdb::DBOptions& db, rocksdb::ColumnFamilyOptions& /*queue*/) {
  db.wal_compression = rocksdb::kZSTD;
}
void Blobs(rocksdb::DBOptions& /*db*/, rocksdb::ColumnFamilyOptions& queue) {
  queue.enable_blob_files = true;
  queue.min_blob_size = 1024;
  queue.blob_compression_type = rocksdb::kLZ4Compression;
  queue.enable_blob_garbage_collection = true;
}

void FlushEachMemtable(rocksdb::DBOptions& /*db*/, rocksdb::ColumnFamilyOptions& queue) {
  queue.min_write_buffer_number_to_merge = 1;
}

#define CHOICE(name, change, tune) \
  BENCHMARK_CAPTURE(Outage, name, change, tune)->Iterations(1)->Unit(benchmark::kSecond)
CHOICE(as_it_is, Same, Untuned);
CHOICE(tables_not_compressed, Same, Compression(rocksdb::kNoCompression));
CHOICE(tables_in_zstd, Same, Compression(rocksdb::kZSTD));
CHOICE(log_in_zstd, Same, LogInZstd);
CHOICE(blob_files, Same, Blobs);
CHOICE(memtables_of_16, Memtable(16), Untuned);
CHOICE(memtables_of_32, Memtable(32), Untuned);
CHOICE(memtables_of_128, Memtable(128), Untuned);
CHOICE(log_of_128, LogLimit(128), Untuned);
CHOICE(log_of_2048, LogLimit(2048), Untuned);
CHOICE(each_memtable_flushed, Same, FlushEachMemtable);
#undef CHOICE

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <benchmark/benchmark.h>
#include <sys/resource.h>
#include <time.h>

#include <cstdint>
#include <string>

#include "gateway/pipeline/event.h"
#include "tests/bench/load/corpus.h"

/// What the benchmarks of storage have in common: the same events and the same sums.
namespace bench {

/// Bytes of each event, as Segment's libraries send them with a little context.
constexpr std::size_t kEventBytes = 800;

/// `count` different events, padded to kEventBytes in a field of their own.
inline gateway::pipeline::EventBlock Events(std::int64_t count) {
  static constexpr std::string_view kField = R"(,"channel":")";
  gateway::pipeline::EventBlock block;
  for (std::int64_t i = 0; i < count; ++i) {
    std::string text = EventText(static_cast<std::uint64_t>(i));
    text.pop_back();
    text += kField;
    const std::string user = std::to_string(i);
    while (text.size() + 2 < kEventBytes) text += user[text.size() % user.size()];
    block.Append(text += R"("})");
  }
  return block;
}

inline double ProcessMicros() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto micros = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

/// CPU of the thread so far; asking costs a fraction of 1 µs.
inline double ThreadMicros() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

/// Events a second, and CPU of the whole process for each since it was `cpu_before`.
inline void Report(benchmark::State& state, std::int64_t events_each, double cpu_before) {
  const std::int64_t events = state.iterations() * events_each;
  state.SetItemsProcessed(events);
  state.counters["cpu_us_event"] = (ProcessMicros() - cpu_before) / static_cast<double>(events);
}

}  // namespace bench

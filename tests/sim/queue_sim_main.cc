// SPDX-License-Identifier: Apache-2.0
//
// queue_sim --seeds N --first S --jobs J: a simulated life of the queue for each seed.
// queue_sim --seed S --trace: one of them, told.
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "common/log.h"
#include "tests/sim/queue_sim.h"

namespace {

/// What a child tells its parent, also when it dies.
struct Report {
  std::uint64_t seed = 0;  ///< At hand.
  std::uint64_t done = 0;
  tests::QueueSimCounts counts;
  std::array<char, 2048> wrong{};
};

void SayHow(std::uint64_t seed) {
  fmt::print(stderr, "  again, step by step: ./dev simulate queue --seed {} --trace\n", seed);
}

int RunChild(Report& report, std::uint64_t first, std::uint64_t end, std::uint64_t stride) {
  // The queue has much to say of broken disks.
  if (std::freopen("/dev/null", "w", stderr) == nullptr) return 1;
  for (std::uint64_t seed = first; seed < end; seed += stride) {
    report.seed = seed;
    const std::string wrong = tests::RunQueueSim(seed, false, report.counts);
    if (!wrong.empty()) {
      wrong.copy(report.wrong.data(), report.wrong.size() - 1);
      return 1;
    }
    ++report.done;
  }
  return 0;
}

void PrintCounts(std::uint64_t seeds, const tests::QueueSimCounts& counts) {
  fmt::print(
      "{} seeds: {} events accepted in {} commits, {} settled; {} kills, {} power cuts, "
      "{} clean restarts, {} failed operations, {} recoveries, {} background jobs\n",
      seeds, counts.events, counts.commits, counts.delivered, counts.kills, counts.power_cuts,
      counts.clean_restarts, counts.faults, counts.recoveries, counts.jobs);
}

int RunMany(std::uint64_t first, std::uint64_t count, std::uint64_t jobs) {
  void* memory = mmap(nullptr, sizeof(Report) * jobs, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    std::perror("mmap");
    return 1;
  }
  auto* reports = static_cast<Report*>(memory);
  for (std::uint64_t job = 0; job < jobs; ++job) new (reports + job) Report;
  std::vector<pid_t> children;
  for (std::uint64_t job = 0; job < jobs; ++job) {
    const pid_t child = fork();
    if (child == 0) _exit(RunChild(reports[job], first + job, first + count, jobs));
    children.push_back(child);
  }
  bool ok = true;
  Report all;
  for (std::uint64_t job = 0; job < jobs; ++job) {
    int status = 0;
    waitpid(children[job], &status, 0);
    all.done += reports[job].done;
    all.counts += reports[job].counts;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
    ok = false;
    const std::string wrong = WIFSIGNALED(status)
                                  ? fmt::format("died of signal {}", WTERMSIG(status))
                                  : std::string(reports[job].wrong.data());
    fmt::print(stderr, "seed {}: {}\n", reports[job].seed, wrong);
    SayHow(reports[job].seed);
  }
  PrintCounts(all.done, all.counts);
  return ok ? 0 : 1;
}

int RunCommandLine(int argc, char** argv) {
  CLI::App app{"Simulated lives of the queue: crashes, power cuts and failing disks"};
  std::uint64_t seeds = 200;
  std::uint64_t first = 1;
  std::uint64_t jobs = 2;
  std::uint64_t seed = 0;
  bool trace = false;
  app.add_option("--seeds", seeds, "How many lives")->check(CLI::PositiveNumber);
  app.add_option("--first", first, "The first seed; the others follow");
  app.add_option("--jobs", jobs, "Processes beside each other")->check(CLI::Range(1, 256));
  CLI::Option* one = app.add_option("--seed", seed, "Only this one");
  app.add_flag("--trace", trace, "Print each action; with --seed")->needs(one);
  CLI11_PARSE(app, argc, argv);
  common::log::Configure(common::log::Level::kInfo, common::log::Format::kText);
  if (one->count() == 0) return RunMany(first, seeds, jobs);
  tests::QueueSimCounts counts;
  const std::string wrong = tests::RunQueueSim(seed, trace, counts);
  PrintCounts(1, counts);
  if (!wrong.empty()) fmt::print(stderr, "seed {}: {}\n", seed, wrong);
  return wrong.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return RunCommandLine(argc, argv);
  } catch (const std::exception& error) {
    std::fputs(error.what(), stderr);
    return 1;
  }
}

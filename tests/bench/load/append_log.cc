// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/load/append_log.h"

#include <fcntl.h>
#include <unistd.h>

#include "tests/bench/load/wire.h"

namespace bench {

AppendResult RunAppend(const AppendOptions& options) {
  const std::string path = options.directory + "/append.log";
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): the only form of open.
  const Descriptor file(open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600));
  if (file.get() < 0) Die("cannot create " + path);
  const std::string group(options.group_bytes, 'x');
  AppendResult result;
  const double cpu = ProcessCpuMicros();
  const std::int64_t start = NowNanos();
  const std::int64_t end = start + static_cast<std::int64_t>(options.seconds * 1e9);
  std::int64_t now = start;
  while (now < end) {
    const ssize_t written = write(file.get(), group.data(), group.size());
    if (written != static_cast<ssize_t>(group.size())) Die("cannot write to " + path);
    if (fdatasync(file.get()) != 0) Die("cannot sync " + path);
    const std::int64_t done = NowNanos();
    result.sync.Record(done - now);
    now = done;
    ++result.groups;
  }
  result.wall_micros = static_cast<double>(now - start) / 1000;
  result.cpu_micros = ProcessCpuMicros() - cpu;
  unlink(path.c_str());
  return result;
}

}  // namespace bench

// SPDX-License-Identifier: Apache-2.0
#include "gateway/observe/storage_watch.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "common/log.h"
#include "common/metrics/metrics.h"

namespace gateway::observe {

StorageWatch::StorageWatch(std::string path, std::string_view lock_file,
                           std::uint64_t min_free_bytes,
                           std::function<std::optional<std::string>()> store_problem,
                           prometheus::Registry& registry)
    : path_(std::move(path)),
      lock_file_(fmt::format("{}/{}", path_, lock_file)),
      opened_(Identify(lock_file_)),
      min_free_bytes_(min_free_bytes),
      store_problem_(std::move(store_problem)),
      free_bytes_(common::metrics::Gauge(registry, "storage_disk_free_bytes",
                                         "Free space of the data directory's file system.")),
      refusing_(common::metrics::Gauge(registry, "storage_refusing",
                                       "1 while nothing can be stored and ingest answers 503.")) {}

void StorageWatch::Check() {
  std::optional<std::string> problem = DiskProblem();
  if (!problem) problem = store_problem_();
  refusing_.Set(problem ? 1 : 0);
  const bool was_bad = bad_.load();
  if (problem) problem_.With([&](std::string& text) { text = *problem; });
  bad_.store(problem.has_value());
  if (problem.has_value() == was_bad) return;
  if (problem) {
    common::log::Error("storage_refusing", "nothing can be stored; ingest answers 503 until then",
                       {{"path", path_}, {"reason", *problem}});
  } else {
    common::log::Info("storage_recovered", "events are stored again", {{"path", path_}});
  }
}

StorageWatch::Identity StorageWatch::Identify(const std::string& file) {
  struct stat status{};
  if (stat(file.c_str(), &status) != 0) return std::nullopt;
  return std::pair<std::uint64_t, std::uint64_t>(status.st_dev, status.st_ino);
}

std::optional<std::string> StorageWatch::DiskProblem() {
  std::error_code error;
  const auto space = std::filesystem::space(path_, error);
  if (error) {
    return fmt::format("the data directory {} cannot be read: {}", path_, error.message());
  }
  free_bytes_.Set(static_cast<double>(space.available));
  // The store would go on writing to files that have no name any more.
  if (Identify(lock_file_) != opened_) {
    return fmt::format(
        "the data directory {} is not the one that was opened: it was removed, replaced or mounted "
        "over. Put it back; if it is lost, restart the gateway when events_pending is 0",
        path_);
  }
  if (space.available >= min_free_bytes_) return std::nullopt;
  return fmt::format("the disk has {} free bytes, and {} are the least (storage.min_free_disk)",
                     space.available, min_free_bytes_);
}

std::optional<std::string> StorageWatch::Problem() const {
  if (!bad_.load(std::memory_order_relaxed)) return std::nullopt;
  return problem_.With([](const std::string& text) { return text; });
}

}  // namespace gateway::observe

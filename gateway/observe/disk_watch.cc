// SPDX-License-Identifier: Apache-2.0
#include "gateway/observe/disk_watch.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "common/log.h"
#include "common/metrics/metrics.h"

namespace gateway::observe {

DiskWatch::DiskWatch(std::string path, std::uint64_t min_free_bytes, prometheus::Registry& registry)
    : path_(std::move(path)),
      min_free_bytes_(min_free_bytes),
      free_bytes_(common::metrics::Gauge(registry, "storage_disk_free_bytes",
                                         "Free space of the data directory's file system.")) {}

void DiskWatch::Check() {
  std::error_code error;
  const auto space = std::filesystem::space(path_, error);
  if (error) return;  // A directory that is gone shows as failed commits.
  free_bytes_.Set(static_cast<double>(space.available));
  const bool low = space.available < min_free_bytes_;
  if (low == low_.exchange(low)) return;
  if (low) {
    common::log::Error(
        "disk_low", "the disk is nearly full; ingest answers 503 until space returns",
        {{"path", path_}, {"free_bytes", space.available}, {"min_free_bytes", min_free_bytes_}});
  } else {
    common::log::Info("disk_recovered", "there is space again; ingest goes on",
                      {{"path", path_}, {"free_bytes", space.available}});
  }
}

std::optional<std::string> DiskWatch::Problem() const {
  if (!low()) return std::nullopt;
  return fmt::format("the disk has less than {} free bytes (storage.min_free_disk)",
                     min_free_bytes_);
}

}  // namespace gateway::observe

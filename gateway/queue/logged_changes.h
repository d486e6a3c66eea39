// SPDX-License-Identifier: Apache-2.0
#pragma once

// Internal to gateway/queue.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/queue/rocks_options.h"

namespace gateway::queue {

/// One change that a write of RocksDB's log file makes.
struct LoggedChange {
  enum class Kind : std::uint8_t { kPut, kDelete, kDeleteRange } kind = Kind::kPut;
  Family family = Family::kMeta;
  std::string key;
  std::string value;  ///< Of a range: its end.
};

/// The changes of a write (log_file.h), in order, of the families of this release. Families have
/// the numbers in which they were made, which is the order of the enum.
std::vector<LoggedChange> ChangesOf(std::string_view write);

/// Whether the write was synced before anybody was answered: it holds events, letters of refused
/// ones, or a registration. Settlements alone are not.
bool WasSynced(std::string_view write);

}  // namespace gateway::queue

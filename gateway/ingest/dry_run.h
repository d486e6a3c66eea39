// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "common/net/http_server.h"
#include "gateway/ingest/recipients.h"
#include "gateway/normalize/normalized.h"

namespace gateway::ingest {

/// Writes the answer of POST /v1/validate: for each event what would happen to it, and how
/// it would go out. For one request, on one thread.
class DryRun {
 public:
  /// `recipients` outlives this.
  explicit DryRun(const Recipients& recipients) : recipients_(recipients) {}

  void Add(const normalize::ItemReport& report);
  common::net::Response Answer() const;

 private:
  const pipeline::Tenant* TenantOf(const normalize::ItemReport& report) const;

  const Recipients& recipients_;
  std::string events_;
  std::uint32_t accepted_ = 0;
  std::uint32_t rejected_ = 0;
  bool refused_whole_ = false;
};

}  // namespace gateway::ingest

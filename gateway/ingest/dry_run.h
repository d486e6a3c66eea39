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
  /// `status`: what the real path would answer; `normalized`: what it would work with.
  common::net::Response Answer(int status, const normalize::Normalized& normalized) const;

 private:
  const pipeline::Tenant* TenantOf(const normalize::ItemReport& report) const;

  const Recipients& recipients_;
  std::string events_;
};

}  // namespace gateway::ingest

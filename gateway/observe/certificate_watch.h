// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <cstdint>

#include "common/net/tls_server.h"

namespace gateway::observe {

/// Takes up a new certificate of the ingest listener when its files change, and shows
/// how long it is good for. For one thread.
class CertificateWatch {
 public:
  /// `certificate` outlives this.
  CertificateWatch(common::net::ServerCertificate& certificate, prometheus::Registry& registry);

  /// Reads two small files.
  void Check();

 private:
  void Show();

  common::net::ServerCertificate& certificate_;
  prometheus::Gauge& not_after_;
  prometheus::Gauge& problem_;
  prometheus::Counter& reloads_;
  std::uint64_t shown_reloads_ = 0;
};

}  // namespace gateway::observe

// SPDX-License-Identifier: Apache-2.0
#include "gateway/observe/certificate_watch.h"

#include <chrono>

#include "common/metrics/metrics.h"

namespace gateway::observe {

using common::metrics::Gauge;

CertificateWatch::CertificateWatch(common::net::ServerCertificate& certificate,
                                   prometheus::Registry& registry)
    : certificate_(certificate),
      not_after_(Gauge(registry, "ingest_tls_certificate_not_after_timestamp_seconds",
                       "When the ingest listener's certificate expires, in Unix time.")),
      problem_(Gauge(registry, "ingest_tls_certificate_problem",
                     "1 while the certificate files on disk cannot be used, and the pair from "
                     "before them is.")),
      reloads_(
          common::metrics::Counter(registry, "ingest_tls_certificate_reloads_total",
                                   "Certificates that were taken up since the process started.")) {
  Show();
}

void CertificateWatch::Check() {
  certificate_.Check();
  Show();
}

void CertificateWatch::Show() {
  const common::net::ServerCertificate::State state = certificate_.state();
  not_after_.Set(std::chrono::duration<double>(state.not_after.time_since_epoch()).count());
  problem_.Set(state.problem.empty() ? 0 : 1);
  reloads_.Increment(static_cast<double>(state.reloads - shown_reloads_));
  shown_reloads_ = state.reloads;
}

}  // namespace gateway::observe

// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/file_checks.h"

#include <string>
#include <utility>

#include "common/clock.h"
#include "common/net/tls_context.h"
#include "common/net/tls_server.h"

namespace gateway::app {
namespace {

config::Problem ProblemAt(const config::Loaded& loaded, std::string path, std::string message) {
  const auto place = loaded.positions.find(path);
  const config::Position position =
      place == loaded.positions.end() ? config::Position{} : place->second;
  return {loaded.file, position.line, position.column, std::move(path), std::move(message)};
}

}  // namespace

config::Problems CheckFiles(const config::Loaded& loaded) {
  config::Problems problems;
  const config::Config& config = loaded.config;
  const common::SystemClock clock;
  if (const config::Tls& tls = config.ingest.tls; !tls.certificate.empty()) {
    const auto certificate = common::net::ServerCertificate::Load(tls.certificate, tls.key, clock);
    if (!certificate) {
      problems.push_back(ProblemAt(loaded, "ingest.tls", certificate.error().message));
    }
  }
  if (const std::string& file = config.segment.ca_file; !file.empty()) {
    const auto context = common::net::TlsClientContext::Create(file);
    if (!context) problems.push_back(ProblemAt(loaded, "segment.ca_file", context.error().message));
  }
  return problems;
}

}  // namespace gateway::app

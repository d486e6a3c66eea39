// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/dry_run.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

#include "common/strings.h"
#include "gateway/ingest/ingest_metrics.h"

namespace gateway::ingest {
namespace {

std::string_view OutcomeOf(const normalize::ItemReport& report, const pipeline::Tenant* tenant) {
  if (report.rejection != nullptr) return "rejected";
  if (tenant == nullptr) return "ignored";
  return tenant->mode == pipeline::TenantMode::kNotForwarded ? "not_forwarded" : "accepted";
}

void AppendField(std::string& out, std::string_view name, std::string_view value) {
  fmt::format_to(std::back_inserter(out), R"(,"{}":)", name);
  common::AppendJsonString(out, value);
}

}  // namespace

const pipeline::Tenant* DryRun::TenantOf(const normalize::ItemReport& report) const {
  return report.destination == nullptr ? nullptr : recipients_.tenant(report.destination->slot);
}

void DryRun::Add(const normalize::ItemReport& report) {
  const pipeline::Tenant* tenant = TenantOf(report);
  std::string& out = events_;
  if (!out.empty()) out += ',';
  fmt::format_to(std::back_inserter(out), R"({{"index":{})", report.index);
  AppendField(out, "outcome", OutcomeOf(report, tenant));
  if (tenant != nullptr) AppendField(out, "tenant", tenant->id);
  if (const normalize::Rejection* rejection = report.rejection) {
    ++rejected_;
    refused_whole_ = refused_whole_ || (tenant != nullptr && tenant->strict);
    AppendField(out, "code", rejection->code);
    AppendField(out, "message", rejection->message);
  } else {
    ++accepted_;
  }
  if (!report.notes.empty()) {
    out += R"(,"notes":[)";
    for (const normalize::Note& note : report.notes) {
      if (&note != report.notes.data()) out += ',';
      common::AppendJsonString(out, NoteName(note));
    }
    out += ']';
  }
  if (!report.event.empty()) {
    out += R"(,"event":)";
    out += report.event;
  }
  out += '}';
}

common::net::Response DryRun::Answer() const {
  common::net::Response response;
  response.body = fmt::format(
      R"({{"success":true,"would_answer":{},"accepted":{},"rejected":{},"events":[{}]}})",
      refused_whole_ ? 400 : 200, accepted_, rejected_, events_);
  return response;
}

}  // namespace gateway::ingest

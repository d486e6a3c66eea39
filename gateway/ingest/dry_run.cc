// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/dry_run.h"

#include <fmt/format.h>

#include <iterator>
#include <span>
#include <string_view>
#include <vector>

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

void AppendNotes(std::string& out, std::span<const normalize::Note> notes) {
  if (notes.empty()) return;
  out += R"(,"notes":[)";
  for (const normalize::Note& note : notes) {
    if (&note != notes.data()) out += ',';
    common::AppendJsonString(out, NoteName(note));
  }
  out += ']';
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
    AppendField(out, "code", rejection->code);
    AppendField(out, "message", rejection->message);
  }
  AppendNotes(out, report.notes);
  if (!report.event.empty()) {
    out += R"(,"event":)";
    out += report.event;
  }
  out += '}';
}

common::net::Response DryRun::Answer(int status, const normalize::Normalized& normalized) const {
  using normalize::Note;
  std::vector<Note> notes;
  for (const Note note : {Note::kEmptyBatch, Note::kForeignWriteKey, Note::kSentAtIgnored}) {
    if (normalized.Count(note) != 0) notes.push_back(note);
  }
  common::net::Response response;
  std::string& body = response.body;
  body = fmt::format(R"({{"success":true,"would_answer":{},"accepted":{},"rejected":{})", status,
                     normalized.count(), normalized.rejected.size());
  AppendNotes(body, notes);
  body += R"(,"events":[)";
  body += events_;
  body += "]}";
  return response;
}

}  // namespace gateway::ingest

// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/ingest_metrics.h"

#include <string>

#include "common/metrics/metrics.h"

namespace gateway::ingest {
namespace {

prometheus::Family<prometheus::Counter>& Family(prometheus::Registry& registry,
                                                const std::string& name, const std::string& help) {
  return prometheus::BuildCounter()
      .Name(common::metrics::kPrefix + name)
      .Help(help)
      .Register(registry);
}

constexpr std::array<std::string_view, normalize::kNotes> kNoteNames{
    "type_overridden", "message_id_replaced", "timestamp_kept",        "sent_at_ignored",
    "number_id",       "empty_field_dropped", "group_without_user",    "alias_without_previous",
    "empty_batch",     "foreign_write_key",   "unknown_tenant_ignored"};

}  // namespace

std::string_view NoteName(normalize::Note note) {
  return kNoteNames[static_cast<std::size_t>(note)];
}

IngestMetrics::IngestMetrics(prometheus::Registry& registry)
    : acknowledged(common::metrics::Counter(
          registry, "ingest_acknowledged_events_total",
          "Events answered with 200 after they were durable, since the process started.")),
      not_forwarded(common::metrics::Counter(
          registry, "events_not_forwarded_total",
          "Events answered and not stored, because the tenant's switch is off.")),
      nobodys(common::metrics::Counter(
          registry, "events_unknown_tenant_total",
          "Events answered and not stored, because their tenant is not configured and the "
          "service key says to ignore such.")),
      request_seconds(common::metrics::Histogram(
          registry, "ingest_request_seconds",
          "From a request's header to its answer, for requests that store events.",
          common::metrics::LatencyBuckets())),
      batch_events(common::metrics::Histogram(registry, "ingest_batch_events",
                                              "Events accepted in one request.",
                                              common::metrics::CountBuckets(4))),
      requests_(Family(registry, "ingest_requests_total", "Requests by route and status.")),
      throttled_(Family(registry, "ingest_throttled_requests_total",
                        "Requests answered 429, by the limit that they met.")),
      shed_(Family(registry, "ingest_shed_requests_total",
                   "Requests answered 503 before they were taken, by what there was too little "
                   "of.")),
      rejected_(Family(registry, "ingest_rejected_events_total",
                       "Events that validation refused, by reason.")),
      notes_(Family(registry, "ingest_event_notes_total",
                    "Oddities in accepted events that were put right or passed on.")) {
  for (std::size_t i = 0; i < kRoutes; ++i) {
    ok_[i] = &requests_.Add({{"route", std::string(RouteName(i))}, {"code", "200"}});
  }

  auto& events = Family(registry, "ingest_events_total",
                        "Valid events by type, also those of requests that are then answered 503.");
  for (std::size_t i = 0; i < normalize::kEventTypes; ++i) {
    const auto type = static_cast<normalize::EventType>(i);
    by_type_[i] = &events.Add({{"type", std::string(normalize::EventTypeName(type))}});
  }
  for (std::size_t i = 0; i < normalize::kNotes; ++i) {
    by_note_[i] = &notes_.Add({{"note", std::string(kNoteNames[i])}});
  }
}

void IngestMetrics::CountRequest(std::optional<std::size_t> route, int status) {
  if (route && status == 200) return ok_[*route]->Increment();
  requests_
      .Add({{"route", route ? std::string(RouteName(*route)) : "none"},
            {"code", std::to_string(status)}})
      .Increment();
}

void IngestMetrics::CountShed(std::string_view reason) {
  shed_.Add({{"reason", std::string(reason)}}).Increment();
}

void IngestMetrics::CountThrottled(std::string_view limit) {
  throttled_.Add({{"limit", std::string(limit)}}).Increment();
}

void IngestMetrics::CountEvents(const normalize::Normalized& normalized) {
  for (std::size_t i = 0; i < normalize::kEventTypes; ++i) {
    if (normalized.by_type[i] != 0) by_type_[i]->Increment(normalized.by_type[i]);
  }
  for (std::size_t i = 0; i < normalize::kNotes; ++i) {
    if (normalized.notes[i] != 0) by_note_[i]->Increment(normalized.notes[i]);
  }
  if (const auto ignored = normalized.Count(normalize::Note::kUnknownTenantIgnored)) {
    nobodys.Increment(ignored);
  }
}

void IngestMetrics::CountRejected(const normalize::Normalized& normalized) {
  for (const normalize::Rejection& rejection : normalized.rejected) {
    rejected_.Add({{"reason", std::string(rejection.code)}}).Increment();
  }
}

}  // namespace gateway::ingest

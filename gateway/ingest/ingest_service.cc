// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/ingest_service.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "gateway/ingest/answers.h"
#include "gateway/ingest/authenticate.h"
#include "gateway/ingest/routes.h"

namespace gateway::ingest {

using common::net::ReadBody;
using common::net::RequestHead;
using common::net::Responder;
using common::net::Response;
using normalize::Route;

namespace {

// Segment's own words; its clients and their users search for them.
constexpr std::string_view kPayloadLimit = "Exceed payload limit";

Response RefuseIdentity(const Identity& identity) {
  switch (identity.failure) {
    case Identity::Failure::kTenantUnknown:
      return Refusal(400, "tenant_unknown",
                     "the tenant that X-Tenant-Id names is not configured here");
    case Identity::Failure::kUnknownKey:
    case Identity::Failure::kNone:
      break;
  }
  return Refusal(401, "invalid_write_key", "An invalid write key was provided");
}

pipeline::DeadLetter ToDeadLetter(normalize::Rejection& rejection, common::WallTime now) {
  return {.stage = pipeline::DeadLetterStage::kIngest,
          .code = std::string(rejection.code),
          .message = rejection.message,
          .event = std::move(rejection.event),
          .http_status = 0,
          .attempts = 0,
          .accepted_at = now,
          .dead_at = now};
}

/// An acknowledgement that waits for the disk: for one append, or for those of several
/// tenants. Done is thread-safe; the rest is touched before the first and after the last.
class Pending {
 public:
  Pending(Responder respond_with, Response success, Reservation held, std::uint64_t event_count,
          Route of_route, common::SteadyTime start, std::size_t appends)
      : respond(std::move(respond_with)),
        response(std::move(success)),
        reservation(std::move(held)),
        events(event_count),
        route(of_route),
        started(start),
        waiting_(appends) {}

  /// One append is done; true for the last.
  bool Done(const common::Status& status) {
    if (!status) {
      error_.With([&](std::optional<common::Error>& error) { error = status.error(); });
    }
    return waiting_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }
  std::optional<common::Error> TakeError() {
    return error_.With([](std::optional<common::Error>& error) { return std::move(error); });
  }

  Responder respond;
  Response response;
  Reservation reservation;
  const std::uint64_t events;
  const Route route;
  const common::SteadyTime started;

 private:
  std::atomic<std::size_t> waiting_;
  common::Guarded<std::optional<common::Error>> error_;
};

}  // namespace

/// One connection; one request at a time.
class IngestExchange final : public common::net::HttpExchange {
 public:
  explicit IngestExchange(IngestService& service)
      : service_(service), scratch_(service.ScratchOfThisThread()) {}

  std::variant<ReadBody, Response> OnHead(const RequestHead& head) override {
    route_.reset();
    started_ = service_.clock_.Steady();
    auto verdict = CheckHead(head);
    if (const auto* refusal = std::get_if<Response>(&verdict)) Count(refusal->status);
    return verdict;
  }

  void OnBody(std::string body, Responder respond) override {
    // What is answered at once needs its reservation no longer than this call.
    Reservation reservation = std::move(reservation_);
    std::optional<Response> answer = Accept(body, respond, reservation);
    if (answer) {
      Count(answer->status);
      respond(std::move(*answer));
    }
  }

  Response OnProtocolError(int status, std::string_view why) override {
    reservation_.Release();
    Response response = ProtocolAnswer(status, why);
    Count(response.status);
    return response;
  }

 private:
  void Count(int status) { service_.metrics_.CountRequest(route_, status); }

  Response ProtocolAnswer(int status, std::string_view why) const {
    // Clients throw events away on a 408, and try a 503 again.
    if (status == 408) return RefusalForNow(503, "request_timeout", why, RetryAfter());
    if (status == 503) return RefusalForNow(503, "too_many_connections", why, RetryAfter());
    if (status == 413) return Refusal(400, "payload_too_large", kPayloadLimit);
    return Refusal(status, status == 431 ? "header_too_large" : "bad_request", why);
  }

  std::uint32_t RetryAfter() const { return service_.options_.retry_after_seconds; }

  std::variant<ReadBody, Response> CheckHead(const RequestHead& head) {
    const std::optional<Route> route = FindRoute(head.path);
    if (!route) {
      return Refusal(404, "not_found",
                     "there is no such path; events go to POST /v1/track, /v1/identify, "
                     "/v1/group, /v1/page, /v1/screen, /v1/alias, /v1/batch or /v1/import");
    }
    route_ = route;
    if (head.method != "POST") {
      Response response = Refusal(405, "method_not_allowed", "use POST");
      response.headers.emplace_back("Allow", "POST");
      return response;
    }
    if (auto refusal = CheckCredentials(head)) return std::move(*refusal);
    if (auto refusal = CheckEncoding(head)) return std::move(*refusal);
    return Admit(head);
  }

  /// Authenticates by header; without one, the body may hold the key.
  std::optional<Response> CheckCredentials(const RequestHead& head) {
    tenants_ = service_.tenants_.Current();
    identity_ = {};
    tenant_header_ = head.header("X-Tenant-Id");
    const Credentials credentials = ParseAuthorization(head.header("Authorization"));
    switch (credentials.kind) {
      case Credentials::Kind::kNone:
        return std::nullopt;
      case Credentials::Kind::kBasic:
        identity_ = Identify(*tenants_, credentials.key, tenant_header_);
        if (identity_.failure != Identity::Failure::kNone) return RefuseIdentity(identity_);
        return std::nullopt;
      case Credentials::Kind::kMalformed:
        return Refusal(401, "malformed_authorization",
                       "the Authorization header is not 'Basic base64(key:)'");
      case Credentials::Kind::kUnsupported:
        return Refusal(401, "unsupported_authorization",
                       "only Basic authorization is accepted, with the write key as user name "
                       "and no password");
    }
    return std::nullopt;
  }

  static std::optional<Response> CheckEncoding(const RequestHead& head) {
    const std::string_view encoding = head.header("Content-Encoding");
    if (encoding.empty() || encoding == "identity") return std::nullopt;
    return Refusal(415, "unsupported_content_encoding", "send the body without Content-Encoding");
  }

  std::variant<ReadBody, Response> Admit(const RequestHead& head) {
    const normalize::Limits& limits = service_.options_.limits;
    const std::uint64_t limit =
        route_ == Route::kBatch ? limits.max_batch_bytes : limits.max_event_bytes;
    const std::uint64_t size = head.content_length.value_or(head.chunked ? limit : 0);
    if (size > limit) return Refusal(400, "payload_too_large", kPayloadLimit);
    const Admission::Account account = AccountOf(identity_);
    if (auto refusal = service_.admission_.TryReserve(account, size)) return NoRoom(*refusal);
    reservation_ = Reservation(service_.admission_, account, size);
    return ReadBody{limit};
  }

  static Admission::Account AccountOf(const Identity& identity) {
    if (identity.tenant != nullptr) return identity.tenant->log;
    return identity.service_key ? Admission::kServiceKeys : Admission::kNoKey;
  }

  Response NoRoom(const Admission::Refusal& refusal) const {
    return RefusalForNow(503, refusal.code, refusal.message, RetryAfter());
  }

  /// The answer, or nothing when the queue gives it later.
  std::optional<Response> Accept(std::string& body, Responder& respond, Reservation& reservation) {
    normalize::Normalizer& normalizer = scratch_.normalizer;
    if (auto parsed = normalizer.Parse(*route_, body); !parsed)
      return RefuseRequest(parsed.error());
    if (identity_.tenant == nullptr && !identity_.service_key) {
      if (auto refusal = CheckBodyKey()) return refusal;
      if (auto refusal = reservation.MoveTo(AccountOf(identity_))) return NoRoom(*refusal);
    }
    const common::WallTime now = service_.clock_.Wall();
    // Slot 0 is the request's own tenant, if it has one; the others are those that events of
    // a service key name.
    std::vector<const pipeline::Tenant*> tenants{identity_.tenant};
    std::deque<normalize::Destination> destinations;
    const normalize::TenantResolver resolver =
        [&](std::string_view id) -> const normalize::Destination* {
      const auto slot = SlotOf(id, tenants);
      return slot ? &destinations.emplace_back(normalize::Destination{.slot = *slot}) : nullptr;
    };
    auto built = normalizer.Build(
        {.received_at = now,
         .random = scratch_.random,
         .own = identity_.tenant != nullptr ? &normalize::kPlainDestination : nullptr,
         .tenant_of = identity_.service_key ? &resolver : nullptr});
    if (!built) return RefuseRequest(built.error());
    service_.metrics_.CountEvents(*built);
    if (*route_ != Route::kBatch && !built->rejected.empty() && !built->rejected[0].slot) {
      return Refusal(400, built->rejected[0].code, built->rejected[0].message);
    }
    Response success =
        built->rejected.empty() ? Success() : PartialSuccess(built->count(), built->rejected);
    std::vector<pipeline::AppendRequest> appends = ToAppends(*built, tenants, now);
    if (appends.empty()) return success;
    Store(std::move(appends), std::move(success), respond, reservation);
    return std::nullopt;
  }

  std::optional<std::uint32_t> SlotOf(std::string_view id,
                                      std::vector<const pipeline::Tenant*>& tenants) const {
    const pipeline::Tenant* tenant = tenants_->FindById(id);
    if (tenant == nullptr) return std::nullopt;
    const auto found = std::ranges::find(tenants, tenant);
    if (found == tenants.end()) tenants.push_back(tenant);
    return static_cast<std::uint32_t>(std::ranges::find(tenants, tenant) - tenants.begin());
  }

  /// What each tenant's log gets; counts what is not forwarded. A refused event is kept with
  /// its tenant, if it has one.
  std::vector<pipeline::AppendRequest> ToAppends(
      normalize::Normalized& normalized, const std::vector<const pipeline::Tenant*>& tenants,
      common::WallTime now) {
    std::vector<pipeline::AppendRequest> by_slot(tenants.size());
    by_slot[0].events = std::move(normalized.events);
    for (normalize::ElsewhereBlock& block : normalized.elsewhere) {
      by_slot[block.slot].events = std::move(block.events);
    }
    for (normalize::Rejection& rejection : normalized.rejected) {
      if (rejection.slot) by_slot[*rejection.slot].rejected.push_back(ToDeadLetter(rejection, now));
    }
    std::vector<pipeline::AppendRequest> appends;
    for (std::size_t slot = 0; slot < tenants.size(); ++slot) {
      pipeline::AppendRequest& request = by_slot[slot];
      if (tenants[slot] == nullptr) continue;
      if (tenants[slot]->mode == pipeline::TenantMode::kNotForwarded) {
        service_.metrics_.not_forwarded.Increment(static_cast<double>(request.events.count()));
        continue;
      }
      if (request.events.count() == 0 && request.rejected.empty()) continue;
      request.log = tenants[slot]->log;
      request.received_at = now;
      appends.push_back(std::move(request));
    }
    return appends;
  }

  std::optional<Response> CheckBodyKey() {
    const auto key = scratch_.normalizer.write_key();
    if (!key) {
      return Refusal(401, "missing_write_key",
                     "send the write key as the user name of Basic authorization, or as "
                     "\"writeKey\" in the body");
    }
    identity_ = Identify(*tenants_, *key, tenant_header_);
    if (identity_.failure != Identity::Failure::kNone) return RefuseIdentity(identity_);
    return std::nullopt;
  }

  static Response RefuseRequest(const normalize::RequestError& error) {
    return Refusal(error.http_status, error.code, error.message);
  }

  /// One append a tenant, and one answer when the last of them is done. When one fails the
  /// request is answered 503 and sent again, and what was stored of it then is stored twice,
  /// with the same messageIds where the client gave them.
  void Store(std::vector<pipeline::AppendRequest> appends, Response success, Responder& respond,
             Reservation& reservation) {
    std::uint64_t events = 0;
    for (const pipeline::AppendRequest& append : appends) events += append.events.count();
    auto pending =
        std::make_shared<Pending>(std::move(respond), std::move(success), std::move(reservation),
                                  events, *route_, started_, appends.size());
    for (pipeline::AppendRequest& append : appends) {
      service_.queue_.Append(std::move(append),
                             [&service = service_, pending](const common::Status& status) {
                               if (pending->Done(status)) OnStored(service, *pending);
                             });
    }
  }

  /// After the last append; runs on the queue's thread, or inside Store.
  static void OnStored(IngestService& service, Pending& pending) {
    IngestMetrics& metrics = service.metrics_;
    if (const auto error = pending.TakeError()) {
      const bool overloaded = error->code == common::ErrorCode::kUnavailable;
      pending.response = RefusalForNow(503, overloaded ? "overloaded" : "storage_unavailable",
                                       error->message, service.options_.retry_after_seconds);
    } else {
      metrics.acknowledged.Increment(static_cast<double>(pending.events));
      metrics.batch_events.Observe(static_cast<double>(pending.events));
      metrics.request_seconds.Observe(
          std::chrono::duration<double>(service.clock_.Steady() - pending.started).count());
    }
    metrics.CountRequest(pending.route, pending.response.status);
    pending.reservation.Release();
    pending.respond(std::move(pending.response));
  }

  IngestService& service_;
  ThreadScratch& scratch_;
  std::optional<Route> route_;
  common::SteadyTime started_;
  std::shared_ptr<const pipeline::TenantSnapshot> tenants_;
  Identity identity_;
  std::string tenant_header_;
  Reservation reservation_;
};

IngestService::IngestService(IngestOptions options, const common::Clock& clock,
                             const pipeline::TenantView& tenants, pipeline::EventQueue& queue,
                             Admission& admission, prometheus::Registry& registry)
    : options_(options),
      clock_(clock),
      tenants_(tenants),
      queue_(queue),
      admission_(admission),
      metrics_(registry) {}

std::unique_ptr<common::net::HttpExchange> IngestService::NewExchange() {
  return std::make_unique<IngestExchange>(*this);
}

ThreadScratch& IngestService::ScratchOfThisThread() {
  return scratch_.With([this](auto& by_thread) -> ThreadScratch& {
    auto& slot = by_thread[std::this_thread::get_id()];
    if (slot == nullptr) slot = std::make_unique<ThreadScratch>(options_.limits);
    return *slot;
  });
}

}  // namespace gateway::ingest

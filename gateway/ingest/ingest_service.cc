// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/ingest_service.h"

#include <fmt/format.h>

#include <chrono>
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
    case Identity::Failure::kTenantMissing:
      return Refusal(400, "tenant_missing",
                     "a service key needs the header X-Tenant-Id to say whose event this is");
    case Identity::Failure::kTenantUnknown:
      return Refusal(400, "tenant_unknown",
                     "the tenant that X-Tenant-Id names is not configured here");
    case Identity::Failure::kUnknownKey:
    case Identity::Failure::kNone:
      break;
  }
  return Refusal(401, "invalid_write_key", "An invalid write key was provided");
}

std::vector<pipeline::DeadLetter> ToDeadLetters(std::vector<normalize::Rejection>& rejected,
                                                common::WallTime now) {
  std::vector<pipeline::DeadLetter> letters;
  letters.reserve(rejected.size());
  for (normalize::Rejection& rejection : rejected) {
    letters.push_back({.stage = pipeline::DeadLetterStage::kIngest,
                       .code = std::string(rejection.code),
                       .message = rejection.message,
                       .event = std::move(rejection.event),
                       .http_status = 0,
                       .attempts = 0,
                       .accepted_at = now,
                       .dead_at = now});
  }
  return letters;
}

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
  /// An acknowledgement that waits for the disk.
  struct Pending {
    Responder respond;
    Response response;
    Reservation reservation;
    std::uint64_t events;
    Route route;
    common::SteadyTime started;
  };

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
        if (identity_.tenant == nullptr) return RefuseIdentity(identity_);
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
    const Admission::Account account =
        identity_.tenant == nullptr ? Admission::kNoKey : identity_.tenant->log;
    if (auto refusal = service_.admission_.TryReserve(account, size)) return NoRoom(*refusal);
    reservation_ = Reservation(service_.admission_, account, size);
    return ReadBody{limit};
  }

  Response NoRoom(const Admission::Refusal& refusal) const {
    return RefusalForNow(503, refusal.code, refusal.message, RetryAfter());
  }

  /// The answer, or nothing when the queue gives it later.
  std::optional<Response> Accept(std::string& body, Responder& respond, Reservation& reservation) {
    normalize::Normalizer& normalizer = scratch_.normalizer;
    if (auto parsed = normalizer.Parse(*route_, body); !parsed)
      return RefuseRequest(parsed.error());
    if (identity_.tenant == nullptr) {
      if (auto refusal = CheckBodyKey()) return refusal;
      if (auto refusal = reservation.MoveTo(identity_.tenant->log)) return NoRoom(*refusal);
    }
    const common::WallTime now = service_.clock_.Wall();
    auto built = normalizer.Build(
        {.received_at = now, .random = scratch_.random, .strip_tenant_id = identity_.service_key});
    if (!built) return RefuseRequest(built.error());
    service_.metrics_.CountEvents(*built);
    const std::size_t accepted = built->events.count();
    Response success =
        built->rejected.empty() ? Success() : PartialSuccess(accepted, built->rejected);
    if (identity_.tenant->mode == pipeline::TenantMode::kNotForwarded) {
      service_.metrics_.not_forwarded.Increment(static_cast<double>(accepted));
      return success;
    }
    if (accepted == 0 && built->rejected.empty()) return success;
    Store(std::move(*built), now, std::move(success), respond, reservation);
    return std::nullopt;
  }

  std::optional<Response> CheckBodyKey() {
    const auto key = scratch_.normalizer.write_key();
    if (!key) {
      return Refusal(401, "missing_write_key",
                     "send the write key as the user name of Basic authorization, or as "
                     "\"writeKey\" in the body");
    }
    identity_ = Identify(*tenants_, *key, tenant_header_);
    if (identity_.tenant == nullptr) return RefuseIdentity(identity_);
    return std::nullopt;
  }

  static Response RefuseRequest(const normalize::RequestError& error) {
    return Refusal(error.http_status, error.code, error.message);
  }

  void Store(normalize::Normalized normalized, common::WallTime now, Response success,
             Responder& respond, Reservation& reservation) {
    const std::size_t events = normalized.events.count();
    auto pending = std::make_shared<Pending>(Pending{.respond = std::move(respond),
                                                     .response = std::move(success),
                                                     .reservation = std::move(reservation),
                                                     .events = events,
                                                     .route = *route_,
                                                     .started = started_});
    pipeline::AppendRequest request{.log = identity_.tenant->log,
                                    .received_at = now,
                                    .events = std::move(normalized.events),
                                    .rejected = ToDeadLetters(normalized.rejected, now)};
    service_.queue_.Append(std::move(request),
                           [&service = service_, pending](const common::Status& status) {
                             OnStored(service, *pending, status);
                           });
  }

  /// Runs on the queue's thread.
  static void OnStored(IngestService& service, Pending& pending, const common::Status& status) {
    IngestMetrics& metrics = service.metrics_;
    if (status) {
      metrics.acknowledged.Increment(static_cast<double>(pending.events));
      metrics.batch_events.Observe(static_cast<double>(pending.events));
      metrics.request_seconds.Observe(
          std::chrono::duration<double>(service.clock_.Steady() - pending.started).count());
    } else {
      const bool overloaded = status.error().code == common::ErrorCode::kUnavailable;
      pending.response =
          RefusalForNow(503, overloaded ? "overloaded" : "storage_unavailable",
                        status.error().message, service.options_.retry_after_seconds);
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

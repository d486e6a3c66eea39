// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/ingest_exchange.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "common/net/client_address.h"
#include "common/strings.h"
#include "gateway/ingest/answers.h"
#include "gateway/ingest/ingest_service.h"
#include "gateway/ingest/pixel.h"
#include "gateway/ingest/query.h"
#include "gateway/ingest/sdk_settings.h"

namespace gateway::ingest {

using common::net::ReadBody;
using common::net::RequestHead;
using common::net::Responder;
using common::net::Response;
using normalize::Route;

namespace {

// Of a body that has not come yet: room for the rest is taken as it comes (OnBodyGrows), so
// that nobody holds it by announcing. Most single events need no more.
constexpr std::uint64_t kFirstBodyBytes = 1024;

// Longer waits make clients give up; Segment's cap theirs at the same.
constexpr std::int64_t kMaxRetryAfterSeconds = 300;

std::string_view MethodsOf(Purpose purpose) {
  const bool get = purpose == Purpose::kPixel || purpose == Purpose::kSettings;
  return get ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
}

bool TakesGet(Purpose purpose) {
  return purpose == Purpose::kPixel || purpose == Purpose::kSettings;
}

bool IsType(std::string_view content_type, std::string_view begin) {
  return common::EqualsIgnoreCase(content_type.substr(0, begin.size()), begin);
}

}  // namespace

// ---- The frame ----------------------------------------------------------------------

std::variant<ReadBody, Response> IngestExchange::OnHead(const RequestHead& head) {
  started_ = parts_.clock.Steady();
  gzip_ = false;
  says_form_ = false;
  permit_ = parts_.cross_origin.Permit(head.header("Origin"));
  target_ = FindTarget(head.path);
  auto verdict = CheckHead(head);
  if (auto* refusal = std::get_if<Response>(&verdict)) {
    ForgetCaller();
    return Finish(std::move(*refusal));
  }
  return verdict;
}

std::optional<Response> IngestExchange::OnBodyGrows(std::uint64_t bytes) {
  if (bytes <= reservation_.bytes()) return std::nullopt;
  const auto refusal = reservation_.Resize(bytes);
  if (!refusal) return std::nullopt;
  reservation_.Release();
  return Finish(NoRoom(*refusal));
}

void IngestExchange::OnBody(std::string body, Responder respond) {
  // What is answered at once needs its reservation no longer than this call.
  Reservation reservation = std::move(reservation_);
  if (MaybeRefusal answer = Accept(body, respond, reservation)) {
    reservation.Release();
    respond(Finish(std::move(*answer)));
  }
  ForgetCaller();
}

Response IngestExchange::OnProtocolError(int status, std::string_view why) {
  reservation_.Release();
  // Clients throw events away on a 408, and try a 503 again.
  if (status == 408) return Finish(RefusalForNow(503, "request_timeout", why, RetryAfter()));
  if (status == 503) return Finish(RefusalForNow(503, "too_many_connections", why, RetryAfter()));
  if (status == 413) return Finish(PayloadTooLarge());
  return Finish(Refusal(status, status == 431 ? "header_too_large" : "bad_request", why));
}

Response IngestExchange::Finish(Response response) {
  std::optional<std::size_t> route;
  if (target_) route = RouteIndex(*target_);
  parts_.metrics.CountRequest(route, response.status);
  const bool pixel = target_ && target_->purpose == Purpose::kPixel;
  if (pixel && response.status != 204) {
    // A mail reader shows what comes as a picture; the status helps nobody there.
    const bool close = response.close;
    response = PixelPicture();
    response.close = close;
  }
  if (!permit_.empty() && response.status != 204) CrossOrigin::Allow(permit_, response);
  if (parts_.cross_origin.varies()) response.headers.emplace_back("Vary", "Origin");
  target_.reset();
  permit_.clear();
  return response;
}

/// An idle connection holds on to no snapshot, and to no key. On the connection's thread, and
/// never in Finish, which the queue's thread runs: the count of a snapshot's holders would
/// travel between the two at each request.
void IngestExchange::ForgetCaller() {
  identity_ = {};
  tenants_.reset();
  header_key_.clear();
  body_key_.clear();
}

// ---- By the header ------------------------------------------------------------------

std::variant<ReadBody, Response> IngestExchange::CheckHead(const RequestHead& head) {
  if (!target_) {
    return Refusal(404, "not_found",
                   "there is no such path; events go to POST /v1/track, /v1/identify, "
                   "/v1/group, /v1/page, /v1/screen, /v1/alias, /v1/batch or /v1/import");
  }
  if (head.method == "OPTIONS") return AnswerOptions(head);
  if (auto refusal = CheckMethod(head.method)) return std::move(*refusal);
  NoteClientAddress(head);
  tenants_ = parts_.tenants.Current();
  identity_ = {};
  switch (target_->purpose) {
    case Purpose::kSelfMetrics:
      return Admit(head);
    case Purpose::kSettings:
      return AnswerSettings(head);
    case Purpose::kPixel:
      // Scanners of mails look without wanting to be counted.
      if (head.method == "HEAD") return Success();
      if (auto refusal = ReadPixel(head)) return std::move(*refusal);
      break;
    case Purpose::kEvents:
    case Purpose::kValidate:
      if (auto refusal = CheckForm(head)) return std::move(*refusal);
      break;
  }
  if (auto refusal = CheckCredentials(head)) return std::move(*refusal);
  return Admit(head);
}

/// Segment fills in IPv4 addresses only.
void IngestExchange::NoteClientAddress(const RequestHead& head) {
  const auto& trusted = parts_.options.trusted_proxies;
  std::string forwarded;
  if (!trusted.empty()) forwarded = head.headers("X-Forwarded-For");
  client_ip_ = common::net::ClientAddress(head.remote, forwarded, trusted);
  if (!common::net::IsIpv4(client_ip_)) client_ip_.clear();
}

Response IngestExchange::AnswerOptions(const RequestHead& head) const {
  const std::string_view methods = MethodsOf(target_->purpose);
  if (!permit_.empty()) {
    return CrossOrigin::Preflight(permit_, methods, head.header("Access-Control-Request-Headers"));
  }
  Response response;
  response.status = 204;
  response.headers.emplace_back("Allow", methods);
  return response;
}

Response IngestExchange::AnswerSettings(const RequestHead& head) const {
  const std::string key = DecodeUrl(target_->key, false);
  if (tenants_->FindIngestKey(key).tenant == nullptr) {
    return Refusal(404, "unknown_write_key", "no source has this write key");
  }
  const IngestOptions& options = parts_.options;
  const auto address =
      FindPublicAddress(head, options.public_address, options.trusted_proxies, options.tls);
  if (!address) {
    return Refusal(400, "bad_request",
                   "the Host header is missing or is no host, and nothing else says where this "
                   "gateway is (ingest.public_url)");
  }
  Response response;
  response.body = SdkSettings(key, *address);
  response.headers.emplace_back("Cache-Control", "private, max-age=120");
  return response;
}

IngestExchange::MaybeRefusal IngestExchange::CheckMethod(std::string_view method) const {
  const bool get = TakesGet(target_->purpose);
  if (get ? method == "GET" || method == "HEAD" : method == "POST") return std::nullopt;
  Response response = Refusal(405, "method_not_allowed", get ? "use GET" : "use POST");
  response.headers.emplace_back("Allow", MethodsOf(target_->purpose));
  return response;
}

/// Authenticates by header; without one, the body may hold the key.
IngestExchange::MaybeRefusal IngestExchange::CheckCredentials(const RequestHead& head) {
  tenant_header_ = head.header("X-Tenant-Id");
  Credentials credentials = ParseAuthorization(head.header("Authorization"));
  switch (credentials.kind) {
    case Credentials::Kind::kNone:
      return std::nullopt;
    case Credentials::Kind::kBasic:
      break;
    case Credentials::Kind::kMalformed:
      return Refusal(401, "malformed_authorization",
                     "the Authorization header is not 'Basic base64(key:)'");
    case Credentials::Kind::kUnsupported:
      return Refusal(401, "unsupported_authorization",
                     "only Basic authorization is accepted, with the write key as user name "
                     "and no password");
  }
  identity_ = Identify(*tenants_, credentials.key, tenant_header_);
  if (identity_.failure != Identity::Failure::kNone) return RefuseIdentity(identity_);
  header_key_ = std::move(credentials.key);
  return Throttle();
}

IngestExchange::MaybeRefusal IngestExchange::CheckForm(const RequestHead& head) {
  // JSON under any other name is taken: analytics.js says text/plain, axios calls compressed
  // bytes a urlencoded form, C# says nothing.
  const std::string_view type = head.header("Content-Type");
  if (IsType(type, "multipart/")) {
    return Refusal(415, "unsupported_content_type",
                   "the Content-Type is multipart; send JSON as application/json");
  }
  says_form_ = IsType(type, "application/x-www-form-urlencoded");
  const std::string_view encoding = head.header("Content-Encoding");
  gzip_ =
      common::EqualsIgnoreCase(encoding, "gzip") || common::EqualsIgnoreCase(encoding, "x-gzip");
  if (gzip_ || encoding.empty() || common::EqualsIgnoreCase(encoding, "identity")) {
    return std::nullopt;
  }
  return Refusal(415, "unsupported_content_encoding",
                 "this Content-Encoding is not supported; send the body with gzip, or as it is");
}

IngestExchange::MaybeRefusal IngestExchange::ReadPixel(const RequestHead& head) {
  common::Result<std::string> event = PixelEvent(head.query);
  if (!event) return Refusal(400, "invalid_pixel", event.error().message);
  pixel_body_ = *std::move(event);
  return std::nullopt;
}

std::uint64_t IngestExchange::BodyLimit() const {
  const normalize::Limits& limits = parts_.options.limits;
  const bool batch = target_->purpose == Purpose::kValidate ||
                     (target_->purpose == Purpose::kEvents && target_->call == Route::kBatch);
  return batch ? limits.max_batch_bytes : limits.max_event_bytes;
}

std::variant<ReadBody, Response> IngestExchange::Admit(const RequestHead& head) {
  const bool pixel = target_->purpose == Purpose::kPixel;
  const std::uint64_t limit = pixel ? 0 : BodyLimit();
  std::uint64_t size = head.content_length.value_or(head.chunked ? limit : 0);
  if (size > limit) return PayloadTooLarge();
  size = pixel ? pixel_body_.size() : std::min(size, kFirstBodyBytes);
  const Admission::Account account = AccountOf(identity_);
  // Nothing of an SDK's own metrics is stored, so the store's troubles are none of theirs.
  auto refusal = target_->purpose == Purpose::kSelfMetrics
                     ? parts_.admission.TryGrow(account, 0, size)
                     : parts_.admission.TryReserve(account, size);
  if (refusal) return NoRoom(*refusal);
  reservation_ = Reservation(parts_.admission, account, size);
  return ReadBody{limit};
}

// ---- Limits -------------------------------------------------------------------------

IngestExchange::MaybeRefusal IngestExchange::Throttle() const {
  if (const auto excess = parts_.limits.Check(identity_, started_)) return TooMany(*excess);
  return std::nullopt;
}

Response IngestExchange::TooMany(const TrafficLimits::Excess& excess) const {
  parts_.metrics.CountThrottled(excess.limit);
  // A bucket says a nanosecond more than it needs; that is not worth a second.
  const common::Duration wait = excess.wait - std::chrono::microseconds(1);
  const std::int64_t seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
  return RefusalForNow(
      429, excess.limit, excess.message,
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(seconds, 1, kMaxRetryAfterSeconds)));
}

Response IngestExchange::RefuseIdentity(const Identity& identity) {
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

Admission::Account IngestExchange::AccountOf(const Identity& identity) {
  if (identity.tenant != nullptr) return identity.tenant->log;
  return identity.service != nullptr ? Admission::kServiceKeys : Admission::kNoKey;
}

Response IngestExchange::NoRoom(const Admission::Refusal& refusal) const {
  parts_.metrics.CountShed(refusal.reason);
  return RefusalForNow(503, refusal.code, refusal.message, RetryAfter());
}

std::uint32_t IngestExchange::RetryAfter() const { return parts_.options.retry_after_seconds; }

}  // namespace gateway::ingest

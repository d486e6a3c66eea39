// SPDX-License-Identifier: Apache-2.0
//
// IngestExchange, the second half: what becomes of a request when its body is there.
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/ingest/acknowledgement.h"
#include "gateway/ingest/answers.h"
#include "gateway/ingest/dry_run.h"
#include "gateway/ingest/ingest_exchange.h"
#include "gateway/ingest/ingest_service.h"

namespace gateway::ingest {

using common::net::Responder;
using common::net::Response;

namespace {

constexpr std::string_view kQueueFull =
    "too many events wait for the disk; nothing was acknowledged, send the request again";
constexpr std::string_view kStoreRefuses =
    "events cannot be stored right now; nothing was acknowledged, send the request again";

// What an event grows by is not worth a look at the account.
constexpr std::size_t kUnaccountedBytes = 4096;

// What curl -d sends unless it is told otherwise.
constexpr std::string_view kFormHint =
    "; the Content-Type says that this is a form, send JSON as application/json";

Response RefuseRequest(const normalize::RequestError& error) {
  return Refusal(error.http_status, error.code, error.message);
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

}  // namespace

IngestExchange::MaybeRefusal IngestExchange::Accept(std::string& body, Responder& respond,
                                                    Reservation& reservation) {
  if (target_->purpose == Purpose::kSelfMetrics) return Success();
  if (target_->purpose == Purpose::kPixel) body = std::move(pixel_body_);
  if (gzip_) {
    if (auto refusal = Inflate(body, reservation)) return refusal;
  }
  if (auto refusal = Parse(body)) return refusal;
  if (!identity_.known()) {
    if (auto refusal = IdentifyByBody(reservation)) return refusal;
  }
  const common::WallTime now = parts_.clock.Wall();
  const Recipients::IsClosed is_closed = [this](const pipeline::Tenant& tenant) {
    return parts_.limits.BacklogIsFull(tenant);
  };
  const Recipients recipients(identity_, *tenants_, is_closed);
  if (target_->purpose == Purpose::kValidate) {
    return AnswerDryRun(recipients, body.size(), reservation);
  }

  auto built = scratch_.normalizer.Build(ContextFor(recipients, now));
  if (!built) return RefuseRequest(built.error());
  NoteForeignKey(*built);
  const Shares shares = CountShares(*built, recipients.slots());
  if (const auto excess = parts_.limits.Charge(identity_, recipients, shares, started_)) {
    return TooMany(*excess);
  }
  parts_.metrics.CountRejected(*built);
  if (auto refusal = CheckStrictness(*built, recipients, shares)) return refusal;
  parts_.metrics.CountEvents(*built);
  if (auto refusal = AccountFor(*built, body.size(), reservation)) return refusal;
  Response answer = AnswerTo(*built);
  std::vector<pipeline::AppendRequest> appends = ToAppends(*built, recipients, now);
  if (appends.empty()) return answer;
  Store(std::move(appends), std::move(answer), respond, reservation);
  return std::nullopt;
}

/// A batch whose context is copied into each event becomes much more than came in, and stays
/// until it is on disk.
IngestExchange::MaybeRefusal IngestExchange::AccountFor(const normalize::Normalized& normalized,
                                                        std::size_t body_bytes,
                                                        Reservation& reservation) const {
  std::size_t bytes = normalized.events.bytes.capacity();
  for (const normalize::ElsewhereBlock& block : normalized.elsewhere) {
    bytes += block.events.bytes.capacity();
  }
  if (bytes <= 2 * body_bytes + kUnaccountedBytes) return std::nullopt;
  if (auto refusal = reservation.Resize(bytes)) return NoRoom(*refusal);
  return std::nullopt;
}

IngestExchange::MaybeRefusal IngestExchange::Inflate(std::string& body,
                                                     Reservation& reservation) const {
  const std::uint64_t limit = BodyLimit();
  common::Result<std::string> inflated =
      scratch_.gunzipper.Inflate(body, limit, normalize::Normalizer::kPadding);
  if (!inflated) return Refusal(400, "invalid_gzip", inflated.error().message);
  if (inflated->size() > limit) return PayloadTooLarge();
  if (auto refusal = reservation.Resize(inflated->size())) return NoRoom(*refusal);
  body = *std::move(inflated);
  return std::nullopt;
}

IngestExchange::MaybeRefusal IngestExchange::Parse(std::string& body) {
  if (auto parsed = scratch_.normalizer.Parse(target_->call, body); !parsed) {
    if (says_form_) parsed.error().message += kFormHint;
    return RefuseRequest(parsed.error());
  }
  body_key_ = scratch_.normalizer.write_key().value_or("");
  return std::nullopt;
}

IngestExchange::MaybeRefusal IngestExchange::IdentifyByBody(Reservation& reservation) {
  if (body_key_.empty()) {
    return Refusal(401, "missing_write_key",
                   "send the write key as the user name of Basic authorization, or as "
                   "\"writeKey\" in the body");
  }
  identity_ = Identify(*tenants_, body_key_, tenant_header_);
  if (identity_.failure != Identity::Failure::kNone) return RefuseIdentity(identity_);
  header_key_ = body_key_;
  if (auto refusal = Throttle()) return refusal;
  if (auto refusal = reservation.MoveTo(AccountOf(identity_))) return NoRoom(*refusal);
  return std::nullopt;
}

normalize::RequestContext IngestExchange::ContextFor(const Recipients& recipients,
                                                     common::WallTime now) {
  const bool ignores = identity_.service != nullptr &&
                       identity_.service->unknown_tenant == pipeline::UnknownTenant::kIgnore;
  return {.received_at = now,
          .random = scratch_.random,
          .own = recipients.own(),
          .tenant_of = recipients.resolver(),
          .ignore_unknown_tenant = ignores,
          .client_ip = client_ip_,
          .client_side = target_->client_side};
}

/// To a request whose good events are stored. A single call for nobody is refused aloud, and
/// kept all the same.
Response IngestExchange::AnswerTo(const normalize::Normalized& normalized) const {
  if (normalized.rejected.empty()) return Success();
  const normalize::Rejection& first = normalized.rejected.front();
  const bool single = !scratch_.normalizer.is_batch();
  if (single && !first.slot) return Refusal(400, first.code, first.message);
  return PartialSuccess(normalized.count(), normalized.rejected);
}

IngestExchange::MaybeRefusal IngestExchange::AnswerDryRun(const Recipients& recipients,
                                                          std::size_t body_bytes,
                                                          Reservation& reservation) {
  DryRun dry_run(recipients);
  const normalize::ItemObserver observer = [&](const normalize::ItemReport& report) {
    dry_run.Add(report);
  };
  normalize::RequestContext context = ContextFor(recipients, parts_.clock.Wall());
  context.observer = &observer;
  auto built = scratch_.normalizer.Build(context);
  if (!built) return RefuseRequest(built.error());
  NoteForeignKey(*built);
  const Shares shares = CountShares(*built, recipients.slots());
  if (const auto excess = parts_.limits.Charge(identity_, recipients, shares, started_)) {
    return TooMany(*excess);
  }
  const MaybeRefusal strict = CheckStrictness(*built, recipients, shares);
  if (auto refusal = AccountFor(*built, body_bytes, reservation)) return refusal;
  Response answer = dry_run.Answer(strict ? strict->status : AnswerTo(*built).status, *built);
  // It is as large as the events, and a client may take its time to read it.
  if (auto refusal = reservation.Resize(answer.body.size())) return NoRoom(*refusal);
  answer.held = std::make_shared<Reservation>(std::move(reservation));
  return answer;
}

void IngestExchange::NoteForeignKey(normalize::Normalized& normalized) const {
  if (body_key_.empty() || body_key_ == header_key_) return;
  normalized.Add(normalize::Note::kForeignWriteKey);
}

/// A request is strict when it is all of one tenant that is. Where several share it, the
/// fault of one must not cost the others their events.
IngestExchange::MaybeRefusal IngestExchange::CheckStrictness(
    const normalize::Normalized& normalized, const Recipients& recipients,
    const Shares& shares) const {
  const std::optional<std::uint32_t> only = shares.Only();
  const pipeline::Tenant* tenant = only ? recipients.tenant(*only) : nullptr;
  if (normalized.rejected.empty() || tenant == nullptr || !tenant->strict) return std::nullopt;
  return StrictRefusal(normalized.count() + normalized.rejected.size(), normalized.rejected);
}

/// What each tenant's log gets; counts what is not stored. A refused event is kept with
/// its tenant, or with the service that sent it for nobody.
std::vector<pipeline::AppendRequest> IngestExchange::ToAppends(normalize::Normalized& normalized,
                                                               const Recipients& recipients,
                                                               common::WallTime now) {
  std::vector<pipeline::AppendRequest> by_slot(recipients.slots());
  pipeline::AppendRequest nobodys;
  by_slot[0].events = std::move(normalized.events);
  for (normalize::ElsewhereBlock& block : normalized.elsewhere) {
    by_slot[block.slot].events = std::move(block.events);
  }
  for (normalize::Rejection& rejection : normalized.rejected) {
    pipeline::AppendRequest& to = rejection.slot ? by_slot[*rejection.slot] : nobodys;
    to.rejected.push_back(ToDeadLetter(rejection, now));
  }
  std::vector<pipeline::AppendRequest> appends;
  const auto add = [&](pipeline::AppendRequest& request, pipeline::LogId log) {
    if (request.events.count() == 0 && request.rejected.empty()) return;
    request.log = log;
    request.received_at = now;
    appends.push_back(std::move(request));
  };
  for (std::uint32_t slot = 0; slot < by_slot.size(); ++slot) {
    const pipeline::Tenant* tenant = recipients.tenant(slot);
    if (tenant == nullptr || tenant->mode == pipeline::TenantMode::kNotForwarded) {
      CountUnstored(tenant, by_slot[slot].events.count());
      continue;
    }
    by_slot[slot].dedupe = tenant->dedupe;
    add(by_slot[slot], tenant->log);
  }
  if (identity_.service != nullptr) add(nobodys, identity_.service->log);
  return appends;
}

void IngestExchange::CountUnstored(const pipeline::Tenant* tenant, std::size_t events) {
  if (events == 0) return;
  IngestMetrics& metrics = parts_.metrics;
  (tenant != nullptr ? metrics.not_forwarded : metrics.nobodys)
      .Increment(static_cast<double>(events));
}

/// One append a tenant, and one answer when the last of them is done.
void IngestExchange::Store(std::vector<pipeline::AppendRequest> appends, Response success,
                           Responder& respond, Reservation& reservation) {
  std::uint64_t events = 0;
  for (const pipeline::AppendRequest& append : appends) events += append.events.count();
  // The responder keeps the connection, and the connection this exchange.
  auto waiting = std::make_shared<Acknowledgement>(
      appends.size(), std::move(respond), std::move(success), std::move(reservation),
      [this, events](Response prepared, std::optional<common::Error> error) {
        return Conclude(std::move(prepared), events, std::move(error));
      });
  for (pipeline::AppendRequest& append : appends) {
    parts_.queue.Append(std::move(append),
                        [waiting](const common::Status& status) { waiting->Done(status); });
  }
}

/// After the last append; runs on the queue's thread, or inside Store.
Response IngestExchange::Conclude(Response success, std::uint64_t events,
                                  std::optional<common::Error> error) {
  if (error) {
    const bool overloaded = error->code == common::ErrorCode::kUnavailable;
    // The store's own words are for the operator: /readyz and the log have them.
    return Finish(RefusalForNow(503, overloaded ? "overloaded" : "storage_unavailable",
                                overloaded ? kQueueFull : kStoreRefuses, RetryAfter()));
  }
  IngestMetrics& metrics = parts_.metrics;
  metrics.acknowledged.Increment(static_cast<double>(events));
  metrics.batch_events.Observe(static_cast<double>(events));
  metrics.request_seconds.Observe(
      std::chrono::duration<double>(parts_.clock.Steady() - started_).count());
  return Finish(std::move(success));
}

}  // namespace gateway::ingest

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/clock.h"
#include "common/gzip.h"
#include "common/net/http_server.h"
#include "common/random.h"
#include "gateway/ingest/admission.h"
#include "gateway/ingest/authenticate.h"
#include "gateway/ingest/cross_origin.h"
#include "gateway/ingest/ingest_metrics.h"
#include "gateway/ingest/recipients.h"
#include "gateway/ingest/routes.h"
#include "gateway/ingest/traffic_limits.h"
#include "gateway/normalize/normalizer.h"
#include "gateway/pipeline/event_queue.h"
#include "gateway/pipeline/tenant_view.h"

namespace gateway::ingest {

struct IngestOptions;

/// What one io thread keeps from request to request.
struct ThreadScratch {
  explicit ThreadScratch(const normalize::Limits& limits) : normalizer(limits) {}
  normalize::Normalizer normalizer;
  common::FastRandom random;
  common::Gunzipper gunzipper;
};

/// What all exchanges share; everything outlives them.
struct IngestParts {
  const IngestOptions& options;
  const common::Clock& clock;
  const pipeline::TenantView& tenants;
  pipeline::EventQueue& queue;
  Admission& admission;
  IngestMetrics& metrics;
  TrafficLimits& limits;
  const CrossOrigin& cross_origin;
};

/// One connection; one request at a time. What may be refused is refused by the header:
/// path, method, key, limits, room. The rest is decided when the body is there.
class IngestExchange final : public common::net::HttpExchange {
 public:
  IngestExchange(const IngestParts& parts, ThreadScratch& scratch)
      : parts_(parts), scratch_(scratch) {}

  std::variant<common::net::ReadBody, common::net::Response> OnHead(
      const common::net::RequestHead& head) override;
  std::optional<common::net::Response> OnBodyGrows(std::uint64_t bytes) override;
  void OnBody(std::string body, common::net::Responder respond) override;
  common::net::Response OnProtocolError(int status, std::string_view why) override;

 private:
  using Response = common::net::Response;
  using MaybeRefusal = std::optional<Response>;

  /// The last touch to every answer: counts it, tells browsers that they may read it, and
  /// turns a pixel's into a picture. The request is over then.
  Response Finish(Response response);
  void ForgetCaller();

  // By the header.
  std::variant<common::net::ReadBody, Response> CheckHead(const common::net::RequestHead& head);
  void NoteClientAddress(const common::net::RequestHead& head);
  Response AnswerOptions(const common::net::RequestHead& head) const;
  Response AnswerSettings(const common::net::RequestHead& head) const;
  MaybeRefusal CheckMethod(std::string_view method) const;
  MaybeRefusal CheckCredentials(const common::net::RequestHead& head);
  MaybeRefusal CheckForm(const common::net::RequestHead& head);
  MaybeRefusal ReadPixel(const common::net::RequestHead& head);
  std::variant<common::net::ReadBody, Response> Admit(const common::net::RequestHead& head);
  std::uint64_t BodyLimit() const;

  // By the body (ingest_body.cc).
  /// The answer, or nothing when the queue gives it later.
  MaybeRefusal Accept(std::string& body, common::net::Responder& respond, Reservation& reservation);
  MaybeRefusal AccountFor(const normalize::Normalized& normalized, std::size_t body_bytes,
                          Reservation& reservation) const;
  MaybeRefusal Inflate(std::string& body, Reservation& reservation) const;
  MaybeRefusal Parse(std::string& body);
  MaybeRefusal IdentifyByBody(Reservation& reservation);
  MaybeRefusal AnswerDryRun(const Recipients& recipients, std::size_t body_bytes,
                            Reservation& reservation);
  Response AnswerTo(const normalize::Normalized& normalized) const;
  void NoteForeignKey(normalize::Normalized& normalized) const;
  normalize::RequestContext ContextFor(const Recipients& recipients, common::WallTime now);
  MaybeRefusal CheckStrictness(const normalize::Normalized& normalized,
                               const Recipients& recipients, const Shares& shares) const;
  std::vector<pipeline::AppendRequest> ToAppends(normalize::Normalized& normalized,
                                                 const Recipients& recipients,
                                                 common::WallTime now);
  void CountUnstored(const pipeline::Tenant* tenant, std::size_t events);
  void Store(std::vector<pipeline::AppendRequest> appends, Response success,
             common::net::Responder& respond, Reservation& reservation);
  Response Conclude(Response success, std::uint64_t events, std::optional<common::Error> error);

  // Limits.
  MaybeRefusal Throttle() const;
  Response TooMany(const TrafficLimits::Excess& excess) const;
  static Response RefuseIdentity(const Identity& identity);
  static Admission::Account AccountOf(const Identity& identity);
  Response NoRoom(const Admission::Refusal& refusal) const;
  std::uint32_t RetryAfter() const;

  const IngestParts& parts_;
  ThreadScratch& scratch_;

  // Of the request at hand.
  std::optional<Target> target_;
  common::SteadyTime started_;
  std::shared_ptr<const pipeline::TenantSnapshot> tenants_;
  Identity identity_;
  std::string header_key_;
  std::string tenant_header_;
  std::string body_key_;    ///< The writeKey of the body, if it has one.
  std::string permit_;      ///< For Access-Control-Allow-Origin; empty without a permit.
  std::string client_ip_;   ///< Of an IPv4 client, else empty.
  std::string pixel_body_;  ///< The event of a pixel's query.
  bool gzip_ = false;
  bool says_form_ = false;
  Reservation reservation_;
};

}  // namespace gateway::ingest

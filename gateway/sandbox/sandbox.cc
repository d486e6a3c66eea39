// SPDX-License-Identifier: Apache-2.0
#include "gateway/sandbox/sandbox.h"

#include <optional>
#include <utility>
#include <variant>

#include "common/guarded.h"
#include "common/gzip.h"
#include "common/strings.h"
#include "gateway/sandbox/control.h"
#include "gateway/sandbox/faults.h"
#include "gateway/sandbox/held_answers.h"
#include "gateway/sandbox/store.h"
#include "gateway/sandbox/tracking.h"

namespace gateway::sandbox {
namespace {

using common::net::HttpExchange;
using common::net::HttpServer;
using common::net::ReadBody;
using common::net::RequestHead;
using common::net::Responder;
using common::net::Response;

constexpr std::string_view kTrackingPrefix = "/v1/";
constexpr std::string_view kTooLarge = "Exceed payload limit";
// More than Segment takes, so that a client that sends too much reads its 400 on a
// connection that lives on.
constexpr std::size_t kMaxBodyBytes = 4UL * 1024 * 1024;
constexpr std::size_t kMaxKeptText = 256;

common::net::ServerOptions ServerOptionsOf(const SandboxOptions& options) {
  return {.address = options.address,
          .port = options.port,
          .max_connections = 4096,
          .max_header_bytes = 64UL * 1024,
          .idle_timeout = std::chrono::minutes(5),
          .header_timeout = std::chrono::seconds(30),
          .body_timeout = std::chrono::seconds(60),
          .write_timeout = std::chrono::seconds(60),
          .drain_bytes = 1024UL * 1024};
}

Response Refusal(int status, std::string_view message) {
  Response response{.status = status, .body = R"({"success":false,"message":)", .headers = {}};
  common::AppendJsonString(response.body, message);
  response.body += '}';
  return response;
}

Response Success() { return Response{.body = R"({"success":true})", .headers = {}}; }

Response Reset() { return Response{.body = {}, .headers = {}, .reset = true}; }

std::string Kept(std::string_view text) {
  return std::string(common::Truncate(text, kMaxKeptText));
}

/// What all connections share.
struct Shared {
  Shared(const SandboxOptions& sandbox_options, const common::Clock& sandbox_clock)
      : options(sandbox_options),
        clock(sandbox_clock),
        store({sandbox_options.max_events_kept, sandbox_options.max_bytes_kept,
               sandbox_options.discard, sandbox_options.write_keys}),
        faults(sandbox_options.seed),
        control(store, faults, held, sandbox_options.discard) {}

  const SandboxOptions options;
  const common::Clock& clock;
  Store store;
  common::Guarded<FaultState> faults;
  HeldAnswers held;
  Control control;
};

/// One connection.
class Exchange final : public HttpExchange {
 public:
  explicit Exchange(Shared& shared) : shared_(shared) {}

  std::variant<ReadBody, Response> OnHead(const RequestHead& head) override {
    head_ = &head;
    control_ = Control::Owns(head.path);
    if (control_) return ReadBody{kMaxBodyBytes};
    route_ = FindRoute(head.path);
    header_key_ = KeyFromAuthorization(head.header("Authorization")).value_or("");
    BeginRecord(head);
    if (!route_) {
      return RefuseAtHead(404, head.path.substr(0, kTrackingPrefix.size()) == kTrackingPrefix
                                   ? "Not Found: the Tracking API has no such path"
                                   : "Not Found: try /v1/batch, or GET /sandbox/ for help");
    }
    if (head.method != "POST") {
      Response refusal = RefuseAtHead(405, "Method Not Allowed: use POST");
      refusal.headers.emplace_back("Allow", "POST");
      return refusal;
    }
    const auto fault = shared_.faults.With([&](FaultState& state) {
      return state.engine.empty() ? std::nullopt
                                  : state.engine.DecideAtHead(header_key_, state.random);
    });
    if (fault) {
      record_.fault = fault->id;
      Finish({}, 0, /*taken=*/false);
      return Reset();
    }
    const std::string_view encoding = head.header("Content-Encoding");
    gzip_ = common::EqualsIgnoreCase(encoding, "gzip");
    if (!gzip_ && !encoding.empty() && !common::EqualsIgnoreCase(encoding, "identity")) {
      return RefuseAtHead(415, "Unsupported Content-Encoding: send gzip or none");
    }
    return ReadBody{kMaxBodyBytes};
  }

  void OnBody(std::string body, Responder respond) override {
    if (control_) {
      return shared_.control.Handle(head_->method, head_->path, head_->query, body,
                                    std::move(respond));
    }
    record_.bytes = body.size();
    Reading reading = Read(std::move(body));
    std::vector<std::string> ids;
    const auto fault = shared_.faults.With([&](FaultState& state) -> std::optional<Fault> {
      if (state.engine.empty()) return std::nullopt;
      for (const ReceivedEvent& event : reading.events) ids.push_back(event.message_id);
      return state.engine.Decide(reading.write_key, ids, state.random);
    });
    if (fault) record_.fault = fault->id;
    record_.auth = AuthName(reading.key_in_body);
    Answer(std::move(reading), fault, std::move(respond));
  }

  Response OnProtocolError(int status, std::string_view why) override {
    if (control_) return ControlError(status, "bad_request", why);
    if (status == 413) return RefuseAtHead(400, kTooLarge);
    return Refusal(status, why);
  }

 private:
  void BeginRecord(const RequestHead& head) {
    record_ = RequestRecord{};
    record_.received_at = shared_.clock.Wall();
    record_.method = Kept(head.method);
    record_.path = Kept(head.path);
    record_.write_key = Kept(header_key_);
    record_.auth = AuthName(/*key_in_body=*/false);
    record_.user_agent = Kept(head.header("User-Agent"));
    record_.content_type = Kept(head.header("Content-Type"));
    record_.content_encoding = Kept(head.header("Content-Encoding"));
    record_.retry_count_header = Kept(head.header("X-Retry-Count"));
  }

  std::string AuthName(bool key_in_body) const {
    const std::string_view header = head_->header("Authorization");
    if (common::EqualsIgnoreCase(header.substr(0, 7), "Bearer ")) return "bearer";
    if (!header_key_.empty()) return key_in_body ? "basic+body" : "basic";
    return key_in_body ? "body" : "none";
  }

  Response RefuseAtHead(int status, std::string_view message) {
    record_.message = message;
    Finish({}, status, /*taken=*/false);
    return Refusal(status, message);
  }

  Reading Read(std::string body) {
    if (gzip_) {
      auto inflated = gunzipper_.Inflate(body, kMaxRequestBytes, common::net::kBodyPadding);
      if (!inflated) {
        Reading failed;
        failed.error = inflated.error().message;
        failed.write_key = header_key_;
        return failed;
      }
      body = *std::move(inflated);
    }
    return ReadRequest(*route_, body, record_.received_at,
                       {.header_key = header_key_,
                        .strict_write_keys = shared_.options.strict_write_keys,
                        .count_only = shared_.options.discard});
  }

  void Answer(Reading reading, const std::optional<Fault>& fault, Responder respond) {
    const auto delay = fault ? fault->delay : std::chrono::milliseconds(0);
    Response response = Success();
    bool taken = true;
    if (fault && !fault->takes_events()) {
      taken = false;
      response = fault->action == FaultAction::kAnswer ? Injected(*fault) : Reset();
    } else if (!reading.error.empty()) {
      taken = false;
      record_.message = reading.error;
      response = Refusal(400, reading.error);
    } else if (fault && fault->action == FaultAction::kDropResponse) {
      response = Reset();
    } else if (fault && fault->status != 0) {
      response = Injected(*fault);
    }
    Finish(std::move(reading), response.reset ? 0 : response.status, taken);
    if (delay.count() == 0) return respond(std::move(response));
    shared_.held.Delay(std::move(respond), delay, std::move(response));
  }

  static Response Injected(const Fault& fault) {
    Response response = fault.status < 300 ? Success() : Refusal(0, "injected by the sandbox");
    response.status = fault.status;
    if (!fault.body.empty()) response.body = fault.body;
    if (!fault.retry_after.empty()) response.headers.emplace_back("Retry-After", fault.retry_after);
    return response;
  }

  void Finish(Reading reading, int status, bool taken) {
    record_.status = status;
    record_.sent_at = reading.sent_at ? std::optional(Kept(*reading.sent_at)) : std::nullopt;
    if (!reading.write_key.empty()) record_.write_key = Kept(reading.write_key);
    record_.batch_code = reading.batch_code;
    record_.events = reading.event_count;
    shared_.store.Record(std::move(record_), std::move(reading), taken);
    record_ = RequestRecord{};
    shared_.held.Wake();
  }

  Shared& shared_;
  const RequestHead* head_ = nullptr;
  bool control_ = false;
  bool gzip_ = false;
  std::optional<Route> route_;
  std::string header_key_;
  common::Gunzipper gunzipper_;
  RequestRecord record_;
};

class SandboxImpl final : public Sandbox, private common::net::HttpService {
 public:
  SandboxImpl(const SandboxOptions& options, const common::Clock& clock)
      : shared_(options, clock) {}

  common::Status Listen(std::vector<boost::asio::io_context*> contexts,
                        const common::net::ServerCertificate* tls) {
    auto server =
        HttpServer::Listen(std::move(contexts), ServerOptionsOf(shared_.options), *this, tls);
    if (!server) return tl::unexpected(server.error());
    server_ = *std::move(server);
    return common::Ok();
  }

  std::uint16_t port() const override { return server_->port(); }
  void Start() override { server_->Start(); }
  void Stop(std::function<void()> done) override {
    server_->Stop(std::move(done));
    shared_.held.Close();
  }
  void Abort() override {
    shared_.held.Close();
    server_->Abort();
  }

 private:
  std::unique_ptr<HttpExchange> NewExchange() override {
    return std::make_unique<Exchange>(shared_);
  }

  Shared shared_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace

common::Result<std::unique_ptr<Sandbox>> Sandbox::Create(
    std::vector<boost::asio::io_context*> contexts, const SandboxOptions& options,
    const common::Clock& clock, const common::net::ServerCertificate* tls) {
  auto sandbox = std::make_unique<SandboxImpl>(options, clock);
  if (const common::Status listening = sandbox->Listen(std::move(contexts), tls); !listening) {
    return tl::unexpected(listening.error());
  }
  return sandbox;
}

}  // namespace gateway::sandbox

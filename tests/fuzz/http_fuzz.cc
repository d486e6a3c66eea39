// SPDX-License-Identifier: Apache-2.0
//
// The ingest from a connection's bytes to its answers and what is stored. The input is what a
// client sends, as it is.
#include <fmt/format.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/gzip.h"
#include "common/random.h"
#include "common/strings.h"
#include "gateway/ingest/ingest_service.h"
#include "tests/support/converse.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_queue.h"

namespace {

using common::net::HttpExchange;
using common::net::HttpService;
using common::net::ReadBody;
using common::net::RequestHead;
using common::net::Responder;
using common::net::Response;
using gateway::ingest::IngestService;
using gateway::pipeline::TenantSnapshot;
using nlohmann::json;
using tests::Conversation;

constexpr std::string_view kTenantKey = "acme-ingest-key";
constexpr std::string_view kServiceKey = "backend-service-key";
constexpr std::uint64_t kMaxBody = 1000;

void Require(bool condition, std::string_view what) {
  if (condition) return;
  std::fprintf(stderr, "broken: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

// ---- The gateway -----------------------------------------------------------------------

class FixedTenants final : public gateway::pipeline::TenantView {
 public:
  explicit FixedTenants(tests::MemoryQueue& queue) {
    std::vector<gateway::pipeline::Tenant> tenants;
    for (const char* id : {"acme", "other"}) {
      gateway::pipeline::Tenant tenant;
      tenant.id = id;
      tenant.log = queue.OpenLog(id)->log;
      if (tenants.empty()) {
        tenant.ingest_keys = {{.key = common::Secret(std::string(kTenantKey))}};
      }
      tenants.push_back(std::move(tenant));
    }
    snapshot_ = std::make_shared<TenantSnapshot>(
        std::move(tenants), std::vector<gateway::pipeline::ServiceKey>{
                                {.name = "backend",
                                 .log = queue.OpenLog("service:backend")->log,
                                 .key = common::Secret(std::string(kServiceKey))}});
  }
  std::shared_ptr<const TenantSnapshot> Current() const override { return snapshot_; }

 private:
  std::shared_ptr<const TenantSnapshot> snapshot_;
};

/// A gateway that has seen nothing yet.
struct Gateway {
  tests::FakeClock clock{};
  tests::MemoryQueue queue{};
  FixedTenants tenants{queue};
  prometheus::Registry registry{};
  gateway::ingest::Admission admission{1 << 20, [] { return std::nullopt; }};
  IngestService service{{.limits = {.max_event_bytes = kMaxBody / 2,
                                    .max_batch_events = 5,
                                    .max_batch_bytes = kMaxBody,
                                    .max_merged_bytes = 2 * kMaxBody,
                                    .max_message_id_chars = 100,
                                    .max_depth = 16},
                         .retry_after_seconds = 3,
                         .allowed_origins = {"*"}},
                        clock,
                        tenants,
                        queue,
                        admission,
                        registry};

  std::uint64_t Stored() const {
    std::uint64_t events = 0;
    for (const auto& tenant : tenants.Current()->tenants()) {
      const auto state = queue.State(tenant.log);
      events += state.tail - state.cursor.next();
    }
    return events;
  }
};

common::net::ServerOptions Options() {
  return {.address = {},
          .port = 0,
          .max_connections = 1,
          .max_header_bytes = 1024,
          .idle_timeout = {},
          .header_timeout = {},
          .body_timeout = {},
          .write_timeout = {},
          .drain_bytes = 200};
}

// ---- What the ingest said, before it became bytes --------------------------------------

struct Answered {
  bool head_request = false;
  int status = 0;
};

bool IsPixel(std::string_view path) { return path.starts_with("/v1/pixel/"); }
bool IsDryRun(std::string_view path) { return path.starts_with("/v1/validate"); }

/// The events of a request that was taken whole, by reading it a second time; nullopt when
/// this model cannot tell.
std::optional<std::uint64_t> EventsOf(std::string_view path, std::string_view body, bool gzip) {
  std::string inflated;
  if (gzip) {
    auto text = common::Gunzipper().Inflate(body, 2 * kMaxBody, 0);
    if (!text) return std::nullopt;
    inflated = *std::move(text);
    body = inflated;
  }
  while (path.ends_with('/')) path.remove_suffix(1);
  if (IsPixel(path)) return std::nullopt;  // It says nothing.
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const auto is = [&](std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, name) != names.end();
  };
  if (is({"track", "identify", "group", "page", "screen", "alias", "t", "i", "g", "p", "s", "a"})) {
    return 1;
  }
  if (!is({"batch", "import", "b"})) return 0;
  const json model = json::parse(body, nullptr, false);
  if (!model.is_object() || !model.contains("batch")) return std::nullopt;
  return model["batch"].size();
}

/// Stands between the session and the ingest: each answer against what was stored for it.
class Witness final : public HttpService {
 public:
  explicit Witness(Gateway& gateway) : gateway_(gateway) {}
  std::unique_ptr<HttpExchange> NewExchange() override {
    return std::make_unique<Exchange>(*this, gateway_.service.NewExchange());
  }
  const std::vector<Answered>& answered() const { return answered_; }

 private:
  class Sink final : public Responder::Sink {
   public:
    Sink(std::function<void(const Response&)> look, Responder inner)
        : look_(std::move(look)), inner_(std::move(inner)) {}
    void Answer(Response response) override {
      look_(response);
      inner_(std::move(response));
    }
    boost::asio::any_io_executor Executor() override { return inner_.executor(); }

   private:
    const std::function<void(const Response&)> look_;
    Responder inner_;
  };

  class Exchange final : public HttpExchange {
   public:
    Exchange(Witness& witness, std::unique_ptr<HttpExchange> inner)
        : witness_(witness), inner_(std::move(inner)) {}

    std::variant<ReadBody, Response> OnHead(const RequestHead& head) override {
      head_ = &head;
      auto verdict = inner_->OnHead(head);
      if (const auto* read = std::get_if<ReadBody>(&verdict)) {
        Require(read->max_bytes <= kMaxBody, "a body is bounded");
      } else {
        witness_.Saw(std::get<Response>(verdict), head.method == "HEAD");
      }
      return verdict;
    }

    void OnBody(std::string body, Responder respond) override {
      Require(body.capacity() >= body.size() + common::net::kBodyPadding, "a body has padding");
      const bool gzip = common::EqualsIgnoreCase(head_->header("Content-Encoding"), "gzip");
      const auto events = EventsOf(head_->path, body, gzip);
      const std::uint64_t before = witness_.gateway_.Stored();
      const bool head_request = head_->method == "HEAD";
      const std::string path(head_->path);
      auto look = [this, path, events, before, head_request](const Response& response) {
        CheckStored(path, response, events, witness_.gateway_.Stored() - before);
        witness_.Saw(response, head_request);
      };
      inner_->OnBody(std::move(body), Responder(std::make_shared<Sink>(look, std::move(respond))));
    }

    Response OnProtocolError(int status, std::string_view why) override {
      Response response = inner_->OnProtocolError(status, why);
      witness_.Saw(response, head_ != nullptr && head_->method == "HEAD");
      return response;
    }

   private:
    /// Accepted is stored, and nothing else is.
    static void CheckStored(std::string_view path, const Response& response,
                            std::optional<std::uint64_t> events, std::uint64_t stored) {
      if (IsPixel(path)) return Require(stored <= 1, "a pixel is one event");
      if (IsDryRun(path)) return Require(stored == 0, "a dry run stores nothing");
      if (response.status != 200) return Require(stored == 0, "what is refused is not stored");
      const json answer = json::parse(response.body, nullptr, false);
      if (!answer.is_object()) return Require(stored == 0, "only JSON answers acknowledge");
      if (answer.contains("accepted")) {
        return Require(answer["accepted"] == stored, "as many are stored as were accepted");
      }
      if (events) Require(*events == stored, "a request that was accepted is stored whole");
    }

    Witness& witness_;
    const std::unique_ptr<HttpExchange> inner_;
    const RequestHead* head_ = nullptr;
  };

  void Saw(const Response& response, bool head_request) {
    answered_.push_back({head_request, response.status});
  }

  Gateway& gateway_;
  std::vector<Answered> answered_;
};

// ---- What the client got ---------------------------------------------------------------

std::string_view TakeLine(std::string_view& text) {
  const std::size_t end = text.find("\r\n");
  Require(end != std::string_view::npos, "an answer's header is whole");
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 2);
  return line;
}

struct Head {
  int status = 0;
  std::size_t length = 0;
  std::string type{};
  bool retry_after = false;
};

Head TakeHead(std::string_view& text) {
  const std::string_view start = TakeLine(text);
  Require(start.starts_with("HTTP/1.1 ") && start.size() >= 13 && start[12] == ' ',
          "an answer starts with a status");
  Head head;
  head.status = std::atoi(std::string(start.substr(9, 3)).c_str());
  for (std::string_view line = TakeLine(text); !line.empty(); line = TakeLine(text)) {
    const std::size_t colon = line.find(": ");
    Require(colon != std::string_view::npos && colon > 0, "a header has name and value");
    const std::string_view name = line.substr(0, colon);
    const std::string value(line.substr(colon + 2));
    if (name == "Content-Length") head.length = std::strtoull(value.c_str(), nullptr, 10);
    if (name == "Content-Type") head.type = value;
    if (name == "Retry-After") head.retry_after = std::atoi(value.c_str()) >= 1;
  }
  return head;
}

void CheckBody(const Head& head, std::string_view body) {
  Require(body.size() == head.length, "the length is the body's");
  if (body.empty() || head.type == "image/gif") return;
  Require(head.type.starts_with("application/json"), "an answer is JSON");
  const json answer = json::parse(body, nullptr, false);
  Require(answer.is_object(), "an answer is a JSON object");
  if (head.status < 400) return;
  Require(answer.value("success", true) == false, "an error says so");
  for (const char* key : {"code", "message", "error"}) {
    Require(!answer.value(key, std::string()).empty(), "errors speak");
  }
}

void CheckAnswers(std::string_view sent, const std::vector<Answered>& answered) {
  for (const Answered& expected : answered) {
    Head head = TakeHead(sent);
    while (head.status == 100) head = TakeHead(sent);
    Require(head.status == expected.status, "answers come in order");
    static constexpr int kStatuses[] = {200, 204, 400, 401, 403, 404, 405,
                                        411, 413, 415, 429, 431, 503};
    Require(std::ranges::find(kStatuses, head.status) != std::end(kStatuses), "a known status");
    Require((head.status != 429 && head.status != 503) || head.retry_after, "says when to retry");
    if (expected.head_request) continue;
    Require(sent.size() >= head.length, "an answer is whole");
    CheckBody(head, sent.substr(0, head.length));
    sent.remove_prefix(head.length);
  }
  Require(sent.empty() || sent == "HTTP/1.1 100 Continue\r\n\r\n", "nothing else is sent");
}

struct Outcome {
  std::string sent;
  std::uint64_t stored = 0;
};

Outcome Run(std::string_view bytes, const std::vector<std::size_t>& sizes) {
  Gateway gateway;
  Witness witness(gateway);
  Conversation conversation = tests::Converse(witness, Options(), bytes, sizes);
  Require(conversation.closed, "every connection ends");
  Require(!conversation.reset, "every request is answered");
  Require(gateway.admission.in_flight_bytes() == 0, "every reservation is given back");
  CheckAnswers(conversation.sent, witness.answered());
  // The settings name the key that was asked for, and no service's.
  const bool settings = bytes.find("/v1/projects/") != std::string_view::npos;
  for (const std::string_view key : {kTenantKey, kServiceKey}) {
    if (settings && key == kTenantKey) continue;
    Require(conversation.sent.find(key) == std::string::npos, "no answer holds a key");
  }
  return {std::move(conversation.sent), gateway.Stored()};
}

/// A client whose body is there already is not told to go on and send it.
std::string WithoutContinue(std::string sent) {
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  for (std::size_t at = 0; (at = sent.find(kContinue, at)) != std::string::npos;) {
    sent.erase(at, kContinue.size());
  }
  return sent;
}

/// A dry run shows the ids that it makes up.
std::string WithoutIds(std::string sent) {
  static constexpr std::string_view kId = R"("messageId":")";
  for (std::size_t at = 0; (at = sent.find(kId, at)) != std::string::npos;) {
    at += kId.size();
    sent.erase(at, std::min(sent.find('"', at), sent.size()) - at);
  }
  return sent;
}

void RequireSame(const std::string& whole, const std::string& cut) {
  if (WithoutIds(WithoutContinue(whole)) == WithoutIds(WithoutContinue(cut))) return;
  std::fprintf(stderr, "at once:\n%s\nin pieces:\n%s\n", whole.c_str(), cut.c_str());
  Require(false, "the answers do not depend on how the bytes are cut");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Outcome whole = Run(bytes, {});
  common::FastRandom random(std::hash<std::string_view>()(bytes));
  std::vector<std::size_t> pieces;
  for (int i = 0; i < 10; ++i) pieces.push_back(1 + random.Next() % 200);
  for (const auto& sizes : {std::vector<std::size_t>{1}, pieces}) {
    const Outcome cut = Run(bytes, sizes);
    RequireSame(whole.sent, cut.sent);
    Require(cut.stored == whole.stored, "nor does what is stored");
  }
  return 0;
}

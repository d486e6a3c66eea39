// SPDX-License-Identifier: Apache-2.0
#include "gateway/observe/admin_service.h"

#include <fmt/format.h>
#include <prometheus/text_serializer.h>

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/strings.h"

namespace gateway::observe {
namespace {

using common::net::ReadBody;
using common::net::RequestHead;
using common::net::Responder;
using common::net::Response;

constexpr std::uint64_t kMaxBodyBytes = 64 * 1024;

Response Error(int status, std::string_view code, std::string_view message) {
  Response response;
  response.status = status;
  response.body = R"({"error":{"code":)";
  common::AppendJsonString(response.body, code);
  response.body += R"(,"message":)";
  common::AppendJsonString(response.body, message);
  response.body += "}}";
  return response;
}

Response Ready(const Health& health) {
  Response response;
  const std::vector<std::string> reasons = health.NotReadyReasons();
  response.status = reasons.empty() ? 200 : 503;
  response.body = fmt::format(R"({{"ready":{},"reasons":[)", reasons.empty());
  bool first = true;
  for (const std::string& reason : reasons) {
    if (!first) response.body += ',';
    first = false;
    common::AppendJsonString(response.body, reason);
  }
  response.body += "]}";
  return response;
}

class AdminExchange final : public common::net::HttpExchange {
 public:
  AdminExchange(const Health& health, const AdminService::Collect& collect)
      : health_(health), collect_(collect) {}

  std::variant<ReadBody, Response> OnHead(const RequestHead& head) override {
    const bool known = head.path == "/livez" || head.path == "/readyz" || head.path == "/metrics";
    if (!known) {
      return Error(404, "not_found", "this listener has /livez, /readyz and /metrics");
    }
    if (head.method != "GET" && head.method != "HEAD") {
      Response response = Error(405, "method_not_allowed", "use GET");
      response.headers.emplace_back("Allow", "GET, HEAD");
      return response;
    }
    path_ = head.path;
    return ReadBody{kMaxBodyBytes};
  }

  void OnBody(std::string, Responder respond) override { respond(Answer()); }

  Response OnProtocolError(int status, std::string_view why) override {
    return Error(status == 408 ? 503 : status, "bad_request", why);
  }

 private:
  Response Answer() {
    Response response;
    if (path_ == "/readyz") return Ready(health_);
    if (path_ == "/livez") {
      response.body = R"({"live":true})";
      return response;
    }
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = prometheus::TextSerializer().Serialize(collect_());
    return response;
  }

  const Health& health_;
  const AdminService::Collect& collect_;
  std::string_view path_;
};

}  // namespace

std::unique_ptr<common::net::HttpExchange> AdminService::NewExchange() {
  return std::make_unique<AdminExchange>(health_, collect_);
}

}  // namespace gateway::observe

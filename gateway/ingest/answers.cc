// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/answers.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "common/strings.h"

namespace gateway::ingest {

using common::net::Response;

namespace {

void AppendRejected(std::string& body, const std::vector<normalize::Rejection>& rejected) {
  body += R"("rejected":[)";
  bool first = true;
  for (const normalize::Rejection& rejection : rejected) {
    if (!first) body += ',';
    first = false;
    fmt::format_to(std::back_inserter(body), R"({{"index":{},"code":)", rejection.index);
    common::AppendJsonString(body, rejection.code);
    body += R"(,"message":)";
    common::AppendJsonString(body, rejection.message);
    body += '}';
  }
  body += ']';
}

}  // namespace

Response Success() {
  Response response;
  response.body = R"({"success":true})";
  return response;
}

Response PartialSuccess(std::uint64_t accepted, const std::vector<normalize::Rejection>& rejected) {
  Response response;
  response.body = fmt::format(R"({{"success":true,"accepted":{},)", accepted);
  AppendRejected(response.body, rejected);
  response.body += '}';
  return response;
}

Response StrictRefusal(std::uint64_t events, const std::vector<normalize::Rejection>& rejected) {
  const normalize::Rejection& first = rejected.front();
  const bool alone = events == 1;
  Response response = Refusal(
      400, alone ? first.code : "events_refused",
      alone ? first.message
            : fmt::format("{} of {} events were refused, so nothing was stored (strict mode)",
                          rejected.size(), events));
  response.body.back() = ',';
  AppendRejected(response.body, rejected);
  response.body += '}';
  return response;
}

Response Refusal(int status, std::string_view code, std::string_view message) {
  Response response;
  response.status = status;
  std::string& body = response.body;
  body = R"({"success":false,"code":)";
  common::AppendJsonString(body, code);
  body += R"(,"message":)";
  common::AppendJsonString(body, message);
  body += R"(,"error":)";
  common::AppendJsonString(body, message);
  body += '}';
  return response;
}

Response PayloadTooLarge() { return Refusal(400, "payload_too_large", "Exceed payload limit"); }

Response RefusalForNow(int status, std::string_view code, std::string_view message,
                       std::uint32_t retry_after_seconds) {
  Response response = Refusal(status, code, message);
  const std::string seconds = std::to_string(retry_after_seconds);
  response.headers.emplace_back("Retry-After", seconds);
  if (status == 429) response.headers.emplace_back("X-RateLimit-Reset", seconds);
  return response;
}

}  // namespace gateway::ingest

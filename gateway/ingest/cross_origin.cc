// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/cross_origin.h"

#include <algorithm>
#include <utility>

#include "common/strings.h"

namespace gateway::ingest {
namespace {

// A "*" would not cover Authorization.
constexpr std::string_view kUsualHeaders = "authorization, content-type, x-retry-count";
// What browsers cap it to is less; until then they ask before each call.
constexpr std::string_view kMaxAgeSeconds = "86400";

bool IsHeaderList(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == ',' || c == ' ';
  });
}

}  // namespace

CrossOrigin::CrossOrigin(std::vector<std::string> allowed)
    : allowed_(std::move(allowed)), all_(std::ranges::find(allowed_, "*") != allowed_.end()) {}

std::string_view CrossOrigin::Permit(std::string_view origin) const {
  if (origin.empty()) return {};
  if (all_) return "*";
  const bool listed = std::ranges::any_of(allowed_, [&](const std::string& allowed) {
    return common::EqualsIgnoreCase(allowed, origin);
  });
  return listed ? origin : std::string_view();
}

common::net::Response CrossOrigin::Preflight(std::string_view permit, std::string_view methods,
                                             std::string_view headers) {
  common::net::Response response;
  response.status = 204;
  const bool echo = !headers.empty() && IsHeaderList(headers);
  response.headers = {{"Access-Control-Allow-Methods", std::string(methods)},
                      {"Access-Control-Allow-Headers", std::string(echo ? headers : kUsualHeaders)},
                      {"Access-Control-Max-Age", std::string(kMaxAgeSeconds)}};
  Allow(permit, response);
  return response;
}

void CrossOrigin::Allow(std::string_view permit, common::net::Response& response) {
  response.headers.emplace_back("Access-Control-Allow-Origin", permit);
  response.headers.emplace_back("Access-Control-Expose-Headers", "Retry-After, X-RateLimit-Reset");
}

}  // namespace gateway::ingest

// SPDX-License-Identifier: Apache-2.0
#include "gateway/deliver/https_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/http/error.hpp>
#include <boost/none.hpp>
#include <iterator>

#include "common/strings.h"

namespace gateway::deliver {

using pipeline::Endpoint;
using pipeline::OutgoingRequest;

std::string BuildRequestHead(const OutgoingRequest& request) {
  const Endpoint& endpoint = *request.endpoint;
  std::string head;
  head.reserve(512);
  const auto out = std::back_inserter(head);
  const bool ipv6 = endpoint.host.find(':') != std::string::npos;
  fmt::format_to(out, "POST {}{} HTTP/1.1\r\nHost: {}{}{}", endpoint.base_path, request.path,
                 ipv6 ? "[" : "", endpoint.host, ipv6 ? "]" : "");
  if (endpoint.port != (endpoint.tls ? 443 : 80)) fmt::format_to(out, ":{}", endpoint.port);
  fmt::format_to(out,
                 "\r\nUser-Agent: segment-gateway/" GW_VERSION
                 "\r\nAuthorization: Basic {}"
                 "\r\nContent-Type: application/json\r\n",
                 common::Base64Encode(request.basic_user.Reveal() + ":"));
  if (request.retry_count > 0) fmt::format_to(out, "X-Retry-Count: {}\r\n", request.retry_count);
  fmt::format_to(out, "Content-Length: {}\r\n\r\n", request.body.size());
  return head;
}

ResponseParser::ResponseParser() {
  header_limit(kResponseHeaderLimit);
  body_limit(boost::none);  // Counted here: the answer is good even when its body is too long.
  eager(true);
}

void ResponseParser::on_response_impl(int status, string_view, int, error_code&) {
  response_.status = status;
}

void ResponseParser::on_field_impl(boost::beast::http::field name, string_view name_text,
                                   string_view value, error_code&) {
  const auto keep_first = [&](std::string& field) {
    if (field.empty()) field.assign(value.data(), value.size());
  };
  if (name == boost::beast::http::field::retry_after) {
    keep_first(response_.retry_after);
  } else if (common::EqualsIgnoreCase({name_text.data(), name_text.size()}, "X-RateLimit-Reset")) {
    keep_first(response_.rate_limit_reset);
  }
}

std::size_t ResponseParser::on_body_impl(string_view body, error_code& error) {
  const std::size_t kept = std::min(body.size(), kKeptBody - response_.body.size());
  response_.body.append(body.data(), kept);
  discarded_ += body.size() - kept;
  if (discarded_ > kDiscardedBody) {
    body_too_long_ = true;
    error = boost::beast::http::error::body_limit;
  }
  return body.size();
}

std::size_t ResponseParser::on_chunk_body_impl(std::uint64_t, string_view body, error_code& error) {
  return on_body_impl(body, error);
}

}  // namespace gateway::deliver

// SPDX-License-Identifier: Apache-2.0
#include "gateway/deliver/classify.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <limits>
#include <string>
#include <string_view>

#include "common/strings.h"

namespace gateway::deliver {
namespace {

using pipeline::Hold;
using pipeline::HoldReason;
using pipeline::IncomingResponse;
using pipeline::Outcome;
using pipeline::Retry;
using pipeline::RetryCause;
using pipeline::Split;

constexpr std::size_t kExcerptBytes = 256;

bool ContainsIgnoreCase(std::string_view text, std::string_view part) {
  for (std::size_t i = 0; i + part.size() <= text.size(); ++i) {
    if (common::EqualsIgnoreCase(text.substr(i, part.size()), part)) return true;
  }
  return false;
}

Split MakeSplit(const IncomingResponse& response) {
  // Whatever stands between us and Segment may answer in any encoding; what is stored and
  // logged of it is text.
  return Split{response.status, common::RepairUtf8(common::Truncate(response.body, kExcerptBytes))};
}

Outcome BadRequest(const IncomingResponse& response) {
  // "An invalid write key was provided": the key is wrong, not the events.
  if (ContainsIgnoreCase(response.body, "write key") ||
      ContainsIgnoreCase(response.body, "writekey")) {
    return Hold{HoldReason::kWriteKeyRefused, response.status};
  }
  return MakeSplit(response);
}

Retry MakeRetry(RetryCause cause, const IncomingResponse& response, const ClassifyPolicy& policy,
                common::WallTime now) {
  auto after = ParseRetryAfter(response.retry_after, policy.max_retry_after, now);
  if (!after) after = ParseRetryAfter(response.rate_limit_reset, policy.max_retry_after, now);
  return Retry{cause, after};
}

Outcome ClassifyResponse(const IncomingResponse& response, const ClassifyPolicy& policy,
                         common::WallTime now) {
  const int status = response.status;
  if (status >= 200 && status < 300) return pipeline::Delivered{};
  if (status < 400) return Hold{HoldReason::kEndpointWrong, status};
  switch (status) {
    case 400:
      return BadRequest(response);
    case 401:
    case 403:
      return Hold{HoldReason::kWriteKeyRefused, status};
    case 404:
    case 501:
    case 505:
    case 511:  // A proxy wants to be paid first: no answer of Segment without OAuth.
      return Hold{HoldReason::kEndpointWrong, status};
    case 408:
    case 410:
    case 460:
      return MakeRetry(RetryCause::kServerError, response, policy, now);
    case 429:
      return MakeRetry(RetryCause::kThrottled, response, policy, now);
    default:
      break;
  }
  if (status < 500) return MakeSplit(response);
  return MakeRetry(RetryCause::kServerError, response, policy, now);
}

/// Seconds from `now` to an RFC 9110 IMF-fixdate, the one form that is sent today. In
/// seconds: nanoseconds end in the year 2262, and a header may name any.
std::optional<std::int64_t> SecondsUntilHttpDate(const std::string& value, common::WallTime now) {
  std::tm parts{};
  const char* end = strptime(value.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return timegm(&parts) - std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
}

}  // namespace

pipeline::Outcome Classify(const pipeline::TransportReply& reply, const ClassifyPolicy& policy,
                           common::WallTime now) {
  if (const auto* response = std::get_if<IncomingResponse>(&reply)) {
    return ClassifyResponse(*response, policy, now);
  }
  return Retry{RetryCause::kTransport, std::nullopt};
}

schedule::EndpointSign SignOf(const pipeline::TransportReply& reply) {
  using schedule::EndpointSign;
  if (const auto* failure = std::get_if<pipeline::TransportFailure>(&reply)) {
    return failure->error == pipeline::TransportError::kCancelled ? EndpointSign::kNone
                                                                  : EndpointSign::kBad;
  }
  const int status = std::get<IncomingResponse>(reply).status;
  switch (status) {
    case 404:  // Not Segment's API: wrong for everybody.
    case 408:
    case 410:
    case 460:
      return EndpointSign::kBad;
    default:
      break;
  }
  const bool refuses_everybody = (status >= 300 && status < 400) || status >= 500;
  return refuses_everybody ? EndpointSign::kBad : EndpointSign::kGood;
}

std::optional<common::Duration> ParseRetryAfter(std::string_view value, common::Duration max,
                                                common::WallTime now) {
  if (value.empty()) return std::nullopt;
  std::int64_t seconds = 0;
  const auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  const bool whole = stop == value.data() + value.size();
  if (error == std::errc::result_out_of_range && whole && value[0] != '-') {
    seconds = std::numeric_limits<std::int64_t>::max();
  } else if (error == std::errc() && whole) {
    if (seconds < 0) return std::nullopt;
  } else {
    const auto until = SecondsUntilHttpDate(std::string(value), now);
    if (!until) return std::nullopt;
    seconds = *until;
  }
  const std::int64_t longest = std::chrono::floor<std::chrono::seconds>(max).count();
  return std::chrono::seconds(
      std::clamp<std::int64_t>(seconds, 1, std::max<std::int64_t>(longest, 1)));
}

}  // namespace gateway::deliver

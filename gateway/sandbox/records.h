// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "gateway/sandbox/verdict.h"

namespace gateway::sandbox {

/// An event that the sandbox has taken, as it is kept.
struct EventRecord {
  std::uint64_t n = 0;  ///< 1, 2, 3, … in the order of arrival, over all keys.
  std::uint64_t request = 0;
  common::WallTime received_at{};
  std::string write_key;
  std::string path;
  std::int64_t retry_count = 0;
  std::optional<std::string> sent_at;
  std::optional<common::WallTime> timestamp;
  std::string type;
  std::string message_id;
  std::string user_id;
  Verdict verdict = Verdict::kAccepted;
  std::string raw;
};

/// One request to the Tracking API, answered or not.
struct RequestRecord {
  std::uint64_t n = 0;
  common::WallTime received_at{};
  std::string method;
  std::string path;
  std::string write_key;
  std::string auth;  ///< "basic", "body", "basic+body", "bearer" or "none".
  std::string user_agent;
  std::string content_type;
  std::string content_encoding;
  std::string retry_count_header;  ///< X-Retry-Count as it came; "" when absent.
  std::optional<std::string> sent_at;
  std::uint64_t bytes = 0;  ///< Of the body as it came, so compressed when it was.
  int status = 0;           ///< 0: reset without an answer.
  std::string message;      ///< Of a refusal.
  std::string fault;        ///< Id of the rule that was applied.
  std::string batch_code;
  std::uint64_t events = 0;
  std::uint64_t accepted = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t dropped = 0;
  std::vector<std::string> message_ids;  ///< In order; "" for an event without one.

  /// X-Retry-Count as a number; 0 when it is absent, -1 when it is not a number.
  std::int64_t retry_count() const;
};

/// One line of JSON with its line break.
void AppendLine(std::string& out, const EventRecord& record);
void AppendLine(std::string& out, const RequestRecord& record);

/// A filter of the lists, from a query string. An empty text filters nothing.
struct Filter {
  std::string write_key;
  std::string type;
  std::string verdict;
  std::string message_id;
  std::string user_id;
  std::optional<int> status;
  std::uint64_t after = 0;
  std::uint64_t limit = UINT64_MAX;
  bool follow = false;
  std::uint64_t wait_ms = 10'000;

  bool Matches(const EventRecord& record) const;
  bool Matches(const RequestRecord& record) const;
};

/// "write_key=a&after=3", percent-encoded. kInvalidArgument names what is wrong and lists
/// what there is.
common::Result<Filter> ParseFilter(std::string_view query);

/// "a%20b+c" -> "a b c"; a malformed escape stays as it is.
std::string PercentDecode(std::string_view text);

}  // namespace gateway::sandbox

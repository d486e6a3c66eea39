// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "gateway/sandbox/verdict.h"

namespace gateway::sandbox {

/// Segment's documented limits, in bytes; a request may be one batch.
inline constexpr std::size_t kMaxRequestBytes = 512'000;
inline constexpr std::size_t kMaxEventBytes = 32'768;
inline constexpr std::size_t kMaxBatchEvents = 2'500;

/// What a path of the Tracking API means.
struct Route {
  enum class Kind { kSingle, kBatch, kMetrics };
  Kind kind = Kind::kSingle;
  std::string_view type;  ///< "track" …; empty for kBatch and kMetrics.
};

/// "/v1/track", "/v1/t", "/v1/batch/", …; nullopt when Segment has no such path.
std::optional<Route> FindRoute(std::string_view path);

/// The write key of "Authorization: Basic …" (the user; the colon may be missing).
/// nullopt when there is no such header or it cannot be decoded.
std::optional<std::string> KeyFromAuthorization(std::string_view header);

/// Whether Segment would look the key up at all. `strict`: 32 letters and digits, as
/// Segment issues them; else any printable ASCII without spaces, so that tests may use
/// keys that a person can read.
bool IsWellFormedKey(std::string_view key, bool strict);

/// One event of a request.
struct ReceivedEvent {
  std::string raw;  ///< As it came, byte for byte, but on one line.
  std::string type;
  std::string message_id;  ///< Empty when none.
  std::string user_id;     ///< Or the anonymousId; empty when neither is a string.
  std::optional<common::WallTime> timestamp;  ///< What Segment would store.
  Verdict verdict = Verdict::kAccepted;
};

/// What the sandbox reads out of a request's body.
struct Reading {
  std::string error;  ///< Empty, or Segment's message for its 400.
  std::string write_key;
  bool key_in_body = false;
  std::optional<std::string> sent_at;  ///< As it came.
  std::string batch_code;              ///< "empty_batch", "batch_too_large" or "".
  std::size_t event_count = 0;
  std::vector<ReceivedEvent> events;  ///< Empty when only counting, or on an error.
};

struct ReadOptions {
  std::string_view header_key = {};  ///< Wins over the body's.
  bool strict_write_keys = false;
  bool count_only = false;  ///< Trust the body, only count its events: for benchmarks.
};

/// Checks and takes apart a body (inflated already), as Segment would on `received_at`.
/// `body` has kBodyPadding bytes of capacity behind its end.
Reading ReadRequest(const Route& route, const std::string& body, common::WallTime received_at,
                    const ReadOptions& options);

}  // namespace gateway::sandbox

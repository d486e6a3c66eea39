// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// Every messageId of the benchmark is this byte, twelve hex digits of the event's number,
/// and a tail as long as the ids of Segment's own libraries. The byte appears nowhere else in
/// a request, so the sink finds and tells events apart with one memchr each.
constexpr char kIdMark = '~';
constexpr std::size_t kIdDigits = 12;

/// One track call as Segment's Node library puts it into a batch, of about 700 bytes; `seed`
/// varies the values in it, so that a thousand of them compress as those of a shop would.
/// Its id has the number 0.
std::string EventText(std::uint64_t seed);

/// One keep-alive request of track events as a Node service sends them, built once; what
/// differs from request to request is written in place. Not thread-safe.
class RequestTemplate {
 public:
  /// `events` 0 is a single POST /v1/track, else a batch of that many; `seed` varies the
  /// values in the events.
  RequestTemplate(int events, int seed);

  /// The tenant's ingest key, the time of sending (24 bytes as FormatTimestamp writes them)
  /// and the events' numbers from `first_id` on.
  void Prepare(std::string_view authorization, std::string_view sent_at, std::uint64_t first_id);

  std::string_view bytes() const { return bytes_; }
  std::size_t body_bytes() const { return body_bytes_; }

 private:
  std::string bytes_;
  std::size_t body_bytes_ = 0;
  std::size_t authorization_ = 0;
  std::size_t sent_at_ = 0;
  std::vector<std::size_t> ids_;
};

/// What follows "Basic " for the ingest key of tenant `number`: as long for every tenant.
std::string Authorization(std::uint32_t number);

/// "bench-ingest-000007", the key that the gateway's configuration has to name.
std::string IngestKey(std::uint32_t number);

/// The number in the id that starts at `at` (its mark); the digits must be there.
std::uint64_t ReadId(const char* at);

}  // namespace bench

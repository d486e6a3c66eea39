// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/load/corpus.h"

#include <fmt/format.h>

#include <array>
#include <chrono>

#include "common/clock.h"
#include "common/strings.h"

namespace bench {
namespace {

constexpr std::string_view kNoTime = "2026-01-01T00:00:00.000Z";

/// 24 bytes that Prepare replaces.
std::string Now() {
  return common::FormatTimestamp(
      std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now()));
}

/// One track call, of about 700 bytes in a batch and 763 alone.
std::string Event(int i) {
  return fmt::format(
      R"({{"timestamp":"{}","integrations":{{}},"event":"Order Completed",)"
      R"("type":"track","properties":{{"orderId":"o-{:06}","total":{}.95,"currency":"EUR","coupon":null,)"
      R"("products":[{{"sku":"G-32","name":"Monopoly: 3rd Edition","price":19,"quantity":1}},)"
      R"({{"sku":"F-32","name":"Catan","price":37.5,"quantity":2}}],"firstPurchase":false}},)"
      R"("context":{{"library":{{"name":"@segment/analytics-node","version":"3.1.0"}},)"
      R"("page":{{"path":"/checkout/done","referrer":"","title":"Thank you"}},"locale":"de-DE"}},)"
      R"("userId":"user-{:08}","messageId":"{}{:012x}-2d46b3a1-9c0e-4f57-8a3b-0d9a7e5b6c{:02}",)"
      R"("_metadata":{{"nodeVersion":"v20.11.0","jsRuntime":"node"}}}})",
      Now(), i % 1000000, 10 + i % 90, i * 7919 % 100000000, kIdMark, 0, i % 100);
}

std::string Body(int events, int seed) {
  if (events == 0) {
    std::string event = Event(seed);
    event.pop_back();
    return event + fmt::format(R"(,"sentAt":"{}"}})", kNoTime);
  }
  std::string body = R"({"batch":[)";
  for (int i = 0; i < events; ++i) {
    if (i > 0) body += ',';
    body += Event(seed * 1000 + i);
  }
  return body + fmt::format(R"(],"sentAt":"{}"}})", kNoTime);
}

}  // namespace

RequestTemplate::RequestTemplate(int events, int seed) {
  const std::string body = Body(events, seed);
  const std::string authorization = Authorization(0);
  bytes_ = fmt::format(
      "POST /v1/{} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: analytics-node/3.1.0\r\n"
      "Content-Type: application/json\r\nAuthorization: Basic ",
      events == 0 ? "track" : "batch");
  authorization_ = bytes_.size();
  bytes_ += fmt::format("{}\r\nContent-Length: {}\r\n\r\n", authorization, body.size());
  bytes_ += body;
  body_bytes_ = body.size();
  sent_at_ = bytes_.rfind(kNoTime);
  for (std::size_t at = bytes_.find(kIdMark); at != std::string::npos;
       at = bytes_.find(kIdMark, at + 1)) {
    ids_.push_back(at + 1);
  }
}

void RequestTemplate::Prepare(std::string_view authorization, std::string_view sent_at,
                              std::uint64_t first_id) {
  static constexpr std::array<char, 16> kHex{'0', '1', '2', '3', '4', '5', '6', '7',
                                             '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};
  authorization.copy(bytes_.data() + authorization_, authorization.size());
  sent_at.copy(bytes_.data() + sent_at_, kNoTime.size());
  for (const std::size_t at : ids_) {
    std::uint64_t rest = first_id++;
    for (std::size_t digit = kIdDigits; digit-- > 0; rest >>= 4)
      bytes_[at + digit] = kHex[rest & 15];
  }
}

std::string Authorization(std::uint32_t number) {
  return common::Base64Encode(IngestKey(number) + ":");
}

std::string IngestKey(std::uint32_t number) { return fmt::format("bench-ingest-{:06}", number); }

std::uint64_t ReadId(const char* at) {
  std::uint64_t id = 0;
  for (std::size_t i = 1; i <= kIdDigits; ++i) {
    const auto digit = static_cast<unsigned char>(at[i]);
    id = id << 4 | (digit <= '9' ? digit - unsigned{'0'} : digit - unsigned{'a'} + 10);
  }
  return id;
}

}  // namespace bench

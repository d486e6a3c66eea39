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

struct Product {
  std::string_view sku;
  std::string_view name;
  std::string_view price;
};
constexpr std::array<Product, 8> kProducts{{{"G-32", "Monopoly: 3rd Edition", "19"},
                                            {"F-32", "Catan", "37.5"},
                                            {"A-07", "Chair, oak, natural oil", "129"},
                                            {"K-11", "Espresso cups, six", "24.9"},
                                            {"T-90", "Running shoes 42", "89.95"},
                                            {"B-15", "The Trial, paperback", "9"},
                                            {"L-28", "Desk lamp", "45"},
                                            {"W-54", "Wool blanket, grey", "74"}}};
constexpr std::array<std::string_view, 4> kPaths{"/checkout/done", "/de/kasse/fertig",
                                                 "/app/orders", "/fr/commande"};
constexpr std::array<std::string_view, 4> kLocales{"de-DE", "en-GB", "fr-FR", "en-US"};

/// Numbers without a pattern, the same in each run (splitmix64).
std::uint64_t Mix(std::uint64_t n) {
  n += 0x9e3779b97f4a7c15;
  n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9;
  n = (n ^ (n >> 27)) * 0x94d049bb133111eb;
  return n ^ (n >> 31);
}

std::string Body(int events, int seed) {
  if (events == 0) {
    std::string event = EventText(static_cast<std::uint64_t>(seed));
    event.pop_back();
    return event + fmt::format(R"(,"sentAt":"{}"}})", kNoTime);
  }
  std::string body = R"({"batch":[)";
  for (int i = 0; i < events; ++i) {
    if (i > 0) body += ',';
    body += EventText(static_cast<std::uint64_t>(seed) * 1000 + static_cast<std::uint64_t>(i));
  }
  return body + fmt::format(R"(],"sentAt":"{}"}})", kNoTime);
}

}  // namespace

std::string EventText(std::uint64_t seed) {
  const std::uint64_t mixed = Mix(seed);
  const std::uint64_t uuid = Mix(mixed);
  const Product& first = kProducts[mixed % 8];
  const Product& second = kProducts[mixed / 8 % 8];
  return fmt::format(
      R"({{"timestamp":"{}","integrations":{{}},"event":"Order Completed",)"
      R"("type":"track","properties":{{"orderId":"o-{:06}","total":{}.95,"currency":"EUR","coupon":null,)"
      R"("products":[{{"sku":"{}","name":"{}","price":{},"quantity":1}},)"
      R"({{"sku":"{}","name":"{}","price":{},"quantity":{}}}],"firstPurchase":{}}},)"
      R"("context":{{"library":{{"name":"@segment/analytics-node","version":"3.1.0"}},)"
      R"("page":{{"path":"{}","referrer":"","title":"Thank you"}},"locale":"{}"}},)"
      R"("userId":"user-{:08}","messageId":"{}{:012x}-{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",)"
      R"("_metadata":{{"nodeVersion":"v20.11.0","jsRuntime":"node"}}}})",
      Now(), mixed % 1'000'000, 10 + mixed / 64 % 90, first.sku, first.name, first.price,
      second.sku, second.name, second.price, 1 + mixed / 512 % 4, mixed / 2048 % 2 == 0,
      kPaths[mixed / 4096 % 4], kLocales[mixed / 16384 % 4], mixed / 65536 % 100'000'000, kIdMark,
      0, uuid & 0xffffffff, uuid >> 32 & 0xffff, uuid >> 48 & 0xfff, uuid >> 52 & 0xfff,
      Mix(uuid) & 0xffffffffffff);
}

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

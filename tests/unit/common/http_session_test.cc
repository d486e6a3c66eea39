// SPDX-License-Identifier: Apache-2.0
//
// What a connection answers, whatever the pieces in which the bytes come.
#include "common/net/http_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tests/support/converse.h"
#include "tests/support/memory_stream.h"
#include "tests/unit/common/http_server_fixture.h"

namespace common::net {
namespace {

using tests::Conversation;

/// Status codes of what the server sent, in order: "200 401".
std::string Statuses(const std::string& sent) {
  std::string all;
  for (std::size_t at = 0; (at = sent.find("HTTP/1.1 ", at)) != std::string::npos; at += 9) {
    if (at > 0 && sent.compare(at - 1, 1, " ") == 0) continue;  // Quoted in a message.
    all += (all.empty() ? "" : " ") + sent.substr(at + 9, 3);
  }
  return all;
}

/// What the server answers to `bytes`; the same for every way to cut them.
std::string Answer(FakeService& service, const ServerOptions& options, std::string_view bytes) {
  const Conversation whole = tests::Converse(service, options, bytes, {});
  EXPECT_TRUE(whole.closed) << bytes.substr(0, 100);
  for (const std::size_t first : {1UL, 2UL, 7UL, 40UL, 100UL, 4096UL}) {
    for (const std::size_t size : {1UL, 3UL, 1000UL}) {
      const Conversation cut = tests::Converse(service, options, bytes, {first, size});
      EXPECT_TRUE(cut.closed);
      EXPECT_EQ(cut.sent, whole.sent) << bytes.substr(0, 100) << " cut at " << first;
    }
  }
  return whole.sent;
}

TEST(HttpSession, AnswersTheSameHoweverTheBytesAreCut) {
  FakeService service;
  service.on_head = [](const RequestHead& head) -> std::variant<ReadBody, Response> {
    if (head.path == "/no") return Response{.status = 401, .body = "no", .headers = {}};
    return ReadBody{100};
  };
  const std::string chunked = "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string refused = "POST /no HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  const struct {
    std::string bytes;
    std::string_view statuses;
  } cases[] = {
      {"", ""},
      {"GET / HTTP/1.1\r\n", ""},
      {Get("/") + Post("/no", "body") + Post("/", "body"), "200 401 200"},
      {chunked + "3\r\nabc\r\n0\r\n\r\n" + Get("/"), "200 200"},
      {chunked + "3;a=\"b\"\r\nabc\r\n0\r\nTrailer: x\r\n\r\n" + Get("/"), "200 200"},
      {chunked + "65\r\n" + std::string(101, 'x') + "\r\n0\r\n\r\n", "413"},
      {chunked + "x\r\n", "400"},
      {refused + "3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n" + Get("/"), "401 200"},
      {refused + "x\r\n" + Get("/"), "401"},
      {refused + "ffffff\r\n" + Get("/"), "401"},
      {chunked + "0;" + std::string(5000, 'e') + "\r\n\r\n", "400"},
      {"POST / HTTP/1.1\nHost: h\n\n", "400"},
      {"GET / HTTP/1.1\r\nno colon\r\n", "400"},
      {"GET / 0\r\n\r\n" + Get("/"), "400"},
      {"GET /\r\n\r\n", "400"},
      {std::string(9000, 'G'), "431"},
      {std::string(9000, 'G') + "\r\n\r\n", "431"},
      {Post("/", std::string(101, 'x')) + Get("/"), "413"},
      {"\r\n\r\n" + Post("/", "one") + "\r\n" + Post("/", "two"), "200 200"},
      {"GET / HTTP/1.1\r\nX: " + std::string(9000, 'x') + "\r\n\r\n", "431"},
      {"garbage\r\n\r\n", "400"},
      {"HEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.0\r\n\r\n" + Get("/"), "200 200"},
  };
  for (const auto& [bytes, statuses] : cases) {
    EXPECT_EQ(Statuses(Answer(service, TestOptions(), bytes)), statuses) << bytes.substr(0, 100);
  }
}

TEST(HttpSession, TheHeaderLimitHoldsHoweverTheFieldsCome) {
  FakeService service;
  std::string bytes = "GET / HTTP/1.1\r\n";
  // Each piece ends one byte into a field: what came before can be parsed and put away.
  std::vector<std::size_t> sizes = {bytes.size() + 1};
  for (int i = 0; i < 1000; ++i) {
    const std::string field = "X-Field-" + std::to_string(i) + ": " + std::string(80, 'x') + "\r\n";
    bytes += field;
    sizes.push_back(field.size());
  }
  bytes += "\r\n";
  const Conversation answer = tests::Converse(service, TestOptions(), bytes, sizes);
  EXPECT_EQ(Statuses(answer.sent), "431");
  EXPECT_TRUE(service.seen().empty());
}

TEST(HttpSession, TheHeaderLimitIsExact) {
  FakeService service;
  ServerOptions options = TestOptions();
  for (const std::size_t limit : {100UL, 5000UL, 65'536UL}) {
    options.max_header_bytes = limit;
    std::string bytes = "GET / HTTP/1.1\r\nX: ";
    bytes += std::string(limit - bytes.size() - 4, 'x') + "\r\n\r\n";
    EXPECT_EQ(Statuses(Answer(service, options, bytes)), "200") << limit;
    bytes.insert(bytes.size() - 4, "x");
    EXPECT_EQ(Statuses(Answer(service, options, bytes)), "431") << limit;
  }
}

TEST(HttpSession, UnderstandsTargetsWithSchemeAndHost) {
  FakeService service;
  std::string seen;
  service.on_head = [&](const RequestHead& head) -> std::variant<ReadBody, Response> {
    seen = std::string(head.path) + " " + std::string(head.query);
    return ReadBody{100};
  };
  const struct {
    std::string_view target;
    std::string_view seen;
  } cases[] = {
      {"/v1/track", "/v1/track "},
      {"http://gateway:8080/v1/track?a=b", "/v1/track a=b"},
      {"HTTPS://gateway/v1/track/", "/v1/track/ "},
      {"http://gateway", "/ "},
      {"http://gateway?a=http://x/y", "/ a=http://x/y"},
      {"/v1/http://x/y", "/v1/http://x/y "},
      {"/v1/%74rack%2f", "/v1/%74rack%2f "},
      {"*", "* "},
      {"gateway:443", "gateway:443 "},
  };
  for (const auto& [target, expected] : cases) {
    const std::string bytes = "POST " + std::string(target) + " HTTP/1.1\r\n\r\n";
    EXPECT_EQ(Statuses(Answer(service, TestOptions(), bytes)), "200");
    EXPECT_EQ(seen, expected);
  }
}

TEST(HttpSession, AnyMethodMayHaveABody) {
  FakeService service;
  for (const std::string method : {"GET", "HEAD", "OPTIONS", "DELETE", "POST", "PROPFIND"}) {
    for (const std::string path : {"/", "/no"}) {
      service.on_head = [](const RequestHead& head) -> std::variant<ReadBody, Response> {
        if (head.path == "/no") return Response{.status = 204, .body = "", .headers = {}};
        return ReadBody{100};
      };
      std::string start = method;
      start.append(" ").append(path).append(" HTTP/1.1\r\n");
      const std::string expected = path == "/no" ? "204 200" : "200 200";
      for (const std::string& request :
           {start + "\r\n", start + "Content-Length: 4\r\n\r\nbody",
            start + "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"}) {
        EXPECT_EQ(Statuses(Answer(service, TestOptions(), request + Get("/"))), expected)
            << request;
      }
    }
  }
}

TEST(HttpSession, AnAnswerMayBeBinaryAndOfAnyType) {
  FakeService service;
  const std::string pixel("GIF89a\1\0\1\0\r\n\r\n", 14);
  service.on_body = [&](const RequestHead&, std::string, Responder respond) {
    respond(Response{.body = pixel, .content_type = "image/gif", .headers = {}});
  };
  const std::string sent = Answer(service, TestOptions(), Get("/v1/pixel/track"));
  EXPECT_THAT(sent, testing::HasSubstr("\r\nContent-Length: 14\r\nContent-Type: image/gif\r\n"));
  EXPECT_THAT(sent, testing::EndsWith("\r\n\r\n" + pixel));
}

TEST(HttpSession, TrailersAreNoHeaders) {
  FakeService service;
  std::string key = "none";
  service.on_body = [&](const RequestHead& head, std::string, Responder respond) {
    key = head.header("Authorization");
    respond(Response{});
  };
  Answer(service, TestOptions(),
         "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: x\r\n\r\n");
  EXPECT_EQ(key, "");
}

TEST(HttpSession, IsWhollyGoneWhenTheServerHearsOfIt) {
  // The server's owner destroys the io_contexts then, which sockets and timers must not outlive.
  struct Exchange final : HttpExchange {
    explicit Exchange(bool& gone) : gone(gone) {}
    ~Exchange() override { gone = true; }
    std::variant<ReadBody, Response> OnHead(const RequestHead& /*head*/) override { return {}; }
    void OnBody(std::string /*body*/, Responder /*respond*/) override {}
    Response OnProtocolError(int /*status*/, std::string_view /*why*/) override { return {}; }
    bool& gone;
  };
  struct Service final : HttpService {
    std::unique_ptr<HttpExchange> NewExchange() override {
      return std::make_unique<Exchange>(gone);
    }
    bool gone = false;
  };
  Service service;
  boost::asio::io_context io(1);
  tests::MemoryWire wire;
  const auto state = std::make_shared<internal::ServerState>();
  state->service = &service;
  std::optional<bool> gone_when_told;
  state->on_empty = [&] { gone_when_told = service.gone; };
  std::make_shared<internal::HttpSession<tests::MemoryStream>>(
      state, std::make_shared<internal::Worker>(io), io, wire)
      .reset();
  EXPECT_EQ(gone_when_told, true);
}

}  // namespace
}  // namespace common::net

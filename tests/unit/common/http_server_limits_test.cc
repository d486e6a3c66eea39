// SPDX-License-Identifier: Apache-2.0
//
// What a client may not do: too much, too slowly, or not in HTTP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "common/net/http_server.h"
#include "tests/support/raw_http_client.h"
#include "tests/unit/common/http_server_fixture.h"

namespace common::net {
namespace {

using ::testing::HasSubstr;
using tests::RawHttpClient;

constexpr Duration kSoon = std::chrono::milliseconds(300);

std::variant<ReadBody, Response> RefuseAll(const RequestHead&) {
  return Response{.status = 401, .body = "no key", .content_type = "text/plain", .headers = {}};
}

TEST(HttpServerLimits, ARefusalAtTheHeadDiscardsASmallBodyAndKeepsTheConnection) {
  FakeService service;
  service.on_head = RefuseAll;
  RunningServer server(service);
  RawHttpClient client(server.port());
  for (const std::size_t size : {0UL, 10UL, 5000UL, 60'000UL}) {
    const auto answer = client.Ask(Post("/", std::string(size, 'x')));
    ASSERT_TRUE(answer) << size;
    EXPECT_EQ(answer->status, 401);
    EXPECT_EQ(answer->body, "no key");
    EXPECT_EQ(answer->Header("Connection"), "") << size;
  }
  EXPECT_EQ(server->stats().accepted.load(), 1U);
  EXPECT_TRUE(service.seen().empty()) << "no body reached the exchange";
}

TEST(HttpServerLimits, ARefusalIsSeenBeforeTheBodyIsSent) {
  FakeService service;
  service.on_head = RefuseAll;
  RunningServer server(service);
  RawHttpClient client(server.port());
  const auto answer = client.Ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 401);
  const auto next = client.Ask(std::string(1000, 'x') + Post("/", "next"));
  ASSERT_TRUE(next) << "the rest of the body is skipped, the next request is answered";
  EXPECT_EQ(next->status, 401);
}

TEST(HttpServerLimits, ARefusalAtTheHeadOfALargeBodyIsSeenAndThenTheConnectionEnds) {
  FakeService service;
  service.on_head = RefuseAll;
  RunningServer server(service);
  const std::string heads[] = {
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4c4b40\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
  };
  for (const std::string& head : heads) {
    RawHttpClient client(server.port());
    client.Send(head);
    // A client that sends without reading: its sends fail at some point, the answer waits.
    for (int i = 0; i < 1000 && client.Send(std::string(5000, 'x')); ++i) {
    }
    const auto answer = client.Read();
    ASSERT_TRUE(answer) << head;
    EXPECT_EQ(answer->status, 401);
    // Of a chunked body nobody knows yet that it is large.
    const bool chunked = head.find("chunked") != std::string::npos;
    EXPECT_EQ(answer->Header("Connection"), chunked ? "" : "close");
    EXPECT_NE(client.ReadToEnd(), RawHttpClient::End::kTimeout);
    EXPECT_EQ(client.unread(), "") << "what follows is not taken for a request";
  }
}

TEST(HttpServerLimits, ABodyOverTheLimitIsRefused) {
  FakeService service;
  service.on_head = [](const RequestHead&) { return ReadBody{1000}; };
  RunningServer server(service);
  const std::string big(1001, 'x');
  const std::string requests[] = {
      Post("/", big),
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + big +
          "\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + big.substr(1) +
          "\r\n1\r\nx\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n",
  };
  for (const std::string& request : requests) {
    RawHttpClient client(server.port());
    const auto answer = client.Ask(request);
    ASSERT_TRUE(answer) << request;
    EXPECT_EQ(answer->status, 413) << request;
    EXPECT_THAT(answer->body, HasSubstr("limit of 1000 bytes"));
    EXPECT_EQ(answer->Header("Connection"), "close");
    EXPECT_EQ(client.ReadToEnd(), RawHttpClient::End::kOrderly) << request;
  }
  RawHttpClient client(server.port());
  const auto exact = client.Ask(Post("/", big.substr(1)));
  ASSERT_TRUE(exact);
  EXPECT_EQ(exact->status, 200);
  EXPECT_EQ(service.seen().size(), 1U);
}

TEST(HttpServerLimits, AHeaderOverTheLimitIsRefused) {
  FakeService service;
  RunningServer server(service);
  const std::string requests[] = {
      "GET / HTTP/1.1\r\nHost: h\r\nX-Big: " + std::string(9000, 'x') + "\r\n\r\n",
      "GET /" + std::string(9000, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /" + std::string(20'000, 'x'),
  };
  for (const std::string& request : requests) {
    RawHttpClient client(server.port());
    const auto answer = client.Ask(request);
    ASSERT_TRUE(answer) << request.substr(0, 40);
    EXPECT_EQ(answer->status, 431);
    EXPECT_THAT(answer->body, HasSubstr("limit of 8192 bytes"));
    EXPECT_EQ(answer->Header("Connection"), "close");
  }
  RawHttpClient client(server.port());
  const auto below =
      client.Ask("GET / HTTP/1.1\r\nHost: h\r\nX-Big: " + std::string(8000, 'x') + "\r\n\r\n");
  ASSERT_TRUE(below);
  EXPECT_EQ(below->status, 200);
}

TEST(HttpServerLimits, WhatIsNotHttpIsRefused) {
  FakeService service;
  RunningServer server(service);
  const std::string chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string requests[] = {
      std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + "TLS to a plain port\r\n",
      "garbage\r\n\r\n",
      "GET / HTTP/3.0\r\n\r\n",
      "GET / HTTP/1.1\r\nno colon\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 12x\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabc",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\nContent-Length: 3\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: "
      "chunked\r\n\r\n",
      "POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nTransfer-Encoding: "
      "chunked\r\n\r\n",
      chunked + "zz\r\nabc\r\n0\r\n\r\n",
      chunked + "3\r\nabcdef\r\n0\r\n\r\n",
      chunked + "fffffffffffffffff\r\nabc",
      chunked + "1;" + std::string(20'000, 'e') + "\r\na\r\n0\r\n\r\n",
  };
  for (const std::string& request : requests) {
    RawHttpClient client(server.port());
    const auto answer = client.Ask(request);
    ASSERT_TRUE(answer) << request.substr(0, 100);
    EXPECT_EQ(answer->status, 400) << request.substr(0, 100);
    EXPECT_THAT(answer->body, HasSubstr("protocol error: "));
    EXPECT_EQ(answer->Header("Connection"), "close");
    EXPECT_NE(client.ReadToEnd(), RawHttpClient::End::kTimeout);
  }
  EXPECT_TRUE(service.seen().empty());
}

TEST(HttpServerLimits, AnIdleConnectionEnds) {
  FakeService service;
  ServerOptions options = TestOptions();
  options.idle_timeout = kSoon;
  RunningServer server(service, options);
  RawHttpClient silent(server.port());
  RawHttpClient used(server.port());
  ASSERT_TRUE(used.Ask(Get("/")));
  EXPECT_EQ(silent.ReadToEnd(), RawHttpClient::End::kOrderly);
  EXPECT_EQ(used.ReadToEnd(), RawHttpClient::End::kOrderly);
  EXPECT_EQ(used.unread(), "");
  EXPECT_TRUE(Eventually([&] { return server->stats().connections.load() == 0; }));
}

TEST(HttpServerLimits, ALineBreakOnAnIdleConnectionStartsNoRequest) {
  FakeService service;
  ServerOptions options = TestOptions();
  options.idle_timeout = options.header_timeout = kSoon;
  RunningServer server(service, options);
  RawHttpClient client(server.port());
  ASSERT_TRUE(client.Ask(Post("/", "body")));
  ASSERT_TRUE(client.Send("\r\n"));
  EXPECT_EQ(client.ReadToEnd(), RawHttpClient::End::kOrderly);
  EXPECT_EQ(client.unread(), "") << "not even a refusal of what was never asked";
  EXPECT_EQ(server->stats().timed_out.load(), 0U);
}

TEST(HttpServerLimits, ASlowHeaderIsRefused) {
  FakeService service;
  ServerOptions options = TestOptions();
  options.header_timeout = kSoon;
  RunningServer server(service, options);
  RawHttpClient client(server.port());
  const auto answer = client.Ask("GET / HTTP/1.1\r\nHost: h\r\n");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 408);
  EXPECT_EQ(answer->Header("Connection"), "close");
  EXPECT_EQ(client.ReadToEnd(), RawHttpClient::End::kOrderly);
  EXPECT_EQ(server->stats().timed_out.load(), 1U);
}

TEST(HttpServerLimits, ADrippedHeaderIsRefusedAlthoughBytesKeepComing) {
  FakeService service;
  ServerOptions options = TestOptions();
  options.header_timeout = kSoon;
  RunningServer server(service, options);
  RawHttpClient client(server.port());
  ASSERT_TRUE(client.Send("GET / HTTP/1.1\r\nX: "));
  auto next = std::chrono::steady_clock::now();
  EXPECT_TRUE(Eventually([&] {
    if (std::chrono::steady_clock::now() >= next) {  // Far below the header's limit.
      client.Send("x");
      next += std::chrono::milliseconds(10);
    }
    return server->stats().timed_out.load() == 1;
  }));
  const auto answer = client.Read();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 408);
}

TEST(HttpServerLimits, ASlowBodyIsRefused) {
  FakeService service;
  ServerOptions options = TestOptions();
  options.body_timeout = kSoon;
  RunningServer server(service, options);
  const std::string requests[] = {
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nabc",
  };
  std::uint64_t timed_out = 0;
  for (const std::string& request : requests) {
    RawHttpClient client(server.port());
    const auto answer = client.Ask(request);
    ASSERT_TRUE(answer) << request;
    EXPECT_EQ(answer->status, 408);
    EXPECT_EQ(client.ReadToEnd(), RawHttpClient::End::kOrderly);
    EXPECT_EQ(server->stats().timed_out.load(), ++timed_out);
  }
  EXPECT_TRUE(service.seen().empty());
}

TEST(HttpServerLimits, TheDiscardOfARefusedBodyIsBoundedInTime) {
  FakeService service;
  service.on_head = RefuseAll;
  ServerOptions options = TestOptions();
  options.body_timeout = kSoon;
  RunningServer server(service, options);
  RawHttpClient client(server.port());
  ASSERT_TRUE(client.Ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc"));
  EXPECT_NE(client.ReadToEnd(), RawHttpClient::End::kTimeout);
}

TEST(HttpServerLimits, AClientThatDoesNotReadItsAnswerIsCutOff) {
  FakeService service;
  service.on_body = [](const RequestHead&, std::string, Responder respond) {
    respond(Response{.body = std::string(64 * 1024 * 1024, 'x'), .headers = {}});
  };
  ServerOptions options = TestOptions();
  options.write_timeout = kSoon;
  RunningServer server(service, options);
  RawHttpClient client(server.port(), /*receive_buffer=*/4096);
  ASSERT_TRUE(client.Send(Get("/")));
  EXPECT_TRUE(Eventually([&] { return server->stats().accepted.load() == 1; }));
  EXPECT_TRUE(Eventually([&] { return server->stats().connections.load() == 0; }));
}

TEST(HttpServerLimits, TimeoutsOfZeroMeanNone) {
  FakeService service;
  ServerOptions options = TestOptions();
  options.idle_timeout = options.header_timeout = options.body_timeout = Duration{};
  RunningServer server(service, options);
  RawHttpClient slow(server.port());
  ASSERT_TRUE(slow.Send("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na"));
  // The other connection's refusal proves that sweeps have run meanwhile.
  options.idle_timeout = kSoon;
  RunningServer other(service, options);
  EXPECT_EQ(RawHttpClient(other.port()).ReadToEnd(), RawHttpClient::End::kOrderly);
  const auto answer = slow.Ask("b");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "ab");
}

TEST(HttpServerLimits, AConnectionOverTheLimitIsToldWhy) {
  FakeService service;
  ServerOptions options = TestOptions();
  options.max_connections = 2;
  RunningServer server(service, options);
  RawHttpClient first(server.port());
  ASSERT_TRUE(first.Ask(Get("/")));
  {
    RawHttpClient second(server.port());
    ASSERT_TRUE(second.Ask(Get("/")));
    RawHttpClient third(server.port());
    const auto refusal = third.Read();
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->status, 503);
    EXPECT_THAT(refusal->body, HasSubstr("limit of 2 connections"));
    EXPECT_EQ(third.ReadToEnd(), RawHttpClient::End::kOrderly);
    EXPECT_EQ(server->stats().refused.load(), 1U);
    EXPECT_EQ(server->stats().connections.load(), 2);
  }
  EXPECT_TRUE(Eventually([&] { return server->stats().connections.load() == 1; }));
  RawHttpClient again(server.port());
  EXPECT_TRUE(again.Ask(Get("/"))) << "a freed place can be taken";
}

}  // namespace
}  // namespace common::net

// SPDX-License-Identifier: Apache-2.0
//
// One connection's requests and answers, over real sockets. Limits, timeouts and ends of
// connections are in http_server_limits_test.cc and http_server_lifecycle_test.cc.
#include "common/net/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/raw_http_client.h"
#include "tests/unit/common/http_server_fixture.h"

namespace common::net {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using tests::RawHttpClient;

TEST(HttpServer, GivesTheExchangeTheParsedHead) {
  FakeService service;
  std::string seen;
  service.on_head = [&](const RequestHead& head) -> std::variant<ReadBody, Response> {
    seen = std::string(head.method) + " " + std::string(head.path) + " " + std::string(head.query) +
           " " + std::string(head.remote) + " " + std::string(head.header("x-custom")) + " [" +
           std::string(head.header("absent")) + "] " +
           std::to_string(head.content_length.value_or(99)) +
           (head.chunked ? " chunked" : " fixed");
    return ReadBody{100};
  };
  RunningServer server(service);
  RawHttpClient client(server.port());
  const auto answer = client.Ask(
      "POST /a%20b?x=1&y=?z HTTP/1.1\r\nHost: h\r\nX-CUSTOM:  value \r\nContent-Length: "
      "2\r\n\r\nhi");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "hi");
  EXPECT_EQ(answer->Header("Content-Type"), "text/plain");
  EXPECT_THAT(answer->Header("Date"), HasSubstr(" GMT"));
  EXPECT_EQ(answer->Header("Connection"), "");
  EXPECT_EQ(seen, "POST /a%20b x=1&y=?z 127.0.0.1 value [] 2 fixed");
  ASSERT_EQ(service.seen().size(), 1U);
  EXPECT_TRUE(service.seen()[0].padded);
}

TEST(HttpServer, JoinsHeadersThatAreListsInTheirOrder) {
  FakeService service;
  std::string seen;
  service.on_head = [&](const RequestHead& head) -> std::variant<ReadBody, Response> {
    for (const char* name : {"X-Forwarded-For", "x-single", "absent"}) {
      seen += std::string(head.header(name)) + "|" + head.headers(name) + "\n";
    }
    return ReadBody{100};
  };
  RunningServer server(service);
  RawHttpClient client(server.port());
  ASSERT_TRUE(
      client.Ask("GET / HTTP/1.1\r\nx-forwarded-for: 1, 2\r\nX-Single: s\r\n"
                 "X-FORWARDED-FOR: 3\r\nX-Forwarded-For:\r\nX-Forwarded-For: 4\r\n\r\n"));
  EXPECT_EQ(seen, "1, 2|1, 2, 3, , 4\ns|s\n|\n");
}

TEST(HttpServer, KeepsAConnectionForManyRequests) {
  FakeService service;
  RunningServer server(service);
  RawHttpClient client(server.port());
  for (int i = 0; i < 200; ++i) {
    const auto answer = client.Ask(Post("/x", "body " + std::to_string(i)));
    ASSERT_TRUE(answer) << i;
    ASSERT_EQ(answer->body, "body " + std::to_string(i));
  }
  EXPECT_EQ(server->stats().accepted.load(), 1U);
  EXPECT_EQ(server->stats().connections.load(), 1);
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  FakeService service;
  RunningServer server(service);
  RawHttpClient client(server.port());
  std::string all;
  for (int i = 0; i < 50; ++i) {
    if (i % 3 == 0) {
      all += Get("/" + std::to_string(i));
    } else if (i % 3 == 1) {
      all += Post("/", std::string(static_cast<std::size_t>(i) * 200, 'a'));
    } else {
      all +=
          "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    }
  }
  ASSERT_TRUE(client.Send(all));
  for (int i = 0; i < 50; ++i) {
    const auto answer = client.Read();
    ASSERT_TRUE(answer) << i;
    const std::size_t expected = i % 3 == 0   ? 0
                                 : i % 3 == 1 ? static_cast<std::size_t>(i) * 200
                                              : 3;
    ASSERT_EQ(answer->body.size(), expected) << i;
  }
  EXPECT_EQ(client.unread(), "");
}

TEST(HttpServer, AnswersPipelinedRequestsInOrderWhenAnswersComeLate) {
  FakeService service;
  std::mutex mutex;
  std::vector<std::thread> workers;
  service.on_body = [&](const RequestHead& head, std::string, Responder respond) {
    const std::scoped_lock lock(mutex);
    workers.emplace_back([path = std::string(head.path), respond = std::move(respond)]() mutable {
      respond(Response{.body = path, .headers = {}});
    });
  };
  {
    RunningServer server(service);
    RawHttpClient client(server.port());
    ASSERT_TRUE(client.Send(Get("/1") + Get("/2") + Get("/3")));
    for (const std::string expected : {"/1", "/2", "/3"}) {
      const auto answer = client.Read();
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->body, expected);
    }
  }
  for (std::thread& worker : workers) worker.join();
}

TEST(HttpServer, ReadsARequestThatArrivesByteByByte) {
  FakeService service;
  RunningServer server(service);
  const std::string requests[] = {
      Post("/fixed", "0123456789"),
      "POST /chunked HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4;ext=1\r\n0123\r\n6\r\n456789\r\n0\r\nTrailer: t\r\n\r\n",
  };
  for (const std::string& request : requests) {
    RawHttpClient client(server.port());
    const int no_delay = 1;
    setsockopt(client.fd(), 6 /* IPPROTO_TCP */, 1 /* TCP_NODELAY */, &no_delay, sizeof(no_delay));
    for (const char c : request) ASSERT_TRUE(client.Send({&c, 1}));
    const auto answer = client.Read();
    ASSERT_TRUE(answer) << request;
    EXPECT_EQ(answer->body, "0123456789");
  }
}

TEST(HttpServer, ReadsBodiesOfEverySize) {
  FakeService service;
  RunningServer server(service);
  RawHttpClient client(server.port());
  for (const std::size_t size : {0UL, 1UL, 4000UL, 4095UL, 4096UL, 4097UL, 70'000UL, 1'048'576UL}) {
    std::string body(size, '\0');
    for (std::size_t i = 0; i < size; ++i) body[i] = static_cast<char>(i * 31);
    const auto fixed = client.Ask(Post("/", body));
    ASSERT_TRUE(fixed) << size;
    EXPECT_TRUE(fixed->body == body) << size;

    std::string chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (std::size_t at = 0, n = 1; at < size; at += n, n = n * 3 + 1) {
      n = std::min(n, size - at);
      char length[32];
      std::snprintf(length, sizeof(length), "%zx\r\n", n);
      chunked += length + body.substr(at, n) + "\r\n";
    }
    const auto answer = client.Ask(chunked + "0\r\n\r\n");
    ASSERT_TRUE(answer) << size;
    EXPECT_TRUE(answer->body == body) << size;
  }
  for (const Seen& seen : service.seen()) EXPECT_TRUE(seen.padded) << seen.body.size();
}

TEST(HttpServer, SendsContinueOnlyToAClientThatWaitsForIt) {
  FakeService service;
  RunningServer server(service);
  for (const std::string framing : {"Content-Length: 5", "Transfer-Encoding: chunked"}) {
    RawHttpClient client(server.port());
    const auto go =
        client.Ask("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n" + framing + "\r\n\r\n");
    ASSERT_TRUE(go);
    EXPECT_EQ(go->status, 100);
    const bool chunked = framing[0] == 'T';
    const auto answer = client.Ask(chunked ? "5\r\nhello\r\n0\r\n\r\n" : "hello");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, "hello");
    const auto next = client.Ask(Post("/", "again"));
    ASSERT_TRUE(next) << "the connection stays usable";
    EXPECT_EQ(next->status, 200);
  }
}

TEST(HttpServer, NeverSendsContinueToHttp10) {
  FakeService service;
  std::atomic<bool> head_in{false};
  service.on_head = [&](const RequestHead&) {
    head_in.store(true);
    return ReadBody{10};
  };
  RunningServer server(service);
  RawHttpClient client(server.port());
  ASSERT_TRUE(client.Send("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
  ASSERT_TRUE(Eventually([&] { return head_in.load(); }));
  ASSERT_TRUE(client.Send("hi"));
  const auto answer = client.Read();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
}

TEST(HttpServer, ClosesAfterAnHttp10RequestUnlessAskedToKeep) {
  FakeService service;
  RunningServer server(service);
  RawHttpClient once(server.port());
  const auto answer = once.Ask("GET / HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->Header("Connection"), "close");
  EXPECT_EQ(once.ReadToEnd(), RawHttpClient::End::kOrderly);

  RawHttpClient kept(server.port());
  for (int i = 0; i < 2; ++i) {
    const auto again = kept.Ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    ASSERT_TRUE(again) << i;
    EXPECT_EQ(again->Header("Connection"), "keep-alive");
  }
}

TEST(HttpServer, ClosesWhenTheClientOrTheExchangeSaysSo) {
  FakeService service;
  service.on_body = [](const RequestHead& head, std::string, Responder respond) {
    respond(Response{.body = "bye", .headers = {}, .close = head.path == "/close"});
  };
  RunningServer server(service);
  for (const std::string& request :
       {std::string("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), Get("/close")}) {
    RawHttpClient client(server.port());
    const auto answer = client.Ask(request);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, "bye");
    EXPECT_EQ(answer->Header("Connection"), "close");
    EXPECT_EQ(client.ReadToEnd(), RawHttpClient::End::kOrderly);
  }
}

TEST(HttpServer, AnswerIsSeenAlthoughMoreRequestsFollowACloseInTheSameWrite) {
  FakeService service;
  service.on_body = [](const RequestHead&, std::string, Responder respond) {
    respond(Response{.body = "last", .headers = {}, .close = true});
  };
  RunningServer server(service);
  // Closing a socket with unread bytes sends a reset, which may destroy the answer on its
  // way: the client here reads only after it has sent far more than one read takes.
  for (int i = 0; i < 20; ++i) {
    RawHttpClient client(server.port());
    std::string all = Get("/close");
    for (int n = 0; n < 500; ++n) all += Get("/never-answered");
    ASSERT_TRUE(client.Send(all));
    const auto answer = client.Read();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, "last");
    EXPECT_EQ(client.ReadToEnd(), RawHttpClient::End::kOrderly);
    EXPECT_EQ(client.unread(), "");
  }
}

TEST(HttpServer, AnswersHeadWithoutTheBody) {
  FakeService service;
  service.on_body = [](const RequestHead&, std::string, Responder respond) {
    respond(Response{.body = "12345", .headers = {}});
  };
  RunningServer server(service);
  RawHttpClient client(server.port());
  ASSERT_TRUE(client.Send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + Get("/")));
  const auto head = client.Read(/*head_only=*/true);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->Header("Content-Length"), "5");
  const auto get = client.Read();
  ASSERT_TRUE(get);
  EXPECT_EQ(get->body, "12345");
}

TEST(HttpServer, SendsHeadersAndStatusesOfTheAnswer) {
  FakeService service;
  service.on_body = [](const RequestHead& head, std::string, Responder respond) {
    Response response;
    response.status = head.path == "/429" ? 429 : head.path == "/204" ? 204 : 529;
    response.headers.emplace_back("Retry-After", "7");
    respond(std::move(response));
  };
  RunningServer server(service);
  RawHttpClient client(server.port());
  const auto known = client.Ask(Get("/429"));
  ASSERT_TRUE(known);
  EXPECT_THAT(known->head, HasSubstr("HTTP/1.1 429 Too Many Requests\r\n"));
  EXPECT_EQ(known->Header("Retry-After"), "7");
  const auto unknown = client.Ask(Get("/529"));
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->status, 529);
  EXPECT_THAT(unknown->head, Not(HasSubstr("<")));
  const auto empty = client.Ask(Get("/204"));
  ASSERT_TRUE(empty);
  EXPECT_THAT(empty->head, Not(HasSubstr("Content-Length")));
  EXPECT_TRUE(client.Ask(Get("/429"))) << "the connection stays usable after a 204";
}

TEST(HttpServer, IgnoresEmptyLinesBetweenRequests) {
  FakeService service;
  RunningServer server(service);
  RawHttpClient client(server.port());
  ASSERT_TRUE(client.Send("\r\n" + Post("/", "one") + "\r\n\r\n"));
  ASSERT_TRUE(client.Read());
  const auto answer = client.Ask(Post("/", "two"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "two");
}

TEST(HttpServer, AnswersAClientThatHasEndedItsHalf) {
  FakeService service;
  RunningServer server(service);
  RawHttpClient client(server.port());
  ASSERT_TRUE(client.Send(Post("/", "one") + Post("/", "two")));
  client.HalfClose();
  for (const std::string expected : {"one", "two"}) {
    const auto answer = client.Read();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, expected);
  }
  EXPECT_EQ(client.ReadToEnd(), RawHttpClient::End::kOrderly);
}

TEST(HttpServer, ServesManyConnectionsAtOnce) {
  FakeService service;
  RunningServer server(service);
  std::vector<std::thread> clients;
  std::atomic<int> good{0};
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&, c] {
      RawHttpClient client(server.port());
      for (int i = 0; i < 100; ++i) {
        const std::string body = std::to_string(c * 1000 + i);
        const auto answer = client.Ask(Post("/", body));
        if (answer && answer->body == body) good.fetch_add(1);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good.load(), 800);
}

}  // namespace
}  // namespace common::net

// SPDX-License-Identifier: Apache-2.0
//
// How connections and the server end, and TLS.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/net/http_server.h"
#include "tests/support/raw_http_client.h"
#include "tests/unit/common/http_server_fixture.h"

namespace common::net {
namespace {

using tests::RawHttpClient;
using End = RawHttpClient::End;
using ::testing::HasSubstr;

/// Keeps every Responder it is given until told.
class Holder {
 public:
  FakeService::OnBody OnBody() {
    return [this](const RequestHead&, std::string, Responder respond) {
      const std::scoped_lock lock(mutex_);
      held_.push_back(std::move(respond));
    };
  }
  bool Waiting(std::size_t n) {
    return Eventually([&] {
      const std::scoped_lock lock(mutex_);
      return held_.size() >= n;
    });
  }
  std::vector<Responder> Take() {
    const std::scoped_lock lock(mutex_);
    return std::move(held_);
  }

 private:
  std::mutex mutex_;
  std::vector<Responder> held_;
};

TEST(HttpServerLifecycle, ListenSaysWhatIsWrong) {
  FakeService service;
  boost::asio::io_context context;
  ServerOptions options = TestOptions();
  options.address = "localhost";
  const auto bad = HttpServer::Listen({&context}, options, service, nullptr);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(bad.error().message, HasSubstr("'localhost' is not an IP address"));

  RunningServer server(service);
  options = TestOptions();
  options.port = server.port();
  const auto taken = HttpServer::Listen({&context}, options, service, nullptr);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(taken.error().message, HasSubstr("in use"));

  options.address = "192.0.2.1";
  options.port = 0;
  const auto foreign = HttpServer::Listen({&context}, options, service, nullptr);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, ErrorCode::kIo);
}

TEST(HttpServerLifecycle, AnAnswerMayComeFromAnotherThread) {
  FakeService service;
  Holder holder;
  service.on_body = holder.OnBody();
  RunningServer server(service);
  std::vector<RawHttpClient> clients;
  for (std::size_t i = 0; i < 8; ++i) {
    clients.emplace_back(server.port());
    ASSERT_TRUE(clients.back().Send(Get("/")));
    ASSERT_TRUE(holder.Waiting(i + 1));
  }
  std::vector<Responder> responders = holder.Take();
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 8; ++i) {
    threads.emplace_back([i, respond = std::move(responders[i])]() mutable {
      respond(Response{.body = std::to_string(i), .headers = {}});
    });
  }
  for (std::size_t i = 0; i < 8; ++i) {
    const auto answer = clients[i].Read();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, std::to_string(i));
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(HttpServerLifecycle, ADroppedResponderResetsTheConnection) {
  FakeService service;
  service.on_body = [](const RequestHead&, std::string, Responder) {};
  RunningServer server(service);
  RawHttpClient client(server.port());
  ASSERT_TRUE(client.Send(Get("/")));
  EXPECT_EQ(client.ReadToEnd(), End::kReset);
  EXPECT_EQ(client.unread(), "");
}

TEST(HttpServerLifecycle, AResetIsAnAnswerToo) {
  FakeService service;
  service.on_head = [](const RequestHead& head) -> std::variant<ReadBody, Response> {
    Response reset;
    reset.reset = true;
    if (head.path == "/head") return reset;
    return ReadBody{10};
  };
  service.on_body = [](const RequestHead&, std::string, Responder respond) {
    Response reset;
    reset.reset = true;
    respond(std::move(reset));
  };
  RunningServer server(service);
  for (const std::string path : {"/head", "/body"}) {
    RawHttpClient client(server.port());
    ASSERT_TRUE(client.Send(Post(path, "hi")));
    EXPECT_EQ(client.ReadToEnd(), End::kReset) << path;
    EXPECT_EQ(client.unread(), "");
  }
}

TEST(HttpServerLifecycle, PeersThatVanishLeaveNothingBehind) {
  FakeService service;
  RunningServer server(service);
  const std::string starts[] = {
      "",
      "GET / HT",
      "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc",
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nabc",
      "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n",
      Post("/", "complete"),
  };
  for (const std::string& start : starts) {
    for (const bool reset : {false, true}) {
      RawHttpClient client(server.port());
      ASSERT_TRUE(client.connected());
      client.Send(start);
      reset ? client.Reset() : client.Close();
    }
  }
  EXPECT_TRUE(Eventually([&] { return server->stats().accepted.load() == 12; }));
  EXPECT_TRUE(Eventually([&] { return server->stats().connections.load() == 0; }));
  RawHttpClient client(server.port());
  EXPECT_TRUE(client.Ask(Get("/")));
}

TEST(HttpServerLifecycle, APeerThatVanishesBeforeItsAnswerLeavesNothingBehind) {
  FakeService service;
  Holder holder;
  service.on_body = holder.OnBody();
  RunningServer server(service);
  {
    RawHttpClient client(server.port());
    ASSERT_TRUE(client.Send(Get("/")));
    ASSERT_TRUE(holder.Waiting(1));
    client.Reset();
  }
  for (Responder& respond : holder.Take()) respond(Response{.body = "late", .headers = {}});
  EXPECT_TRUE(Eventually([&] { return server->stats().connections.load() == 0; }));
}

TEST(HttpServerLifecycle, StopClosesIdleConnectionsAndTheListener) {
  FakeService service;
  RunningServer server(service);
  std::vector<RawHttpClient> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back(server.port());
    ASSERT_TRUE(clients.back().Ask(Get("/")));
  }
  server.Stop();
  for (RawHttpClient& client : clients) EXPECT_EQ(client.ReadToEnd(), End::kOrderly);
  EXPECT_TRUE(Eventually([&] { return server.stopped(); }));
  EXPECT_FALSE(RawHttpClient(server.port()).connected());
}

TEST(HttpServerLifecycle, StopWithoutConnectionsIsDoneAtOnce) {
  FakeService service;
  RunningServer server(service);
  server.Stop();
  EXPECT_TRUE(Eventually([&] { return server.stopped(); }));
}

TEST(HttpServerLifecycle, StopLetsRequestsInHandBeAnswered) {
  FakeService service;
  Holder holder;
  service.on_body = holder.OnBody();
  RunningServer server(service);
  RawHttpClient handling(server.port());
  // The second request waits behind the first and is not taken up any more.
  ASSERT_TRUE(handling.Send(Get("/1") + Get("/2")));
  ASSERT_TRUE(holder.Waiting(1));
  RawHttpClient sending(server.port());
  ASSERT_TRUE(sending.Send("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"));
  ASSERT_TRUE(sending.Read());
  RawHttpClient idle(server.port());
  ASSERT_TRUE(Eventually([&] { return server->stats().connections.load() == 3; }));

  server.Stop();
  EXPECT_EQ(idle.ReadToEnd(), End::kOrderly);
  EXPECT_FALSE(server.stopped());
  ASSERT_TRUE(sending.Send("hello"));
  ASSERT_TRUE(holder.Waiting(2));
  for (Responder& respond : holder.Take()) respond(Response{.body = "done", .headers = {}});
  for (RawHttpClient* client : {&handling, &sending}) {
    const auto answer = client->Read();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, "done");
    EXPECT_EQ(answer->Header("Connection"), "close");
    EXPECT_EQ(client->ReadToEnd(), End::kOrderly);
    client->Close();
  }
  EXPECT_TRUE(Eventually([&] { return server.stopped(); }));
}

TEST(HttpServerLifecycle, StopIsNotHeldUpByAClientThatKeepsItsHalfOpen) {
  FakeService service;
  Holder holder;
  service.on_body = holder.OnBody();
  RunningServer server(service);  // Every timeout is 60 s.
  RawHttpClient client(server.port());
  ASSERT_TRUE(client.Send(Get("/")));
  ASSERT_TRUE(holder.Waiting(1));
  server.Stop();
  for (Responder& respond : holder.Take()) respond(Response{.body = "done", .headers = {}});
  ASSERT_TRUE(client.Read());
  EXPECT_TRUE(Eventually([&] { return server.stopped(); }));
}

TEST(HttpServerLifecycle, StopWhileClientsConnectEndsEveryConnection) {
  FakeService service;
  for (int round = 0; round < 20; ++round) {
    std::optional<RunningServer> server;
    server.emplace(service);
    const std::uint16_t port = server->port();
    std::atomic<bool> over{false};
    std::thread storm([&] {
      while (!over.load()) {
        RawHttpClient client(port);
        client.Ask(Get("/"));
      }
    });
    ASSERT_TRUE(Eventually([&] { return (*server)->stats().accepted.load() > 3; }));
    server->Stop();
    ASSERT_TRUE(Eventually([&] { return server->stopped(); }));
    over.store(true);
    storm.join();
    EXPECT_EQ((*server)->stats().connections.load(), 0);
  }
}

TEST(HttpServerLifecycle, AbortClosesWhatIsLeft) {
  FakeService service;
  Holder holder;
  service.on_body = holder.OnBody();
  RunningServer server(service);
  RawHttpClient busy(server.port());
  ASSERT_TRUE(busy.Send(Get("/")));
  ASSERT_TRUE(holder.Waiting(1));
  RawHttpClient half(server.port());
  ASSERT_TRUE(half.Send("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"));
  ASSERT_TRUE(Eventually([&] { return server->stats().connections.load() == 2; }));
  server.Stop();
  server->Abort();
  EXPECT_NE(busy.ReadToEnd(), End::kTimeout);
  EXPECT_NE(half.ReadToEnd(), End::kTimeout);
  // The late answer goes nowhere and does no harm.
  for (Responder& respond : holder.Take()) respond(Response{.body = "late", .headers = {}});
  EXPECT_TRUE(Eventually([&] { return server.stopped(); }));
  EXPECT_EQ(busy.unread(), "");
}

}  // namespace
}  // namespace common::net

// SPDX-License-Identifier: Apache-2.0
// How connections are kept, replaced and ended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"
#include "tests/unit/deliver/https_transport_fixture.h"

namespace gateway::deliver {
namespace {

using Peer = ScriptedServer::Peer;
using testing::HasSubstr;

class HttpsConnectionsTest : public HttpsTransportTest {
 protected:
  const std::string ok_ = ScriptedServer::Answer(200, "{}");
  double Reused() { return Metric("delivery_connections_total", "true"); }
  double Opened() { return Metric("delivery_connections_total", "false"); }

  /// Sends `count` requests at once; gives the replies as they come.
  void SendMany(std::uint16_t port, int count, std::vector<TransportReply>* replies) {
    for (int i = 0; i < count; ++i) {
      transport().Send(Request(port),
                       [replies](TransportReply reply) { replies->push_back(std::move(reply)); });
    }
  }
  static void ExpectAllCancelled(const std::vector<TransportReply>& replies) {
    for (const TransportReply& reply : replies) {
      const auto* failure = std::get_if<TransportFailure>(&reply);
      ASSERT_NE(failure, nullptr);
      EXPECT_EQ(failure->error, TransportError::kCancelled) << failure->message;
    }
  }
};

TEST_F(HttpsConnectionsTest, KeptConnectionServesAll) {
  ScriptedServer server(ScriptedServer::Always(ok_));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Ask(Request(server.port())).status, 200);
  EXPECT_EQ(server.accepted(), 1u);
  EXPECT_EQ(Opened(), 1);
  EXPECT_EQ(Reused(), 4);
  EXPECT_EQ(OpenConnections(), 1);
}

TEST_F(HttpsConnectionsTest, EachOriginHasItsOwn) {
  ScriptedServer a(ScriptedServer::Always(ok_));
  ScriptedServer b(ScriptedServer::Always(ok_));
  for (int i = 0; i < 2; ++i) {
    Ask(Request(a.port()));
    Ask(Request(b.port()));
    Ask(Request(a.port(), "other.test"));
  }
  EXPECT_EQ(a.accepted(), 2u);
  EXPECT_EQ(b.accepted(), 1u);
}

TEST_F(HttpsConnectionsTest, DeadKeptConnectionIsReplacedUnnoticed) {
  for (const bool reset : {false, true}) {
    SCOPED_TRACE(reset);
    ScriptedServer server([&](Peer& peer) {
      peer.Read();
      peer.Write(ok_);
      if (peer.index() == 0) {
        peer.Read();  // And no answer.
        if (reset) peer.ResetOnClose();
        return;
      }
      peer.AwaitClose();
    });
    Ask(Request(server.port()));
    EXPECT_EQ(Ask(Request(server.port())).status, 200);
    EXPECT_EQ(server.accepted(), 2u);
    ASSERT_EQ(server.requests().size(), 3u);
    EXPECT_EQ(server.requests()[1].body, server.requests()[2].body);
    EXPECT_EQ(server.requests()[1].head, server.requests()[2].head);
  }
  EXPECT_EQ(Metric("delivery_transport_errors_total", "closed"), 0);
}

TEST_F(HttpsConnectionsTest, ItIsReplacedOnlyOnce) {
  ScriptedServer server([&](Peer& peer) {
    peer.Read();
    if (peer.index() > 0) return;
    peer.Write(ok_);
    peer.Read();
  });
  Ask(Request(server.port()));
  AskInVain(Request(server.port()), TransportError::kClosed);
  EXPECT_EQ(server.accepted(), 2u);
}

TEST_F(HttpsConnectionsTest, KeptConnectionThatBeganToAnswerIsNotReplaced) {
  for (const char* begun : {"H", "HTTP/1.1 100 Continue\r\n\r\n"}) {
    SCOPED_TRACE(begun);
    ScriptedServer server([&](Peer& peer) {
      peer.Read();
      peer.Write(ok_);
      peer.Read();
      peer.Write(begun);
    });
    Ask(Request(server.port()));
    EXPECT_THAT(AskInVain(Request(server.port()), TransportError::kClosed),
                HasSubstr("in the middle"));
    EXPECT_EQ(server.accepted(), 1u);
  }
}

TEST_F(HttpsConnectionsTest, KeptConnectionThatHangsIsNotReplaced) {
  ScriptedServer server([&](Peer& peer) {
    peer.Read();
    peer.Write(ok_);
    peer.AwaitClose();
  });
  Ask(Request(server.port()));
  auto request = Request(server.port());
  request.timeout = 50ms;
  AskInVain(request, TransportError::kTimeout);
  EXPECT_EQ(server.accepted(), 1u);
}

TEST_F(HttpsConnectionsTest, IdleConnectionThatTheServerClosesIsDropped) {
  for (const char* last_words : {"", "HTTP/1.1 408 Request Timeout\r\n\r\n"}) {
    SCOPED_TRACE(last_words);
    std::atomic<bool> end{false};
    ScriptedServer server([&](Peer& peer) {
      peer.Read();
      peer.Write(ok_);
      end.wait(false);
      peer.Write(last_words);
    });
    Ask(Request(server.port()));
    EXPECT_EQ(OpenConnections(), 1);
    end = true;
    end.notify_all();
    EXPECT_TRUE(Until([&] { return OpenConnections() == 0; }));
    Ask(Request(server.port()));
  }
  EXPECT_EQ(Reused(), 0);
}

TEST_F(HttpsConnectionsTest, IdleConnectionEndsByItself) {
  options_.idle_timeout = 20ms;
  ScriptedServer server(ScriptedServer::Always(ok_));
  std::vector<TransportReply> replies;
  SendMany(server.port(), 3, &replies);
  EXPECT_TRUE(Until([&] { return replies.size() == 3 && OpenConnections() == 0; }));
  EXPECT_TRUE(Until([&] { return server.closed() == 3; }));
}

TEST_F(HttpsConnectionsTest, OldConnectionTakesNoNewRequest) {
  tests::FakeClock clock;
  clock_ = &clock;
  ScriptedServer server(ScriptedServer::Always(ok_));
  options_.idle_timeout = 60s;
  options_.max_age = 100s;
  const struct {
    common::Duration later;
    std::size_t accepted;
  } kCases[] = {{0s, 1},  {59s, 1}, {59s, 2}, {61s, 3}, {30s, 3},
                {30s, 3}, {30s, 3}, {9s, 3},  {2s, 4}};
  for (const auto& c : kCases) {
    clock.Advance(c.later);
    Ask(Request(server.port()));
    EXPECT_EQ(server.accepted(), c.accepted);
  }
}

TEST_F(HttpsConnectionsTest, KeepsNoMoreIdleThanAllowed) {
  options_.max_idle_connections = 3;
  ScriptedServer a(ScriptedServer::Always(ok_));
  ScriptedServer b(ScriptedServer::Always(ok_));
  std::vector<TransportReply> replies;
  SendMany(a.port(), 10, &replies);
  ASSERT_TRUE(Until([&] { return replies.size() == 10; }));
  EXPECT_EQ(OpenConnections(), 3);
  SendMany(b.port(), 2, &replies);
  ASSERT_TRUE(Until([&] { return replies.size() == 12; }));
  EXPECT_EQ(OpenConnections(), 3);
  SendMany(b.port(), 2, &replies);  // The two that came last are the ones that stayed.
  ASSERT_TRUE(Until([&] { return replies.size() == 14; }));
  EXPECT_EQ(b.accepted(), 2u);
}

TEST_F(HttpsConnectionsTest, KeepsNoneWhenToldSo) {
  options_.max_idle_connections = 0;
  ScriptedServer server(ScriptedServer::Always(ok_));
  Ask(Request(server.port()));
  EXPECT_EQ(OpenConnections(), 0);
}

TEST_F(HttpsConnectionsTest, AHundredAtOnce) {
  options_.max_idle_connections = 100;
  std::atomic<int> waiting{0};
  ScriptedServer server([&](Peer& peer) {
    // Nobody is answered before all have asked.
    for (bool first = true; auto request = peer.Read(); first = false) {
      if (first && ++waiting == 100) waiting.notify_all();
      for (int seen = waiting; seen < 100; seen = waiting) waiting.wait(seen);
      peer.Write(ScriptedServer::Answer(200, request->body));
    }
  });
  int right = 0;
  for (int round = 1; round <= 3; ++round) {
    for (int i = 0; i < 100; ++i) {
      auto request = Request(server.port());
      request.body = std::to_string(round * 1000 + i);
      transport().Send(request, [&, want = request.body](TransportReply reply) {
        const auto* response = std::get_if<IncomingResponse>(&reply);
        if (response != nullptr && response->body == want) ++right;
      });
    }
    EXPECT_TRUE(Until([&] { return right == round * 100; }));
  }
  EXPECT_EQ(server.accepted(), 100u);
  EXPECT_EQ(OpenConnections(), 100);
  EXPECT_EQ(Reused(), 200);
}

TEST_F(HttpsConnectionsTest, DoneNeverRunsInsideSend) {
  bool sending = true;
  int done = 0;
  const auto send = [&](pipeline::OutgoingRequest request) {
    sending = true;
    transport().Send(std::move(request), [&](const TransportReply&) {
      EXPECT_FALSE(sending);
      ++done;
    });
    sending = false;
  };
  // From inside the io_context, where a posted handler could otherwise be run at once.
  boost::asio::post(io_, [&] {
    send(Request(1, "api.segment.invalid"));
    transport().Shutdown();
    send(Request(1));
  });
  EXPECT_TRUE(Until([&] { return done == 2; }));
}

TEST_F(HttpsConnectionsTest, AnswerMaySendTheNext) {
  ScriptedServer server(ScriptedServer::Always(ok_));
  int answers = 0;
  std::function<void(TransportReply)> next = [&](const TransportReply&) {
    if (++answers < 50) transport().Send(Request(server.port()), next);
  };
  transport().Send(Request(server.port()), next);
  EXPECT_TRUE(Until([&] { return answers == 50; }));
  EXPECT_EQ(server.accepted(), 1u);
}

TEST_F(HttpsConnectionsTest, ShutdownCancelsWhateverIsInFlight) {
  ScriptedServer server([&](Peer& peer) {
    peer.Read();
    if (peer.index() == 0) {
      peer.Write(ok_);
      peer.Read();
    }
    peer.AwaitClose();
  });
  options_.resolve = [](const std::string&, std::uint16_t, const common::net::ResolveDone&) {};
  Ask(Request(server.port()));  // Leaves an idle connection.
  std::vector<TransportReply> replies;
  SendMany(server.port(), 5, &replies);
  EXPECT_TRUE(Until([&] { return server.requests().size() == 6; }));
  SendMany(server.port(), 3, &replies);  // Not begun, or connecting.
  transport().Send(Request(1, "lookup.test"),
                   [&](TransportReply reply) { replies.push_back(std::move(reply)); });
  for (int i = 0; i < 3; ++i) io_.poll_one();
  transport().Shutdown();
  transport().Shutdown();
  EXPECT_TRUE(replies.empty());
  SendMany(server.port(), 1, &replies);
  EXPECT_TRUE(Until([&] { return replies.size() == 10; }));
  ExpectAllCancelled(replies);
  EXPECT_EQ(Metric("delivery_transport_errors_total", "cancelled"), 10);
  EXPECT_EQ(OpenConnections(), 0);
  EXPECT_TRUE(Until([&] { return server.closed() == server.accepted(); }));
}

TEST_F(HttpsConnectionsTest, DestroyedInFlightStillCallsBack) {
  ScriptedServer server([](Peer& peer) { peer.AwaitClose(); });
  std::vector<TransportReply> replies;
  SendMany(server.port(), 4, &replies);
  EXPECT_TRUE(Until([&] { return server.accepted() == 4; }));
  transport_.reset();
  EXPECT_TRUE(Until([&] { return replies.size() == 4; }));
  ExpectAllCancelled(replies);
}

TEST_F(HttpsConnectionsTest, CallbackMayDestroyTheTransport) {
  ScriptedServer server(ScriptedServer::Always(ok_));
  int done = 0;
  for (int i = 0; i < 3; ++i) {
    transport().Send(Request(server.port()), [&](const TransportReply&) {
      ++done;
      transport_.reset();
    });
  }
  EXPECT_TRUE(Until([&] { return done == 3; }));
}

TEST_F(HttpsConnectionsTest, IoContextMayEndFirst) {
  ScriptedServer server([&](Peer& peer) {
    peer.Read();
    if (peer.index() == 0) peer.Write(ok_);
    peer.AwaitClose();
  });
  auto io = std::make_unique<boost::asio::io_context>(1);
  auto transport = HttpsTransport::Create(*io, *clock_, options_);
  ASSERT_TRUE(transport);
  bool called = false;
  for (int i = 0; i < 3; ++i) {
    (*transport)->Send(Request(server.port()), [&](const TransportReply&) { called = true; });
  }
  while (server.requests().size() < 3 || !called) io->run_one_for(2ms);
  called = false;
  transport->reset();
  io.reset();
  EXPECT_FALSE(called);
  EXPECT_EQ(OpenConnections(), 0);
}

}  // namespace
}  // namespace gateway::deliver

// SPDX-License-Identifier: Apache-2.0
// Requests, answers and failures over plain HTTP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/strings.h"
#include "gateway/deliver/https_message.h"
#include "tests/unit/deliver/https_transport_fixture.h"

namespace gateway::deliver {
namespace {

using Peer = ScriptedServer::Peer;
using testing::HasSubstr;

/// A port on which nobody listens.
std::uint16_t ClosedPort() {
  boost::asio::io_context io;
  boost::asio::ip::tcp::acceptor acceptor(io, {boost::asio::ip::address_v4::loopback(), 0});
  return acceptor.local_endpoint().port();
}

TEST_F(HttpsTransportTest, SendsExactlyTheseBytes) {
  ScriptedServer server(ScriptedServer::Always(ScriptedServer::Answer(200, "{}")));
  auto request = Request(server.port());
  auto endpoint = *request.endpoint;
  endpoint.base_path = "/prefix";
  request.endpoint = std::make_shared<const pipeline::Endpoint>(endpoint);
  request.retry_count = 3;
  Ask(request);
  ASSERT_EQ(server.requests().size(), 1u);
  EXPECT_EQ(server.requests()[0].head,
            "POST /prefix/v1/batch HTTP/1.1\r\n"
            "Host: 127.0.0.1:" +
                std::to_string(server.port()) +
                "\r\n"
                "User-Agent: segment-gateway/" GW_VERSION
                "\r\n"
                "Authorization: Basic " +
                common::Base64Encode(std::string(kWriteKey) + ":") +
                "\r\n"
                "Content-Type: application/json\r\n"
                "X-Retry-Count: 3\r\n"
                "Content-Length: 12\r\n\r\n");
  EXPECT_EQ(server.requests()[0].body, request.body);
}

TEST_F(HttpsTransportTest, NamesTheHostAsTheEndpointSays) {
  const struct {
    pipeline::Endpoint endpoint;
    const char* host;
  } kCases[] = {
      {{true, "api.segment.io", 443, ""}, "\r\nHost: api.segment.io\r\n"},
      {{true, "api.segment.io", 80, ""}, "\r\nHost: api.segment.io:80\r\n"},
      {{false, "sandbox", 80, ""}, "\r\nHost: sandbox\r\n"},
      {{false, "sandbox", 443, ""}, "\r\nHost: sandbox:443\r\n"},
      {{true, "::1", 443, ""}, "\r\nHost: [::1]\r\n"},
      {{true, "::1", 8443, ""}, "\r\nHost: [::1]:8443\r\n"},
  };
  for (const auto& c : kCases) {
    auto request = Request(1);
    request.endpoint = std::make_shared<const pipeline::Endpoint>(c.endpoint);
    const std::string head = BuildRequestHead(request);
    EXPECT_THAT(head, HasSubstr(c.host));
    EXPECT_EQ(head.find("X-Retry-Count"), std::string::npos);
  }
}

TEST_F(HttpsTransportTest, SendsALargeBodyWhole) {
  ScriptedServer server(ScriptedServer::Always(ScriptedServer::Answer(200, "{}")));
  auto request = Request(server.port());
  request.body.assign(500'000, 'x');
  for (std::size_t i = 0; i < request.body.size(); i += 97) request.body[i] = 'y';
  EXPECT_EQ(Ask(request).status, 200);
  EXPECT_TRUE(server.requests()[0].body == request.body);
}

TEST_F(HttpsTransportTest, ReadsAnswersOfEveryShape) {
  const std::string big(kKeptBody + 5000, 'b');
  const struct {
    const char* name;
    std::string answer;
    int status;
    std::string body;
    bool kept;  ///< The connection takes the next request.
  } kCases[] = {
      {"plain", ScriptedServer::Answer(200, "{\"success\":true}"), 200, "{\"success\":true}", true},
      {"no body", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", true},
      {"error", ScriptedServer::Answer(400, "bad"), 400, "bad", true},
      {"redirect", ScriptedServer::Answer(302, "", "Location: http://127.0.0.1:1/\r\n"), 302, "",
       true},
      {"chunked",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n"
       "Trailer: 1\r\n\r\n",
       200, "abcdefg", true},
      {"interim first", "HTTP/1.1 100 Continue\r\n\r\n" + ScriptedServer::Answer(200, "ok"), 200,
       "ok", true},
      {"longer than is kept", ScriptedServer::Answer(500, big), 500, big.substr(0, kKeptBody),
       true},
      {"says close", ScriptedServer::Answer(200, "ok", "Connection: close\r\n"), 200, "ok", false},
      {"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", false},
      {"more than was asked for", ScriptedServer::Answer(200, "ok") + "HTTP/1.1 408 Late\r\n", 200,
       "ok", false},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    ScriptedServer server(ScriptedServer::Always(c.answer));
    for (int i = 0; i < 2; ++i) {
      const IncomingResponse response = Ask(Request(server.port()));
      EXPECT_EQ(response.status, c.status);
      EXPECT_EQ(response.body, c.body);
    }
    EXPECT_EQ(server.accepted(), c.kept ? 1u : 2u);
    EXPECT_EQ(server.requests().size(), 2u);
  }
}

TEST_F(HttpsTransportTest, AnswerThatEndsWithTheConnection) {
  ScriptedServer server([](Peer& peer) {
    peer.Read();
    peer.Write("HTTP/1.1 200 OK\r\n\r\nuntil the end");
  });
  EXPECT_EQ(Ask(Request(server.port())).body, "until the end");
  EXPECT_EQ(OpenConnections(), 0);
}

TEST_F(HttpsTransportTest, GivesRateHeaders) {
  ScriptedServer server(ScriptedServer::Always(ScriptedServer::Answer(
      429, "", "retry-AFTER:  17 \r\nX-RateLimit-Reset: 1700000000\r\nX-Other: 1\r\n")));
  const IncomingResponse response = Ask(Request(server.port()));
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.retry_after, "17");
  EXPECT_EQ(response.rate_limit_reset, "1700000000");
}

TEST_F(HttpsTransportTest, EndlessBodyIsCutAndTheAnswerCounts) {
  ScriptedServer server([](Peer& peer) {
    peer.Read();
    peer.Write("HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = "10000\r\n" + std::string(0x10000, 'z') + "\r\n";
    while (peer.Write(chunk)) {
    }
  });
  const IncomingResponse response = Ask(Request(server.port()));
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, std::string(kKeptBody, 'z'));
  EXPECT_EQ(OpenConnections(), 0);
}

TEST_F(HttpsTransportTest, OverlongDeclaredBodyIsCutAndTheAnswerCounts) {
  ScriptedServer server([](Peer& peer) {
    peer.Read();
    peer.Write(ScriptedServer::Answer(200, std::string(2 * kDiscardedBody, 'z')));
    peer.AwaitClose();
  });
  EXPECT_EQ(Ask(Request(server.port())).body.size(), kKeptBody);
  EXPECT_EQ(OpenConnections(), 0);
}

TEST_F(HttpsTransportTest, EarlyAnswerIsHeardWhileTheBodyIsStuck) {
  ScriptedServer server({.certificate = {}, .receive_buffer = 4096}, [](Peer& peer) {
    peer.ReadHead();
    peer.Write(ScriptedServer::Answer(413, "too large"));
    peer.AwaitClose();
  });
  auto request = Request(server.port());
  request.body.assign(32 << 20, 'x');  // More than the sockets' buffers hold.
  EXPECT_EQ(Ask(request).status, 413);
  EXPECT_EQ(OpenConnections(), 0);
}

TEST_F(HttpsTransportTest, BrokenAnswersFailWithTheirKind) {
  const struct {
    const char* name;
    std::string answer;
    TransportError error;
    const char* message;
  } kCases[] = {
      {"nothing", "", TransportError::kClosed, "without an answer"},
      {"half a header", "HTTP/1.1 200 OK\r\nContent-Le", TransportError::kClosed, "in the middle"},
      {"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", TransportError::kClosed,
       "in the middle"},
      {"half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
       TransportError::kClosed, "in the middle"},
      {"garbage", "SSH-2.0-OpenSSH_9.2\r\n", TransportError::kProtocol, "is not HTTP"},
      {"bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
       TransportError::kProtocol, "is not HTTP"},
      {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
       TransportError::kProtocol, "is not HTTP"},
      {"header bomb", "HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n",
       TransportError::kProtocol, "header limit"},
      {"many headers",
       "HTTP/1.1 200 OK\r\n" +
           [] {
             std::string all;
             for (int i = 0; i < 3000; ++i) all += "X-A: b\r\n";
             return all;
           }(),
       TransportError::kProtocol, "header limit"},
      {"endless chunk extension",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(100'000, 'e'),
       TransportError::kProtocol, "is not HTTP"},
      {"upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
       TransportError::kProtocol, "switch protocols"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    ScriptedServer server([&](Peer& peer) {
      peer.Read();
      peer.Write(c.answer);
    });
    EXPECT_THAT(AskInVain(Request(server.port()), c.error), HasSubstr(c.message));
    EXPECT_EQ(server.accepted(), 1u) << "a fresh connection is not retried";
    EXPECT_EQ(OpenConnections(), 0);
  }
  EXPECT_EQ(Metric("delivery_transport_errors_total", "closed"), 4);
  EXPECT_EQ(Metric("delivery_transport_errors_total", "protocol"), 7);
}

TEST_F(HttpsTransportTest, ResetAfterTheBodyIsClosed) {
  ScriptedServer server([](Peer& peer) {
    peer.Read();
    peer.ResetOnClose();
  });
  AskInVain(Request(server.port()), TransportError::kClosed);
  EXPECT_EQ(server.accepted(), 1u);
}

TEST_F(HttpsTransportTest, SilenceTimesOutAndClosesTheConnection) {
  const struct {
    const char* name;
    std::string answer;
  } kCases[] = {{"no byte", ""},
                {"half an answer", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"}};
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    ScriptedServer server([&](Peer& peer) {
      peer.Read();
      peer.Write(c.answer);
      peer.AwaitClose();
    });
    auto request = Request(server.port());
    request.timeout = 50ms;
    EXPECT_THAT(AskInVain(request, TransportError::kTimeout), HasSubstr("within 0.05 s"));
    EXPECT_TRUE(Until([&] { return server.closed() == 1; }));
    EXPECT_EQ(OpenConnections(), 0);
  }
}

TEST_F(HttpsTransportTest, RefusedConnection) {
  EXPECT_THAT(AskInVain(Request(ClosedPort()), TransportError::kConnect), HasSubstr("refused"));
  EXPECT_EQ(Metric("delivery_transport_errors_total", "connect"), 1);
  EXPECT_EQ(OpenConnections(), 0);
}

TEST_F(HttpsTransportTest, UnknownName) {
  EXPECT_THAT(AskInVain(Request(80, "api.segment.invalid"), TransportError::kResolve),
              HasSubstr("cannot resolve 'api.segment.invalid'"));
}

TEST_F(HttpsTransportTest, NameNoResolverTakes) {
  options_.resolve = nullptr;  // The system's; the empty label keeps it off the network.
  EXPECT_THAT(AskInVain(Request(80, "api..segment"), TransportError::kResolve),
              HasSubstr("cannot resolve 'api..segment'"));
}

TEST_F(HttpsTransportTest, SilentResolver) {
  options_.resolve = [](const std::string&, std::uint16_t, const common::net::ResolveDone&) {};
  options_.connect_timeout = 30ms;
  EXPECT_THAT(AskInVain(Request(80, "a.test"), TransportError::kResolve),
              HasSubstr("no answer to the lookup of 'a.test' within 0.03 s"));
  auto request = Request(80, "a.test");
  request.timeout = 5ms;
  AskInVain(request, TransportError::kTimeout);
}

TEST_F(HttpsTransportTest, TriesTheNextAddressAndStaysWithTheGoodOne) {
  ScriptedServer server(
      ScriptedServer::Always(ScriptedServer::Answer(200, "", "Connection: close\r\n")));
  options_.resolve = [](const std::string&, std::uint16_t port,
                        const common::net::ResolveDone& done) {
    const auto at = [&](const char* text) {
      return boost::asio::ip::tcp::endpoint(boost::asio::ip::make_address(text), port);
    };
    done(common::net::Addresses{at("127.0.0.2"), at("127.0.0.3"), at("127.0.0.1")});
  };
  EXPECT_EQ(Ask(Request(server.port(), "many.test")).status, 200);
  EXPECT_EQ(Ask(Request(server.port(), "many.test")).status, 200);
  EXPECT_EQ(server.accepted(), 2u);
  EXPECT_EQ(Metric("delivery_transport_errors_total", "connect"), 0);
}

}  // namespace
}  // namespace gateway::deliver

// SPDX-License-Identifier: Apache-2.0
// TLS: whom the transport trusts, and what it says when it does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <fstream>

#include "tests/support/temp_dir.h"
#include "tests/support/tls_authority.h"
#include "tests/unit/deliver/https_transport_fixture.h"

namespace gateway::deliver {
namespace {

using Peer = ScriptedServer::Peer;
using testing::ElementsAre;
using testing::HasSubstr;
using tests::TlsAuthority;
using Validity = TlsAuthority::Validity;

class HttpsTlsTest : public HttpsTransportTest {
 protected:
  HttpsTlsTest() { Trust(authority_); }

  void Trust(const TlsAuthority& authority) {
    options_.ca_file = dir_ / "ca.pem";
    std::ofstream(*options_.ca_file) << authority.certificate();
  }
  static pipeline::OutgoingRequest Secure(const ScriptedServer& server,
                                          const std::string& host = "api.test") {
    return Request(server.port(), host, true);
  }

  tests::TempDir dir_;
  TlsAuthority authority_;
  const std::string ok_ = ScriptedServer::Answer(200, "{}");
};

TEST_F(HttpsTlsTest, TrustedServerIsAskedByName) {
  ScriptedServer server({.certificate = authority_.Issue("api.test")}, ScriptedServer::Always(ok_));
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{20}, std::size_t{16'100}, std::size_t{500'000}}) {
    SCOPED_TRACE(size);
    auto request = Secure(server);
    request.body.assign(size, 'x');
    EXPECT_EQ(Ask(request).status, 200);
    EXPECT_TRUE(server.requests().back().body == request.body);
  }
  EXPECT_EQ(server.accepted(), 1u);
  EXPECT_THAT(server.server_names(), ElementsAre("api.test"));
}

TEST_F(HttpsTlsTest, AddressIsCheckedAsAddressAndNotNamed) {
  ScriptedServer server({.certificate = authority_.Issue("127.0.0.1")},
                        ScriptedServer::Always(ok_));
  EXPECT_EQ(Ask(Secure(server, "127.0.0.1")).status, 200);
  EXPECT_THAT(server.server_names(), ElementsAre(""));
}

TEST_F(HttpsTlsTest, DistrustedServersGetNoRequest) {
  const TlsAuthority stranger;
  const struct {
    const char* name;
    tests::Certificate certificate;
    const char* host;
    const char* message;
  } kCases[] = {
      {"wrong host", authority_.Issue("evil.test"), "api.test",
       "certificate of api.test: hostname mismatch"},
      {"wrong address", authority_.Issue("127.0.0.2"), "127.0.0.1",
       "certificate of 127.0.0.1: hostname mismatch"},
      {"name for an address", authority_.Issue("api.test"), "127.0.0.1",
       "certificate of 127.0.0.1: hostname mismatch"},
      {"other level of a wildcard", authority_.Issue("*.api.test"), "api.test",
       "certificate of api.test: hostname mismatch"},
      {"expired", authority_.Issue("api.test", Validity::kExpired), "api.test",
       "certificate of api.test: certificate has expired"},
      {"unknown authority", stranger.Issue("api.test"), "api.test",
       "certificate of api.test: unable to get local issuer certificate"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    ScriptedServer server({.certificate = c.certificate}, ScriptedServer::Always(ok_));
    EXPECT_EQ(AskInVain(Secure(server, c.host), TransportError::kTls), c.message);
    EXPECT_TRUE(Until([&] { return server.closed() == 1; }));
    EXPECT_TRUE(server.requests().empty());
    EXPECT_EQ(server.accepted(), 1u) << "no second try, no fallback";
    EXPECT_EQ(OpenConnections(), 0);
  }
}

TEST_F(HttpsTlsTest, SystemAuthoritiesDoNotKnowTheTests) {
  options_.ca_file.reset();
  ScriptedServer server({.certificate = authority_.Issue("api.test")}, ScriptedServer::Always(ok_));
  AskInVain(Secure(server), TransportError::kTls);
}

TEST_F(HttpsTlsTest, PlainTextPort) {
  ScriptedServer server([](Peer& peer) {
    peer.Write("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    peer.AwaitClose();
  });
  EXPECT_EQ(AskInVain(Secure(server), TransportError::kTls),
            "TLS handshake with api.test: wrong version number (SSL routines)");
}

TEST_F(HttpsTlsTest, OldTlsIsRefused) {
  ScriptedServer server(
      {.certificate = authority_.Issue("api.test"), .max_tls_version = TLS1_1_VERSION},
      ScriptedServer::Always(ok_));
  EXPECT_THAT(AskInVain(Secure(server), TransportError::kTls), HasSubstr("TLS handshake"));
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(HttpsTlsTest, ServerThatHangsUpInTheHandshake) {
  ScriptedServer server([](Peer& peer) {
    peer.AwaitBytes();
    peer.ResetOnClose();
  });
  EXPECT_THAT(AskInVain(Secure(server), TransportError::kConnect),
              HasSubstr("TLS handshake with api.test"));
}

TEST_F(HttpsTlsTest, HandshakeThatNeverEnds) {
  options_.connect_timeout = 200ms;
  ScriptedServer server([](Peer& peer) { peer.AwaitClose(); });
  EXPECT_EQ(AskInVain(Secure(server), TransportError::kTimeout),
            "the TLS handshake with api.test was not over within 0.2 s");
  EXPECT_TRUE(Until([&] { return server.closed() == 1; }));
}

TEST_F(HttpsTlsTest, OneBadAddressDoesNotStopTheOthers) {
  ScriptedServer good({.certificate = authority_.Issue("api.test")}, ScriptedServer::Always(ok_));
  ScriptedServer mute([](Peer& peer) { peer.AwaitClose(); });
  ScriptedServer rude([](Peer& peer) {
    peer.AwaitBytes();
    peer.ResetOnClose();
  });
  ScriptedServer wrong({.certificate = authority_.Issue("evil.test")}, ScriptedServer::Always(ok_));
  const struct {
    const char* name;
    ScriptedServer& bad;
    common::Duration timeout;
    std::optional<TransportError> first;  ///< How the first request ends; nullopt: well.
  } kCases[] = {
      {"mute", mute, 20s, std::nullopt},
      {"mute, and no time is left", mute, 50ms, TransportError::kTimeout},
      {"rude", rude, 20s, std::nullopt},
      {"wrong certificate", wrong, 20s, TransportError::kTls},
  };
  options_.connect_timeout = 1s;
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    options_.resolve = [&](const std::string&, std::uint16_t,
                           const common::net::ResolveDone& done) {
      const auto local = boost::asio::ip::address_v4::loopback();
      done(common::net::Addresses{{local, c.bad.port()}, {local, good.port()}});
    };
    transport_.reset();
    const std::size_t before = c.bad.accepted();
    auto request = Secure(good);
    request.timeout = c.timeout;
    if (c.first) {
      AskInVain(request, *c.first);
    } else {
      EXPECT_EQ(Ask(request).status, 200);
    }
    EXPECT_EQ(Ask(Secure(good)).status, 200);
    EXPECT_EQ(c.bad.accepted(), before + 1) << "the good address comes first from then on";
  }
}

TEST_F(HttpsTlsTest, TruncatedAnswersAreNotBelieved) {
  for (const char* answer :
       {"", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "HTTP/1.1 200 OK\r\n\r\nabc"}) {
    SCOPED_TRACE(answer);
    ScriptedServer server({.certificate = authority_.Issue("api.test")}, [&](Peer& peer) {
      peer.Read();
      peer.Write(answer);
    });
    AskInVain(Secure(server), TransportError::kClosed);
    EXPECT_EQ(server.accepted(), 1u);
  }
}

TEST_F(HttpsTlsTest, EndOfTheConnectionMayEndTheBodyWhenSaid) {
  ScriptedServer server({.certificate = authority_.Issue("api.test")}, [](Peer& peer) {
    peer.Read();
    peer.Write("HTTP/1.1 200 OK\r\n\r\nabc");
    peer.SayGoodbye();
  });
  EXPECT_EQ(Ask(Secure(server)).body, "abc");
}

TEST_F(HttpsTlsTest, WholeAnswerBeforeATruncationCounts) {
  ScriptedServer server({.certificate = authority_.Issue("api.test")}, [&](Peer& peer) {
    peer.Read();
    peer.Write(ok_);
  });
  EXPECT_EQ(Ask(Secure(server)).status, 200);
  EXPECT_TRUE(Until([&] { return OpenConnections() == 0; }));
}

TEST_F(HttpsTlsTest, DeadKeptConnectionIsReplacedUnnoticed) {
  ScriptedServer server({.certificate = authority_.Issue("api.test")}, [&](Peer& peer) {
    peer.Read();
    peer.Write(ok_);
    peer.Read();
    if (peer.index() > 0) peer.Write(ok_);
  });
  Ask(Secure(server));
  EXPECT_EQ(Ask(Secure(server)).status, 200);
  EXPECT_EQ(server.accepted(), 2u);
}

TEST_F(HttpsTlsTest, NextConnectionResumesTheSession) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SCOPED_TRACE(version);
    ScriptedServer server(
        {.certificate = authority_.Issue("api.test"), .max_tls_version = version},
        ScriptedServer::Always(ScriptedServer::Answer(200, "", "Connection: close\r\n")));
    for (int i = 0; i < 4; ++i) EXPECT_EQ(Ask(Secure(server)).status, 200);
    EXPECT_EQ(server.accepted(), 4u);
    EXPECT_EQ(server.resumed(), 3u);
    Ask(Secure(server, "api.test"));
    EXPECT_EQ(server.resumed(), 4u);
    AskInVain(Secure(server, "other.test"), TransportError::kTls);  // Not another name's.
  }
}

TEST_F(HttpsTlsTest, ShutdownInFlight) {
  ScriptedServer server({.certificate = authority_.Issue("api.test")}, [&](Peer& peer) {
    peer.Read();
    peer.AwaitClose();
  });
  ScriptedServer mute([](Peer& peer) { peer.AwaitClose(); });
  int cancelled = 0;
  const auto count = [&](const TransportReply& reply) {
    const auto* failure = std::get_if<TransportFailure>(&reply);
    if (failure != nullptr && failure->error == TransportError::kCancelled) ++cancelled;
  };
  transport().Send(Secure(server), count);
  auto large = Secure(server);
  large.body.assign(300'000, 'x');
  transport().Send(large, count);
  transport().Send(Secure(mute), count);
  EXPECT_TRUE(Until([&] { return server.requests().size() == 2 && mute.accepted() == 1; }));
  transport().Shutdown();
  EXPECT_TRUE(Until([&] { return cancelled == 3; }));
  EXPECT_EQ(OpenConnections(), 0);
}

TEST_F(HttpsTlsTest, UnusableAuthorityFilesAreRefused) {
  std::ofstream(dir_ / "empty.pem") << "nothing";
  for (const std::string& path : {dir_ / "absent.pem", dir_ / "empty.pem"}) {
    options_.ca_file = path;
    const auto made = HttpsTransport::Create(io_, *clock_, options_);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, common::ErrorCode::kInvalidArgument);
    EXPECT_THAT(made.error().message, HasSubstr(path));
  }
}

}  // namespace
}  // namespace gateway::deliver

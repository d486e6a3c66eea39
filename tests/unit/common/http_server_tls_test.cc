// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>

#include "common/net/http_server.h"
#include "tests/support/raw_http_client.h"
#include "tests/unit/common/http_server_fixture.h"
#include "tests/unit/common/tls_client.h"

namespace common::net {
namespace {

using tests::RawHttpClient;
using End = RawHttpClient::End;
using ::testing::EndsWith;
using ::testing::HasSubstr;

TEST(HttpServerTls, ServesRequestsOnOneConnection) {
  FakeService service;
  const CertificateFiles files;
  const auto certificate = std::move(files.Load().value());
  RunningServer server(service, TestOptions(), certificate.get());
  TlsClient client(server.port());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(client.Send(Post("/", "first") + Post("/", "second")));
  EXPECT_THAT(client.ReadUntil("second"), HasSubstr("first"));
  const std::string large(200'000, 'x');
  ASSERT_TRUE(client.Send(Post("/", large + "end")));
  EXPECT_THAT(client.ReadUntil("xend"), EndsWith(large + "end"));
  EXPECT_EQ(server->stats().accepted.load(), 1U);
}

TEST(HttpServerTls, EndsInOrderWhenTheAnswerIsTheLast) {
  FakeService service;
  const CertificateFiles files;
  const auto certificate = std::move(files.Load().value());
  RunningServer server(service, TestOptions(), certificate.get());
  TlsClient client(server.port());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(client.Send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"));
  EXPECT_THAT(client.ReadUntil(""), HasSubstr("Connection: close"));
  EXPECT_TRUE(client.ended_in_order());
}

TEST(HttpServerTls, EndsInOrderWhenTheHeaderIsRefused) {
  FakeService service;
  service.on_head = [](const RequestHead&) -> std::variant<ReadBody, Response> {
    return Response{.status = 401, .body = "no", .headers = {}};
  };
  const CertificateFiles files;
  const auto certificate = std::move(files.Load().value());
  RunningServer server(service, TestOptions(), certificate.get());
  const std::string body(30'000, 'x');
  for (const bool whole : {true, false}) {  // The server does not wait for what never comes.
    TlsClient client(server.port());
    ASSERT_TRUE(client.Handshake());
    ASSERT_TRUE(
        client.Send("POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 30000\r\n\r\n" +
                    body.substr(0, whole ? body.size() : 10)));
    EXPECT_THAT(client.ReadUntil(""), HasSubstr("401"));
    EXPECT_TRUE(client.ended_in_order());
  }
}

TEST(HttpServerTls, RefusesASlowBodyAfterTheReadWasCancelled) {
  FakeService service;
  const CertificateFiles files;
  const auto certificate = std::move(files.Load().value());
  ServerOptions options = TestOptions();
  options.body_timeout = std::chrono::milliseconds(300);
  RunningServer server(service, options, certificate.get());
  TlsClient client(server.port());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(client.Send("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc"));
  EXPECT_THAT(client.ReadUntil("in time"), HasSubstr("408"));
}

TEST(HttpServerTls, APlainRequestAndASilentPeerAreCutOff) {
  FakeService service;
  const CertificateFiles files;
  const auto certificate = std::move(files.Load().value());
  ServerOptions options = TestOptions();
  options.header_timeout = std::chrono::milliseconds(300);
  RunningServer server(service, options, certificate.get());
  RawHttpClient plain(server.port());
  ASSERT_TRUE(plain.Send(Get("/")));
  EXPECT_NE(plain.ReadToEnd(), End::kTimeout);
  RawHttpClient silent(server.port());
  EXPECT_EQ(silent.ReadToEnd(), End::kOrderly);
  EXPECT_TRUE(service.seen().empty());
  EXPECT_TRUE(Eventually([&] { return server->stats().connections.load() == 0; }));
}

TEST(HttpServerTls, StopEndsIdleAndHandshakingConnections) {
  FakeService service;
  const CertificateFiles files;
  const auto certificate = std::move(files.Load().value());
  RunningServer server(service, TestOptions(), certificate.get());
  TlsClient idle(server.port());
  ASSERT_TRUE(idle.Handshake());
  ASSERT_TRUE(idle.Send(Get("/")));
  EXPECT_THAT(idle.ReadUntil("\r\n\r\n"), HasSubstr("200"));
  RawHttpClient silent(server.port());
  ASSERT_TRUE(Eventually([&] { return server->stats().connections.load() == 2; }));
  server.Stop();
  EXPECT_TRUE(Eventually([&] { return server.stopped(); }));
}

TEST(HttpServerTls, PeersThatVanishLeaveNothingBehind) {
  FakeService service;
  const CertificateFiles files;
  const auto certificate = std::move(files.Load().value());
  RunningServer server(service, TestOptions(), certificate.get());
  {
    TlsClient client(server.port());
    ASSERT_TRUE(client.Handshake());
    ASSERT_TRUE(client.Send("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc"));
    client.tcp().Reset();
  }
  {
    RawHttpClient half_handshake(server.port());
    half_handshake.Send("\x16\x03\x01");
    half_handshake.Reset();
  }
  EXPECT_TRUE(Eventually([&] { return server->stats().accepted.load() == 2; }));
  EXPECT_TRUE(Eventually([&] { return server->stats().connections.load() == 0; }));
}

}  // namespace
}  // namespace common::net

// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "common/net/http_server.h"
#include "tests/support/raw_http_client.h"
#include "tests/unit/common/http_server_fixture.h"

namespace common::net {
namespace {

using tests::RawHttpClient;
using End = RawHttpClient::End;
using ::testing::EndsWith;
using ::testing::HasSubstr;

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};
template <typename T, auto Free>
using Owned = std::unique_ptr<T, Freer<Free>>;

/// A server context with a fresh self-signed certificate for "localhost".
std::unique_ptr<boost::asio::ssl::context> SelfSignedContext() {
  const Owned<EVP_PKEY, EVP_PKEY_free> key(EVP_EC_gen("P-256"));
  const Owned<X509, X509_free> certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  const unsigned char common_name[] = "localhost";
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common_name, -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  X509_sign(certificate.get(), key.get(), EVP_sha256());

  auto context = std::make_unique<boost::asio::ssl::context>(boost::asio::ssl::context::tls_server);
  SSL_CTX_use_certificate(context->native_handle(), certificate.get());
  SSL_CTX_use_PrivateKey(context->native_handle(), key.get());
  return context;
}

class TlsClient {
 public:
  explicit TlsClient(std::uint16_t port)
      : tcp_(port), context_(SSL_CTX_new(TLS_client_method())), ssl_(SSL_new(context_.get())) {
    SSL_set_fd(ssl_.get(), tcp_.fd());
  }
  bool Handshake() { return SSL_connect(ssl_.get()) == 1; }
  bool Send(std::string_view bytes) {
    return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) ==
           static_cast<int>(bytes.size());
  }
  /// Everything until `end` has come, or the connection ends.
  std::string ReadUntil(std::string_view end) {
    std::string all;
    char bytes[4096];
    while (end.empty() || all.find(end) == std::string::npos) {
      const int n = SSL_read(ssl_.get(), bytes, sizeof(bytes));
      if (n <= 0) break;
      all.append(bytes, static_cast<std::size_t>(n));
    }
    return all;
  }
  /// Whether the server has ended the TLS session in order (close_notify).
  bool ended_in_order() const {
    return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }
  RawHttpClient& tcp() { return tcp_; }

 private:
  RawHttpClient tcp_;
  Owned<SSL_CTX, SSL_CTX_free> context_;
  Owned<SSL, SSL_free> ssl_;
};

TEST(HttpServerTls, ServesRequestsOnOneConnection) {
  FakeService service;
  const auto context = SelfSignedContext();
  RunningServer server(service, TestOptions(), context.get());
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
  const auto context = SelfSignedContext();
  RunningServer server(service, TestOptions(), context.get());
  TlsClient client(server.port());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(client.Send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"));
  EXPECT_THAT(client.ReadUntil(""), HasSubstr("Connection: close"));
  EXPECT_TRUE(client.ended_in_order());
}

TEST(HttpServerTls, RefusesASlowBodyAfterTheReadWasCancelled) {
  FakeService service;
  const auto context = SelfSignedContext();
  ServerOptions options = TestOptions();
  options.body_timeout = std::chrono::milliseconds(300);
  RunningServer server(service, options, context.get());
  TlsClient client(server.port());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(client.Send("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc"));
  EXPECT_THAT(client.ReadUntil("in time"), HasSubstr("408"));
}

TEST(HttpServerTls, APlainRequestAndASilentPeerAreCutOff) {
  FakeService service;
  const auto context = SelfSignedContext();
  ServerOptions options = TestOptions();
  options.header_timeout = std::chrono::milliseconds(300);
  RunningServer server(service, options, context.get());
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
  const auto context = SelfSignedContext();
  RunningServer server(service, TestOptions(), context.get());
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
  const auto context = SelfSignedContext();
  RunningServer server(service, TestOptions(), context.get());
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

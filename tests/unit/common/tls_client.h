// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/net/tls_server.h"
#include "tests/support/raw_http_client.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tls_authority.h"

namespace common::net {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};
template <typename T, auto Free>
using Owned = std::unique_ptr<T, Freer<Free>>;
using TlsSession = Owned<SSL_SESSION, SSL_SESSION_free>;

/// A blocking TLS client that trusts everybody.
class TlsClient {
 public:
  /// `resume`: offers that session. `max_version`: e.g. TLS1_2_VERSION; 0: the newest.
  explicit TlsClient(std::uint16_t port, SSL_SESSION* resume = nullptr, int max_version = 0)
      : tcp_(port), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_max_proto_version(context_.get(), max_version);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), tcp_.fd());
    if (resume != nullptr) SSL_set_session(ssl_.get(), resume);
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
  bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  /// The server's certificate, PEM.
  std::string PeerCertificate() const {
    const Owned<X509, X509_free> peer(SSL_get1_peer_certificate(ssl_.get()));
    const Owned<BIO, BIO_free> bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(bio.get(), peer.get());
    std::string pem(BIO_ctrl_pending(bio.get()), '\0');
    BIO_read(bio.get(), pem.data(), static_cast<int>(pem.size()));
    return pem;
  }
  /// For a later client; after an answer was read, since tickets come with it.
  TlsSession session() const { return TlsSession(SSL_get1_session(ssl_.get())); }
  tests::RawHttpClient& tcp() { return tcp_; }

 private:
  tests::RawHttpClient tcp_;
  Owned<SSL_CTX, SSL_CTX_free> context_;
  Owned<SSL, SSL_free> ssl_;
};

/// A certificate on disk for "localhost", which a test may replace.
class CertificateFiles {
 public:
  CertificateFiles() { Write(Issue()); }

  tests::Certificate Issue(
      tests::TlsAuthority::Validity validity = tests::TlsAuthority::Validity::kCurrent) const {
    return authority_.Issue("localhost", validity);
  }
  void Write(const tests::Certificate& pair) const {
    WriteCertificate(pair.certificate);
    WriteKey(pair.key);
  }
  void WriteCertificate(std::string_view text) const { WriteFile(certificate(), text); }
  void WriteKey(std::string_view text) const { WriteFile(key(), text); }
  std::string certificate() const { return dir_ / "tls.crt"; }
  std::string key() const { return dir_ / "tls.key"; }
  const tests::TempDir& dir() const { return dir_; }

  Result<std::unique_ptr<ServerCertificate>> Load() const {
    return ServerCertificate::Load(certificate(), key(), clock_);
  }

  static void WriteFile(const std::string& path, std::string_view text) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  }

 private:
  const tests::TempDir dir_;
  const tests::TlsAuthority authority_;
  const SystemClock clock_;
};

}  // namespace common::net

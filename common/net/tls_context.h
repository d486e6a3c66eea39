// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/ssl.h>

#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/result.h"

namespace common::net {

/// What every TLS client stream of the process has in common: TLS 1.2 or newer, the
/// system's certificate authorities (and perhaps one file of the operator's), and the last
/// session of each server, so that a new connection resumes instead of starting anew.
///
/// Invariant: a stream that went through Prepare() completes its handshake only with a
/// peer whose chain leads to a trusted authority and whose certificate names `host`.
///
/// Not thread-safe: one per io thread. Outlives its streams.
class TlsClientContext {
 public:
  /// Reads the authorities; `ca_file` (PEM) adds to the system's. kInvalidArgument when
  /// the file cannot be read or holds no certificate.
  static Result<std::unique_ptr<TlsClientContext>> Create(
      const std::optional<std::string>& ca_file);
  TlsClientContext(const TlsClientContext&) = delete;
  TlsClientContext& operator=(const TlsClientContext&) = delete;

  boost::asio::ssl::context& context() { return context_; }

  /// Binds a fresh asio ssl::stream to the server at host:port: the name check, SNI (none
  /// for address literals, which are checked as addresses), and the session to resume.
  template <typename Stream>
  Status Prepare(Stream& stream, const std::string& host, std::uint16_t port) {
    stream.set_verify_callback(HostVerifier(host));
    return PrepareNative(stream.native_handle(), host, port);
  }

  /// Why the handshake of `stream` failed with `error`, for a person, e.g. "certificate of
  /// api.segment.io: hostname mismatch".
  template <typename Stream>
  static std::string DescribeFailure(Stream& stream, const std::string& host,
                                     const boost::system::error_code& error) {
    return DescribeNative(stream.native_handle(), host, error);
  }

  /// Whether `stream` refused the peer's certificate (and not, say, lost the connection).
  template <typename Stream>
  static bool RefusedCertificate(Stream& stream) {
    return SSL_get_verify_result(stream.native_handle()) != X509_V_OK;
  }

 private:
  struct FreeSession {
    void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
  };
  using Session = std::unique_ptr<SSL_SESSION, FreeSession>;

  /// RFC 6125 check of the leaf, after the chain was found good.
  class HostVerifier {
   public:
    explicit HostVerifier(std::string host) : host_(std::move(host)) {}
    bool operator()(bool chain_is_good, boost::asio::ssl::verify_context& context) const;

   private:
    std::string host_;
  };

  TlsClientContext();
  Status PrepareNative(SSL* ssl, const std::string& host, std::uint16_t port);
  static std::string DescribeNative(SSL* ssl, const std::string& host,
                                    const boost::system::error_code& error);
  static int OnNewSession(SSL* ssl, SSL_SESSION* session);

  boost::asio::ssl::context context_;
  /// By "host:port"; streams point at the mapped values, which never move.
  std::map<std::string, Session> sessions_;
};

}  // namespace common::net

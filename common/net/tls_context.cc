// SPDX-License-Identifier: Apache-2.0
#include "common/net/tls_context.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/verify_context.hpp>

namespace common::net {
namespace {

namespace ssl = boost::asio::ssl;

/// Where an SSL object keeps the address of its server's entry in `sessions_`.
int SessionSlotIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

bool IsAddress(const std::string& host) {
  boost::system::error_code error;
  boost::asio::ip::make_address(host, error);
  return !error;
}

}  // namespace

TlsClientContext::TlsClientContext() : context_(ssl::context::tls_client) {}

Result<std::unique_ptr<TlsClientContext>> TlsClientContext::Create(
    const std::optional<std::string>& ca_file) {
  std::unique_ptr<TlsClientContext> made(new TlsClientContext());
  ssl::context& context = made->context_;
  SSL_CTX* native = context.native_handle();
  boost::system::error_code error;
  context.set_verify_mode(ssl::verify_peer, error);
  if (!error) context.set_default_verify_paths(error);
  if (error || SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION) != 1) {
    return Fail(ErrorCode::kUnavailable, "TLS cannot be set up: " + error.message());
  }
  if (ca_file) {
    context.load_verify_file(*ca_file, error);
    if (error) {
      return Fail(
          ErrorCode::kInvalidArgument,
          fmt::format("no certificate can be read from '{}': {}", *ca_file, error.message()));
    }
  }
  // Idle connections give their record buffers back.
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(native, &TlsClientContext::OnNewSession);
  return made;
}

bool TlsClientContext::HostVerifier::operator()(bool chain_is_good,
                                                ssl::verify_context& context) const {
  if (!chain_is_good) return false;
  const ssl::host_name_verification names_host(host_);
  if (names_host(true, context)) return true;
  X509_STORE_CTX_set_error(context.native_handle(), X509_V_ERR_HOSTNAME_MISMATCH);
  return false;
}

Status TlsClientContext::PrepareNative(SSL* ssl, const std::string& host, std::uint16_t port) {
  // SSL_set_tlsext_host_name is a macro with a C-style cast; this is what it stands for.
  const bool named =
      IsAddress(host) || SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                                  const_cast<char*>(host.c_str())) == 1;
  Session& slot = sessions_[fmt::format("{}:{}", host, port)];
  if (!named || SSL_set_ex_data(ssl, SessionSlotIndex(), &slot) != 1) {
    ERR_clear_error();
    return Fail(ErrorCode::kInvalidArgument, fmt::format("'{}' cannot be a TLS server name", host));
  }
  // A session that OpenSSL will not take only means a full handshake.
  if (slot && SSL_set_session(ssl, slot.get()) != 1) {
    slot.reset();
    ERR_clear_error();
  }
  return Ok();
}

int TlsClientContext::OnNewSession(SSL* ssl, SSL_SESSION* session) {
  auto* slot = static_cast<Session*>(SSL_get_ex_data(ssl, SessionSlotIndex()));
  if (slot == nullptr) return 0;
  slot->reset(session);
  return 1;  // The reference is ours now.
}

std::string TlsClientContext::DescribeNative(SSL* ssl, const std::string& host,
                                             const boost::system::error_code& error) {
  const long verdict = SSL_get_verify_result(ssl);
  if (verdict != X509_V_OK) {
    return fmt::format("certificate of {}: {}", host, X509_verify_cert_error_string(verdict));
  }
  return fmt::format("TLS handshake with {}: {}", host, error.message());
}

}  // namespace common::net

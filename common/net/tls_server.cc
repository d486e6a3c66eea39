// SPDX-License-Identifier: Apache-2.0
#include "common/net/tls_server.h"

#include <fmt/format.h>

namespace common::net {

namespace ssl = boost::asio::ssl;

Result<std::unique_ptr<ssl::context>> LoadServerTls(const std::string& certificate,
                                                    const std::string& key) {
  auto context = std::make_unique<ssl::context>(ssl::context::tls_server);
  boost::system::error_code error;
  context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                           ssl::context::no_sslv3 | ssl::context::no_tlsv1 |
                           ssl::context::no_tlsv1_1,
                       error);
  context->use_certificate_chain_file(certificate, error);
  if (error) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("certificate {}: {}", certificate, error.message()));
  }
  context->use_private_key_file(key, ssl::context::pem, error);
  if (error) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("private key {}: {}", key, error.message()));
  }
  return context;
}

}  // namespace common::net

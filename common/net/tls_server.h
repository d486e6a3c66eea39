// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "common/result.h"

namespace common::net {

/// A context for an HttpServer that speaks HTTPS: TLS 1.2 or newer, the certificate chain
/// and private key of two PEM files. kInvalidArgument, naming the file, when one cannot be
/// used or they do not belong together.
Result<std::unique_ptr<boost::asio::ssl::context>> LoadServerTls(const std::string& certificate,
                                                                 const std::string& key);

}  // namespace common::net

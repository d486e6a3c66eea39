// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/pipeline/transport.h"

namespace gateway::deliver {

/// Request line and header of `request`, with the empty line that ends it.
std::string BuildRequestHead(const pipeline::OutgoingRequest& request);

/// Bytes of an answer's body that are kept; see pipeline::IncomingResponse.
inline constexpr std::size_t kKeptBody = 8 * 1024;
/// Bytes read behind them for the sake of keeping the connection; a longer body is not
/// worth it.
inline constexpr std::size_t kDiscardedBody = 1024 * 1024;
inline constexpr std::uint32_t kResponseHeaderLimit = 16 * 1024;

/// Reads one HTTP/1.x response: keeps the status, two headers and the start of the body,
/// and nothing else, so that an answer costs no allocation a header field.
class ResponseParser final : public boost::beast::http::basic_parser<false> {
 public:
  ResponseParser();

  /// Valid once the header is read.
  int status() const { return response_.status; }
  /// The body is longer than we read; what was kept of it is good, the connection is not.
  bool body_too_long() const { return body_too_long_; }
  /// 100, 102, 103: the answer proper comes behind it.
  bool interim() const {
    return response_.status >= 100 && response_.status < 200 && response_.status != 101;
  }
  pipeline::IncomingResponse Take() { return std::move(response_); }

 private:
  using error_code = boost::beast::error_code;
  using string_view = boost::beast::string_view;

  void on_request_impl(boost::beast::http::verb, string_view, string_view, int,
                       error_code&) override {}
  void on_response_impl(int status, string_view reason, int version, error_code& error) override;
  void on_field_impl(boost::beast::http::field name, string_view name_text, string_view value,
                     error_code& error) override;
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code& error) override;
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t remain, string_view body,
                                 error_code& error) override;
  void on_finish_impl(error_code&) override {}

  pipeline::IncomingResponse response_;
  std::size_t discarded_ = 0;
  bool body_too_long_ = false;
};

}  // namespace gateway::deliver

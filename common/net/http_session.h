// SPDX-License-Identifier: Apache-2.0
//
// Internal to common/net: one connection of an HttpServer.
#pragma once

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "common/net/chunked_decoder.h"
#include "common/net/http_response.h"
#include "common/net/http_server.h"
#include "common/net/http_worker.h"
#include "common/strings.h"

namespace common::net::internal {

namespace http = boost::beast::http;
using TlsStream = asio::ssl::stream<Socket>;

/// Reads requests one after the other (pipelined ones wait in the buffer), hands each to
/// the exchange, writes its answer. Everything runs on the worker's thread; only Answer
/// may be called from elsewhere. `Stream` is a Socket, a TlsStream, or, in tests, what has
/// the same members.
template <typename Stream>
class HttpSession final : public SessionBase,
                          public Responder::Sink,
                          public std::enable_shared_from_this<HttpSession<Stream>> {
 public:
  template <typename... StreamArgs>
  HttpSession(std::shared_ptr<ServerState> state, std::shared_ptr<Worker> worker,
              StreamArgs&&... args)
      : state_(std::move(state)),
        worker_(std::move(worker)),
        stream_(std::forward<StreamArgs>(args)...),
        exchange_(state_->service->NewExchange()) {
    worker_->sessions.insert(this);
    // Bodies go straight into their own presized string; this holds headers, and the
    // small bodies that arrive with them.
    buffer_.reserve(kReadBytes);
    head_.header = [this](std::string_view name) { return Header(name); };
    head_.headers = [this](std::string_view name) { return Headers(name); };
  }

  void Start() override {
    error_code ignored;
    const auto peer = Lowest().remote_endpoint(ignored);
    remote_ =
        peer.address().is_v6() && peer.address().to_v6().is_v4_mapped()
            ? asio::ip::make_address_v4(asio::ip::v4_mapped, peer.address().to_v6()).to_string()
            : peer.address().to_string();
    Lowest().set_option(asio::ip::tcp::no_delay(true), ignored);
    if constexpr (kTls) {
      SetDeadline(state_->options.header_timeout);
      stream_.async_handshake(TlsStream::server, [self = Self()](error_code error) {
        if (error) return self->Close();
        self->NextRequest();
      });
    } else {
      NextRequest();
    }
  }

  void Sweep(SteadyTime now) override {
    if (now < deadline_ || phase_ == Phase::kClosed) return;
    if (phase_ == Phase::kIdle || phase_ == Phase::kWrite) return Close();
    if (phase_ == Phase::kDrain || phase_ == Phase::kDiscard) return Close();
    state_->stats.timed_out.fetch_add(1);
    if (phase_ == Phase::kHandshake) return Close();
    // The pending read holds a buffer of ours: cancel it, and answer from its handler.
    timed_out_ = true;
    error_code ignored;
    Lowest().cancel(ignored);
  }

  void BeginStop() override {
    if (phase_ == Phase::kIdle || phase_ == Phase::kHandshake) Close();
  }

  void Kill() override { Close(); }

  void Answer(Response response) override {
    asio::dispatch(
        stream_.get_executor(),
        [self = Self(), response = std::move(response)]() mutable { self->OnAnswer(response); });
  }

  asio::any_io_executor Executor() override { return stream_.get_executor(); }

 private:
  static constexpr bool kTls = std::is_same_v<Stream, TlsStream>;
  static constexpr std::size_t kReadBytes = 4096;
  static constexpr std::size_t kChunkedStartBytes = 16 * 1024;
  /// How much more of a body may come before the exchange is asked again.
  static constexpr std::size_t kGrowth = 8;
  static constexpr std::chrono::seconds kLinger{1};
  static constexpr std::string_view kHeadEnd = "\r\n\r\n";

  enum class Phase {
    kHandshake,
    kIdle,
    kHead,
    kBody,
    kHandling,
    kWrite,
    kDiscard,
    kDrain,
    kClosed,
  };

  /// Of headers only: bodies need no Beast.
  using Parser = http::request_parser<http::empty_body>;

  std::shared_ptr<HttpSession> Self() { return this->shared_from_this(); }

  auto& Lowest() {
    if constexpr (kTls) {
      return stream_.next_layer();
    } else {
      return stream_;
    }
  }

  void SetDeadline(Duration timeout) {
    deadline_ = timeout == Duration{} ? SteadyTime::max() : worker_->now + kSweepInterval + timeout;
  }

  std::string_view Buffered() const {
    const auto bytes = buffer_.data();
    return {static_cast<const char*>(bytes.data()), bytes.size()};
  }

  std::string_view Header(std::string_view name) const {
    const auto& message = parser_->get();
    const auto it = message.find(boost::beast::string_view(name.data(), name.size()));
    if (it == message.end()) return {};
    return {it->value().data(), it->value().size()};
  }

  std::string Headers(std::string_view name) const {
    const auto [first, last] =
        parser_->get().equal_range(boost::beast::string_view(name.data(), name.size()));
    std::string joined;
    for (auto it = first; it != last; ++it) {
      if (it != first) joined += ", ";
      joined.append(it->value().data(), it->value().size());
    }
    return joined;
  }

  // ---- Header ----------------------------------------------------------------------

  void NextRequest() {
    if (state_->stopping.load(std::memory_order_relaxed)) return Finish();
    SkipEmptyLines();
    phase_ = buffer_.size() == 0 ? Phase::kIdle : Phase::kHead;
    SetDeadline(phase_ == Phase::kIdle ? state_->options.idle_timeout
                                       : state_->options.header_timeout);
    head_.method = {};
    searched_ = 0;
    parser_.emplace();
    if (phase_ == Phase::kIdle) return ReadHead();
    ParseHead();
  }

  void ReadHead() {
    stream_.async_read_some(
        buffer_.prepare(kReadBytes),
        [self = Self()](error_code error, std::size_t n) { self->OnHeadBytes(error, n); });
  }

  /// Some clients end a body with a line break that is not counted in its length
  /// (RFC 9112 section 2.2). It starts no request.
  void SkipEmptyLines() {
    const std::string_view bytes = Buffered();
    buffer_.consume(std::min(bytes.find_first_not_of("\r\n"), bytes.size()));
  }

  void OnHeadBytes(error_code error, std::size_t n) {
    if (phase_ == Phase::kClosed) return;
    if (timed_out_) return RefuseProtocol(408, "the request header did not arrive in time");
    if (error == asio::error::eof && phase_ == Phase::kHead) return ParseHead(/*at_end=*/true);
    if (error) return Close();
    buffer_.commit(n);
    if (phase_ == Phase::kIdle) {
      SkipEmptyLines();
      if (buffer_.size() == 0) return ReadHead();
      phase_ = Phase::kHead;
      SetDeadline(state_->options.header_timeout);
    }
    ParseHead();
  }

  /// Parses what there is at once, and then only when the header is whole, or never will be:
  /// each time from its start. Beast could go on where it stopped, but then applies its limit
  /// to each piece, and a client that cuts well could send fields without end.
  void ParseHead(bool at_end = false) {
    const std::string_view all = Buffered();
    const std::string_view bytes = all.substr(0, state_->options.max_header_bytes);
    const bool too_large = bytes.size() < all.size();
    const bool first = searched_ == 0;
    if (first || at_end || too_large || HeadHasEnded(bytes)) {
      const error_code error = PutHead(bytes);
      if (parser_->is_header_done()) return OnHead();
      const bool whole = HeadHasEnded(bytes);
      if (error != http::error::need_more || whole) return OnBadHead(WhatIsWrong(bytes));
      if (too_large) return OnBadHead(http::error::header_limit);
    }
    if (at_end) return Close();
    searched_ = bytes.size();
    ReadHead();
  }

  bool HeadHasEnded(std::string_view bytes) const {
    const std::size_t from = searched_ - std::min(searched_, kHeadEnd.size() - 1);
    return bytes.find(kHeadEnd, from) != std::string_view::npos;
  }

  error_code PutHead(std::string_view bytes) {
    if (parser_->got_some()) parser_.emplace();
    parser_->header_limit(std::numeric_limits<std::uint32_t>::max());
    parser_->body_limit(boost::none);
    error_code error;
    const std::size_t used = parser_->put(asio::buffer(bytes.data(), bytes.size()), error);
    if (parser_->is_header_done()) buffer_.consume(used);
    return error;
  }

  /// With a header that is none: what the client is told does not depend on what it sent
  /// after it.
  error_code WhatIsWrong(std::string_view bytes) {
    const std::size_t end = bytes.find(kHeadEnd);
    const error_code error =
        PutHead(end == std::string_view::npos ? bytes : bytes.substr(0, end + kHeadEnd.size()));
    return error == http::error::need_more ? http::error::partial_message : error;
  }

  void OnBadHead(error_code error) {
    if (error == http::error::header_limit) {
      return RefuseProtocol(431, "the request header is larger than the limit of " +
                                     std::to_string(state_->options.max_header_bytes) + " bytes");
    }
    RefuseProtocol(400, "this is not an HTTP/1.1 request: " + error.message());
  }

  /// Whether the header leaves a doubt about where the body ends. Beast takes any
  /// Transfer-Encoding that is not a single final "chunked" for no body at all, and the
  /// body would run as the next request: somebody else's, behind a proxy that reads it
  /// differently (RFC 9112 §6.3, §11.2).
  bool FramingIsAmbiguous() const {
    const auto& message = parser_->get();
    const std::size_t encodings = message.count(http::field::transfer_encoding);
    if (encodings == 0) return false;
    return encodings > 1 || !EqualsIgnoreCase(Header("Transfer-Encoding"), "chunked") ||
           message.version() == 10 || message.count(http::field::content_length) != 0;
  }

  /// Without scheme and host, which a request to a proxy has (RFC 9112 section 3.2.2).
  static std::string_view PathOf(std::string_view target) {
    if (target.starts_with('/')) return target;
    const std::size_t host = target.find("://");
    if (host == std::string_view::npos) return target;
    const std::size_t path = target.find('/', host + 3);
    return path == std::string_view::npos ? "/" : target.substr(path);
  }

  void OnHead() {
    if (FramingIsAmbiguous()) {
      return RefuseProtocol(400,
                            "the request's length is ambiguous: send a Content-Length, or "
                            "\"Transfer-Encoding: chunked\" alone");
    }
    const auto& message = parser_->get();
    const boost::beast::string_view target = message.target();
    const std::string_view text(target.data(), target.size());
    const std::size_t question = text.find('?');
    head_.method = {message.method_string().data(), message.method_string().size()};
    head_.path = PathOf(text.substr(0, question));
    head_.query = question == std::string_view::npos ? "" : text.substr(question + 1);
    head_.remote = remote_;
    head_.chunked = parser_->chunked();
    head_.content_length.reset();
    if (const auto length = parser_->content_length()) head_.content_length = *length;
    keep_alive_ = parser_->keep_alive();

    auto verdict = exchange_->OnHead(head_);
    if (auto* refusal = std::get_if<Response>(&verdict)) return Refuse(*refusal);
    ReadBodyUpTo(std::get<ReadBody>(verdict).max_bytes);
  }

  // ---- Body ------------------------------------------------------------------------

  void ReadBodyUpTo(std::uint64_t max_bytes) {
    max_body_ = max_bytes;
    phase_ = Phase::kBody;
    SetDeadline(state_->options.body_timeout);
    if (head_.chunked) {
      return Expecting([this] { ReadChunked(); });
    }
    const std::uint64_t length = head_.content_length.value_or(0);
    if (length > max_bytes) return RefuseTooLarge();
    body_.clear();
    body_.reserve(length + kBodyPadding);
    const std::size_t have = std::min<std::uint64_t>(length, buffer_.size());
    body_.append(static_cast<const char*>(buffer_.data().data()), have);
    buffer_.consume(have);
    if (have == length) {
      if (Grow(length)) Handle();
      return;
    }
    Expecting([this] { ReadFixed(); });
  }

  /// Asks the exchange for room; false when it refused, which is answered then.
  bool Grow(std::uint64_t bytes) {
    granted_ = bytes;
    std::optional<Response> refusal = exchange_->OnBodyGrows(bytes);
    if (!refusal) return true;
    Write(*refusal, /*close=*/true, [this] { Drain(state_->options.write_timeout); });
    return false;
  }

  /// Sends "100 Continue" first when the client waits for it, then runs `next`.
  template <typename Next>
  void Expecting(Next next) {
    if (parser_->get().version() == 10 || !EqualsIgnoreCase(Header("Expect"), "100-continue")) {
      return next();
    }
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    asio::async_write(stream_, asio::buffer(kContinue.data(), kContinue.size()),
                      [self = Self(), next](error_code error, std::size_t) {
                        if (error || self->timed_out_) return self->Close();
                        next();
                      });
  }

  /// In steps, although the buffer is there in its full size: memory that nothing was read
  /// into costs nothing.
  void ReadFixed() {
    const std::size_t have = body_.size();
    const std::size_t end =
        std::min<std::size_t>(*head_.content_length, std::max(have * kGrowth, kReadBytes));
    if (!Grow(end)) return;
    body_.resize(end);
    asio::async_read(stream_, asio::buffer(body_.data() + have, body_.size() - have),
                     [self = Self()](error_code error, std::size_t) { self->OnFixed(error); });
  }

  void OnFixed(error_code error) {
    if (phase_ == Phase::kClosed) return;
    if (timed_out_) return RefuseProtocol(408, "the request body did not arrive in time");
    if (error) return Close();
    if (body_.size() < *head_.content_length) return ReadFixed();
    Handle();
  }

  void ReadChunked() {
    body_.clear();
    granted_ = 0;
    if (body_.capacity() < kChunkedStartBytes) body_.reserve(kChunkedStartBytes);
    decoder_ = ChunkedDecoder(max_body_);
    DecodeChunked();
  }

  /// Takes what is buffered of the chunked body into `body_`.
  ChunkedDecoder::State Decode() {
    std::string_view bytes = Buffered();
    const auto state = decoder_.Decode(bytes, body_);
    buffer_.consume(buffer_.size() - bytes.size());
    return state;
  }

  /// Decodes what is buffered; reads more when that was not all.
  void DecodeChunked() {
    const ChunkedDecoder::State state = Decode();
    if (body_.size() > granted_ &&
        !Grow(std::min<std::uint64_t>(max_body_, body_.size() * kGrowth))) {
      return;
    }
    switch (state) {
      case ChunkedDecoder::State::kMore:
        return ReadMoreChunked();
      case ChunkedDecoder::State::kTooLarge:
        return RefuseTooLarge();
      case ChunkedDecoder::State::kMalformed:
        return RefuseProtocol(400, "the chunked body is malformed");
      case ChunkedDecoder::State::kDone:
        body_.reserve(body_.size() + kBodyPadding);
        return Handle();
    }
  }

  void ReadMoreChunked() {
    stream_.async_read_some(
        buffer_.prepare(kReadBytes), [self = Self()](error_code error, std::size_t n) {
          if (self->phase_ == Phase::kClosed) return;
          if (self->timed_out_) {
            return self->RefuseProtocol(408, "the request body did not arrive in time");
          }
          if (error) return self->Close();
          self->buffer_.commit(n);
          self->DecodeChunked();
        });
  }

  void Handle() {
    phase_ = Phase::kHandling;
    deadline_ = SteadyTime::max();  // From here on the exchange owes the answer.
    exchange_->OnBody(std::move(body_), Responder(Self()));
  }

  // ---- Answers ---------------------------------------------------------------------

  void OnAnswer(const Response& response) {
    if (phase_ != Phase::kHandling) return;  // Killed meanwhile.
    if (response.reset) return Reset();
    const bool close =
        response.close || !keep_alive_ || state_->stopping.load(std::memory_order_relaxed);
    Write(response, close, [this, close] { close ? Finish() : NextRequest(); });
  }

  void RefuseTooLarge() {
    RefuseProtocol(413, "the request body is larger than the limit of " +
                            std::to_string(max_body_) + " bytes");
  }

  /// The stream's place in the request is lost or not worth finding: answer and close.
  void RefuseProtocol(int status, const std::string& why) {
    Response response = exchange_->OnProtocolError(status, why);
    timed_out_ = false;
    Write(response, /*close=*/true, [this] { Drain(state_->options.write_timeout); });
  }

  /// The exchange refused before the body: answer, then throw the body away when it is
  /// small, so that the connection stays usable; else let the client see the answer.
  void Refuse(const Response& response) {
    if (response.reset) return Reset();
    discard_ = head_.content_length.value_or(0);
    const bool close = response.close || !keep_alive_ || discard_ > state_->options.drain_bytes ||
                       !Header("Expect").empty() ||
                       state_->stopping.load(std::memory_order_relaxed);
    Write(response, close, [this, close] {
      if (close) return Drain(state_->options.write_timeout);
      phase_ = Phase::kDiscard;
      SetDeadline(state_->options.body_timeout);
      decoder_ = ChunkedDecoder(state_->options.drain_bytes);
      Discard();
    });
  }

  template <typename Next>
  void Write(const Response& response, bool close, Next next) {
    phase_ = Phase::kWrite;
    SetDeadline(state_->options.write_timeout);
    const bool http10 = parser_ && parser_->is_header_done() && parser_->get().version() == 10;
    out_ = RenderResponse(response, {.close = close,
                                     .http10 = http10,
                                     .without_body = head_.method == "HEAD",
                                     .date = worker_->date});
    held_ = response.held;
    asio::async_write(stream_, asio::buffer(out_),
                      [self = Self(), next](error_code error, std::size_t) {
                        self->ForgetAnswer();
                        if (self->phase_ == Phase::kClosed) return;
                        if (error) return self->Close();
                        next();
                      });
  }

  /// An idle connection keeps the memory of a usual answer, not that of a large one.
  void ForgetAnswer() {
    held_.reset();
    if (out_.capacity() > kReadBytes) std::string().swap(out_);
  }

  // ---- Ends ------------------------------------------------------------------------

  void Discard() {
    if (head_.chunked) {
      body_.clear();
      const auto state = Decode();
      if (state == ChunkedDecoder::State::kDone) return NextRequest();
      if (state != ChunkedDecoder::State::kMore) return Drain(state_->options.write_timeout);
    } else {
      const std::size_t have = std::min<std::uint64_t>(discard_, buffer_.size());
      buffer_.consume(have);
      discard_ -= have;
      if (discard_ == 0) return NextRequest();
    }
    stream_.async_read_some(buffer_.prepare(kReadBytes),
                            [self = Self()](error_code error, std::size_t n) {
                              if (error || self->phase_ == Phase::kClosed) return self->Close();
                              self->buffer_.commit(n);
                              self->Discard();
                            });
  }

  /// Closing with unread data resets the connection and the client may never see the
  /// answer: end our half, then read a bounded amount until the client ends its own.
  void Drain(Duration patience) {
    phase_ = Phase::kDrain;
    SetDeadline(patience);
    drained_ = buffer_.size();
    buffer_.consume(buffer_.size());
    if constexpr (kTls) {
      // Says that we are done, and fails on what the client still sends.
      stream_.async_shutdown([self = Self()](error_code) { self->DrainMore(); });
    } else {
      error_code ignored;
      stream_.shutdown(Socket::shutdown_send, ignored);
      DrainMore();
    }
  }

  void DrainMore() {
    if (phase_ == Phase::kClosed || drained_ > state_->options.drain_bytes) return Close();
    Lowest().async_read_some(buffer_.prepare(kReadBytes),
                             [self = Self()](error_code error, std::size_t n) {
                               if (error || self->phase_ == Phase::kClosed) return self->Close();
                               self->drained_ += n;
                               self->DrainMore();
                             });
  }

  /// The end after a last answer; requests that follow it are not taken up.
  void Finish() { Drain(kLinger); }

  void Reset() {
    error_code ignored;
    Lowest().set_option(asio::socket_base::linger(true, 0), ignored);
    Close();
  }

  void Close() {
    phase_ = Phase::kClosed;
    worker_->sessions.erase(this);
    error_code ignored;
    Lowest().close(ignored);
  }

  // A session may end on any thread (the last reference can be a Responder's), so its end
  // leaves the worker alone; Close has taken it off the worker's list.
  const Holder state_;
  const std::shared_ptr<Worker> worker_;
  Stream stream_;
  const std::unique_ptr<HttpExchange> exchange_;

  Phase phase_ = Phase::kHandshake;
  SteadyTime deadline_ = SteadyTime::max();
  bool timed_out_ = false;
  bool keep_alive_ = true;
  std::uint64_t max_body_ = 0;
  std::uint64_t granted_ = 0;  ///< Bytes of the body that the exchange has room for.
  std::uint64_t discard_ = 0;
  std::uint64_t drained_ = 0;
  std::size_t searched_ = 0;  ///< Bytes of the header in which its end was looked for.
  ChunkedDecoder decoder_{0};
  std::string remote_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  RequestHead head_;
  std::string body_;
  std::string out_;
  std::shared_ptr<void> held_;
};

}  // namespace common::net::internal

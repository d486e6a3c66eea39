// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/control_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>

#include "gateway/app/control_socket.h"
#include "gateway/app/hold_service.h"

namespace gateway::app {
namespace {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using boost::system::error_code;
using common::ErrorCode;
using common::Fail;
using common::Result;
using common::Status;
using nlohmann::ordered_json;

constexpr std::size_t kMaxLine = 1 << 20;

Status Connect(stream_protocol::socket& socket, const std::string& directory) {
  const int opened = open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) {
    const bool missing = errno == ENOENT || errno == ENOTDIR;
    return Fail(missing ? ErrorCode::kNotFound : ErrorCode::kIo,
                fmt::format("{}: {}", directory,
                            error_code(errno, boost::system::system_category()).message()));
  }
  error_code error;
  socket.connect(stream_protocol::endpoint(ControlAddress(opened)), error);
  close(opened);
  if (!error) return common::Ok();
  const bool nobody = error == boost::system::errc::no_such_file_or_directory ||
                      error == asio::error::connection_refused;
  return Fail(nobody ? ErrorCode::kNotFound : ErrorCode::kIo,
              fmt::format("cannot speak to the gateway at {}/{}: {}{}", directory, kControlSocket,
                          error.message(),
                          error == asio::error::access_denied
                              ? "; run this as the user that the gateway runs as"
                              : ""));
}

Result<ordered_json> ToResult(const ordered_json& answer) {
  if (const auto result = answer.find("result"); result != answer.end()) return *result;
  const auto error = answer.find("error");
  if (error == answer.end() || !error->is_object()) {
    return Fail(ErrorCode::kIo, "the gateway answered what this command does not understand");
  }
  return Fail(error->value("usage", false) ? ErrorCode::kInvalidArgument : ErrorCode::kUnavailable,
              error->value("message", "no reason was given"));
}

/// One request and the lines of its answer.
class Conversation final : public GatewayHold {
 public:
  Status Begin(const std::string& directory, const std::string& request) {
    if (Status connected = Connect(socket_, directory); !connected) return connected;
    // A refusal may come without the request having been read.
    error_code ignored;
    asio::write(socket_, asio::buffer(request + "\n"), ignored);
    return common::Ok();
  }

  Result<ordered_json> NextLine() {
    error_code error;
    const std::size_t size =
        asio::read_until(socket_, asio::dynamic_buffer(in_, kMaxLine), '\n', error);
    if (error) {
      return Fail(ErrorCode::kIo,
                  "the gateway ended the connection before it had an answer: was it stopped? Its "
                  "log says more");
    }
    ordered_json line = ordered_json::parse(in_.substr(0, size), nullptr, false);
    in_.erase(0, size);
    return line;
  }

  /// Whether there is something to read, the end included, within the time.
  bool HasNews(std::chrono::milliseconds within) const {
    const auto handle = const_cast<stream_protocol::socket&>(socket_).native_handle();
    pollfd ready{.fd = handle, .events = POLLIN, .revents = 0};
    return ::poll(&ready, 1, static_cast<int>(within.count())) > 0;
  }
  bool Held() const override { return !HasNews(std::chrono::milliseconds(0)); }

 private:
  asio::io_context context_;
  stream_protocol::socket socket_{context_};
  std::string in_;
};

bool IsProgress(const ordered_json& line) { return line.is_object() && line.contains("progress"); }

}  // namespace

Result<ordered_json> AskGateway(const std::string& directory, const std::string& request,
                                const std::function<void(const ordered_json&)>& on_progress) {
  Conversation conversation;
  if (Status begun = conversation.Begin(directory, request); !begun) {
    return tl::unexpected(std::move(begun.error()));
  }
  while (true) {
    auto line = conversation.NextLine();
    if (!line) return line;
    if (!IsProgress(*line)) return ToResult(*line);
    on_progress(line->at("progress"));
  }
}

Result<std::unique_ptr<GatewayHold>> HoldFiles(const std::string& directory,
                                               std::chrono::milliseconds patience) {
  auto conversation = std::make_unique<Conversation>();
  if (Status begun = conversation->Begin(directory, HoldRequest()); !begun) {
    return tl::unexpected(std::move(begun.error()));
  }
  if (!conversation->HasNews(patience)) {
    return Fail(ErrorCode::kUnavailable, "it does not answer");
  }
  const auto line = conversation->NextLine();
  if (!line) return tl::unexpected(line.error());
  if (IsProgress(*line)) return conversation;
  const auto refused = ToResult(*line);
  return Fail(ErrorCode::kUnavailable, refused ? "it ended at once" : refused.error().message);
}

}  // namespace gateway::app

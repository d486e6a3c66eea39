// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/control_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "gateway/app/control_socket.h"

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

}  // namespace

Result<ordered_json> AskGateway(const std::string& directory, const std::string& request,
                                const std::function<void(const ordered_json&)>& on_progress) {
  asio::io_context context;
  stream_protocol::socket socket(context);
  if (Status connected = Connect(socket, directory); !connected) {
    return tl::unexpected(std::move(connected.error()));
  }
  error_code error;
  asio::write(socket, asio::buffer(request + "\n"), error);
  std::string in;
  // A refusal may come without the request having been read.
  while (true) {
    const std::size_t size =
        asio::read_until(socket, asio::dynamic_buffer(in, kMaxLine), '\n', error);
    if (error) {
      return Fail(ErrorCode::kIo,
                  "the gateway ended the connection before it had an answer: was it stopped? Its "
                  "log says more");
    }
    const ordered_json answer = ordered_json::parse(in.substr(0, size), nullptr, false);
    in.erase(0, size);
    const auto progress = answer.find("progress");
    if (!answer.is_object() || progress == answer.end()) return ToResult(answer);
    on_progress(*progress);
  }
}

}  // namespace gateway::app

// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/control_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include "common/log.h"

namespace gateway::app {
namespace {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using boost::system::error_code;
using common::ErrorCode;
using common::Fail;
using common::Status;

// Out of file descriptors: a plain retry would spin a core.
constexpr std::chrono::milliseconds kAcceptPause{200};
constexpr const char* kTooMany = R"({"error":{"message":"too many commands at once"}})"
                                 "\n";

/// What a server shares with its connections.
struct ServerState {
  ControlServer::Handler handler;
  ControlLimits limits;
  /// A connection may end on the thread that answers it.
  std::atomic<std::size_t> connections = 0;

  ServerState(ControlServer::Handler to_call, const ControlLimits& its_limits)
      : handler(std::move(to_call)), limits(its_limits) {}
};

class Session final : public ControlCall, public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<ServerState> state, stream_protocol::socket socket)
      : state_(std::move(state)), socket_(std::move(socket)), deadline_(socket_.get_executor()) {
    ++state_->connections;
  }
  ~Session() override { --state_->connections; }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void Start() {
    SetDeadline(state_->limits.request_timeout);
    asio::async_read_until(socket_, asio::dynamic_buffer(in_, state_->limits.request_bytes), '\n',
                           [self = shared_from_this()](error_code error, std::size_t size) {
                             self->OnRequest(error, size);
                           });
  }

  void Tell(std::string line) override {
    {
      const std::scoped_lock lock(mutex_);
      const bool posted = !told_.empty();
      told_ = std::move(line) + "\n";
      if (posted) return;
    }
    asio::post(socket_.get_executor(), [self = shared_from_this()] {
      {
        const std::scoped_lock lock(self->mutex_);
        self->news_ = std::exchange(self->told_, {});
      }
      self->Write();
    });
  }
  void End(std::string line) override {
    asio::post(socket_.get_executor(), [self = shared_from_this(), line = std::move(line)] {
      self->news_.clear();
      self->end_ = line + "\n";
      self->Write();
    });
  }
  std::stop_token gone() const override { return gone_.get_token(); }

 private:
  void OnRequest(error_code error, std::size_t size) {
    if (error == asio::error::not_found) {
      return End(R"({"error":{"message":"the request is too long"}})");
    }
    if (error) return Close();
    deadline_.cancel();
    state_->handler(in_.substr(0, size - 1), shared_from_this());
    AwaitGoing();
  }

  /// A client has nothing more to say: whatever comes now is its end.
  void AwaitGoing() {
    socket_.async_wait(stream_protocol::socket::wait_read,
                       [self = shared_from_this()](error_code) { self->Close(); });
  }

  void Write() {
    if (writing_ || !socket_.is_open()) return;
    const bool last = news_.empty() && end_.has_value();
    if (news_.empty() && !last) return;
    out_ = last ? std::move(*end_) : std::exchange(news_, {});
    writing_ = true;
    SetDeadline(state_->limits.write_timeout);
    asio::async_write(socket_, asio::buffer(out_),
                      [self = shared_from_this(), last](error_code error, std::size_t) {
                        self->writing_ = false;
                        self->deadline_.cancel();
                        if (error || last) return self->Close();
                        self->Write();
                      });
  }

  void SetDeadline(common::Duration timeout) {
    deadline_.expires_after(timeout);
    deadline_.async_wait([self = weak_from_this()](error_code error) {
      const std::shared_ptr<Session> session = self.lock();
      if (!error && session != nullptr) session->Close();
    });
  }

  void Close() {
    error_code ignored;
    deadline_.cancel();
    socket_.close(ignored);
    gone_.request_stop();
  }

  const std::shared_ptr<ServerState> state_;
  stream_protocol::socket socket_;
  asio::steady_timer deadline_;
  std::stop_source gone_;
  std::mutex mutex_;
  std::string told_;  ///< By other threads; one post takes it however often it changes.
  std::string in_;
  std::string out_;  ///< On its way while writing_.
  std::string news_;
  std::optional<std::string> end_;
  bool writing_ = false;
};

class ControlServerImpl final : public ControlServer {
 public:
  ControlServerImpl(asio::io_context& context, Handler handler, const ControlLimits& limits)
      : state_(std::make_shared<ServerState>(std::move(handler), limits)),
        acceptor_(context),
        pause_(context) {}
  ~ControlServerImpl() override {
    if (bound_) unlinkat(directory_, kControlSocket, 0);
    if (directory_ >= 0) close(directory_);
  }
  ControlServerImpl(const ControlServerImpl&) = delete;
  ControlServerImpl& operator=(const ControlServerImpl&) = delete;

  Status Bind(const std::string& directory) {
    error_code error;
    directory_ = open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory_ < 0) error = error_code(errno, boost::system::system_category());
    if (!error) acceptor_.open(stream_protocol(), error);
    // The socket's mode becomes the file's when it is bound: at no moment may others connect.
    if (!error && fchmod(acceptor_.native_handle(), S_IRUSR | S_IWUSR) != 0) {
      error = error_code(errno, boost::system::system_category());
    }
    if (!error) {
      unlinkat(directory_, kControlSocket, 0);
      acceptor_.bind(stream_protocol::endpoint(ControlAddress(directory_)), error);
      bound_ = !error;
    }
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) return common::Ok();
    return Fail(ErrorCode::kIo,
                fmt::format("{}/{}: {}", directory, kControlSocket, error.message()));
  }

  void Start() {
    asio::post(acceptor_.get_executor(), [this] { Accept(); });
  }

 private:
  void Accept() {
    acceptor_.async_accept([this](error_code error, stream_protocol::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (error) {
        pause_.expires_after(kAcceptPause);
        pause_.async_wait([this](error_code cancelled) {
          if (!cancelled) Accept();
        });
        return;
      }
      if (state_->connections < state_->limits.connections) {
        std::make_shared<Session>(state_, std::move(socket))->Start();
      } else {
        error_code ignored;
        socket.non_blocking(true, ignored);
        socket.write_some(asio::buffer(kTooMany, std::char_traits<char>::length(kTooMany)),
                          ignored);
      }
      Accept();
    });
  }

  const std::shared_ptr<ServerState> state_;
  stream_protocol::acceptor acceptor_;
  asio::steady_timer pause_;
  int directory_ = -1;
  bool bound_ = false;
};

}  // namespace

std::string ControlAddress(int directory) {
  return fmt::format("/proc/self/fd/{}/{}", directory, kControlSocket);
}

common::Result<std::unique_ptr<ControlServer>> ControlServer::Listen(asio::io_context& context,
                                                                     const std::string& directory,
                                                                     Handler handler,
                                                                     const ControlLimits& limits) {
  auto server = std::make_unique<ControlServerImpl>(context, std::move(handler), limits);
  if (Status bound = server->Bind(directory); !bound) {
    return tl::unexpected(std::move(bound.error()));
  }
  server->Start();
  return server;
}

}  // namespace gateway::app

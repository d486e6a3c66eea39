// SPDX-License-Identifier: Apache-2.0
#include "gateway/deliver/connection_pool.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <utility>

namespace gateway::deliver {
namespace {

/// More than the largest response header; bounds what one read may bring.
constexpr std::size_t kReadBufferMax = 64 * 1024;
/// Holds a whole answer of Segment, so that it is read without growing.
constexpr std::size_t kReadBufferStart = 4 * 1024;

}  // namespace

Connection::Connection(const ConnectionStream::executor_type& executor, Origin origin,
                       prometheus::Gauge& open)
    : origin_(std::move(origin)), stream_(executor), buffer_(kReadBufferMax), open_(open) {
  buffer_.reserve(kReadBufferStart);
}

Connection::~Connection() { Close(); }

void Connection::Opened(common::SteadyTime now) {
  opened_at_ = now;
  counted_ = true;
  open_.Increment();
}

void Connection::Retire() {
  // OpenSSL takes the end of a connection without close_notify as a reason to forget its
  // session. Our last answer was complete, so nothing depends on the notice itself.
  if (ConnectionStream::TlsStream* tls = stream_.tls()) {
    SSL_set_shutdown(tls->native_handle(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
  Close();
}

void Connection::Close() {
  boost::system::error_code ignored;  // It is closed either way.
  stream_.socket().close(ignored);
  if (std::exchange(counted_, false)) open_.Decrement();
}

ConnectionPool::ConnectionPool(boost::asio::io_context& io, const common::Clock& clock,
                               PoolLimits limits)
    : clock_(clock), limits_(limits), reaper_(io) {}

ConnectionPtr ConnectionPool::Take(const Origin& origin) {
  const auto found = origins_.find(origin);
  if (found == origins_.end()) return nullptr;
  Stack& stack = found->second;
  const common::SteadyTime now = clock_.Steady();
  while (!stack.empty()) {
    ConnectionPtr connection = std::move(stack.back());
    stack.pop_back();
    --idle_;
    connection->idle_ticket = 0;
    const bool fresh = now - connection->opened_at() < limits_.max_age &&
                       now - connection->idle_since < limits_.idle_timeout;
    if (fresh) {
      boost::system::error_code ignored;  // Ends the watch.
      connection->stream().socket().cancel(ignored);
      return connection;
    }
    connection->Retire();
  }
  return nullptr;
}

void ConnectionPool::Put(ConnectionPtr connection) {
  const common::SteadyTime now = clock_.Steady();
  if (shut_down_ || limits_.max_idle == 0 || now - connection->opened_at() >= limits_.max_age) {
    connection->Retire();
    return;
  }
  if (idle_ >= limits_.max_idle) EvictLongestIdle();
  connection->idle_since = now;
  connection->idle_ticket = ++last_ticket_;
  Watch(connection);
  Stack& stack = origins_[connection->origin()];
  stack.push_back(std::move(connection));
  ++idle_;
  ArmReaper();
}

void ConnectionPool::Shutdown() {
  shut_down_ = true;
  for (auto& [origin, stack] : origins_) {
    for (const ConnectionPtr& connection : stack) {
      connection->idle_ticket = 0;
      connection->Retire();
    }
  }
  origins_.clear();
  idle_ = 0;
  reaper_.cancel();
}

void ConnectionPool::Watch(const ConnectionPtr& connection) {
  connection->stream().socket().async_wait(
      boost::asio::socket_base::wait_read,
      [weak = weak_from_this(), connection,
       ticket = connection->idle_ticket](const boost::system::error_code&) {
        if (const auto self = weak.lock()) self->OnReadable(connection, ticket);
      });
}

void ConnectionPool::OnReadable(const ConnectionPtr& connection, std::uint64_t ticket) {
  if (connection->idle_ticket != ticket) return;  // It went back into use meanwhile.
  Stack& stack = origins_[connection->origin()];
  stack.erase(std::find(stack.begin(), stack.end(), connection));
  --idle_;
  connection->idle_ticket = 0;
  connection->Retire();
}

void ConnectionPool::EvictLongestIdle() {
  Stack* longest = nullptr;
  for (auto& [origin, stack] : origins_) {
    if (stack.empty()) continue;
    if (longest == nullptr || stack.front()->idle_since < longest->front()->idle_since) {
      longest = &stack;
    }
  }
  if (longest == nullptr) return;
  longest->front()->idle_ticket = 0;
  longest->front()->Retire();
  longest->erase(longest->begin());
  --idle_;
}

void ConnectionPool::ArmReaper() {
  if (reaper_armed_ || idle_ == 0) return;
  common::SteadyTime first = common::SteadyTime::max();
  for (const auto& [origin, stack] : origins_) {
    if (!stack.empty()) first = std::min(first, stack.front()->idle_since);
  }
  reaper_armed_ = true;
  reaper_.expires_after(first + limits_.idle_timeout - clock_.Steady());
  reaper_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!self) return;
    self->reaper_armed_ = false;
    if (!error) self->Reap();
  });
}

void ConnectionPool::Reap() {
  const common::SteadyTime now = clock_.Steady();
  for (auto& [origin, stack] : origins_) {
    const auto kept =
        std::find_if(stack.begin(), stack.end(), [&](const ConnectionPtr& connection) {
          return now - connection->idle_since < limits_.idle_timeout;
        });
    for (auto it = stack.begin(); it != kept; ++it) {
      (*it)->idle_ticket = 0;
      (*it)->Retire();
    }
    idle_ -= static_cast<std::size_t>(kept - stack.begin());
    stack.erase(stack.begin(), kept);
  }
  ArmReaper();
}

}  // namespace gateway::deliver

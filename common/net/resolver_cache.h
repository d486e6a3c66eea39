// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace common::net {

using Addresses = std::vector<boost::asio::ip::tcp::endpoint>;

/// Asks for the addresses of a name; `done` runs once, on the io thread, perhaps before
/// the call returns.
using ResolveDone = std::function<void(Result<Addresses>)>;
using Resolve = std::function<void(const std::string& host, std::uint16_t port, ResolveDone done)>;

/// The operating system's resolver. Its getaddrinfo runs on a thread of Asio's own and
/// cannot be interrupted; stopping the process may have to wait for it.
Resolve SystemResolve(boost::asio::io_context& io);

/// The addresses of the few hosts a client talks to. A known answer is given at once and
/// renewed in the background when it is older than `refresh`; the last good answer stays
/// in use for as long as the name server has nothing better. Address literals are not
/// looked up at all.
///
/// Addresses to which a connection failed go to the end of the list and stay there, also
/// across renewals, until a connection to them succeeds.
///
/// Not thread-safe: used from the thread that runs `io`. May be destroyed while lookups
/// run; their callbacks are then dropped.
class ResolverCache {
 public:
  /// `clock` outlives the cache.
  ResolverCache(const Clock& clock, Duration refresh, Resolve resolve);
  ~ResolverCache();
  ResolverCache(const ResolverCache&) = delete;
  ResolverCache& operator=(const ResolverCache&) = delete;

  /// Gives at least one address, or kUnavailable with the reason. `done` runs before the
  /// call returns when an answer is known. Failures are not remembered.
  void Lookup(const std::string& host, std::uint16_t port, ResolveDone done);

  /// Tells how connecting went; see above.
  void Connected(const std::string& host, std::uint16_t port,
                 const boost::asio::ip::tcp::endpoint& address);
  void Failed(const std::string& host, std::uint16_t port,
              const boost::asio::ip::tcp::endpoint& address);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace common::net

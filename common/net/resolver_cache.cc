// SPDX-License-Identifier: Apache-2.0
#include "common/net/resolver_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <map>
#include <set>
#include <utility>

#include "common/log.h"

namespace common::net {
namespace {

using boost::asio::ip::tcp;

struct Entry {
  Addresses addresses;  ///< The last good answer; empty before the first.
  std::set<tcp::endpoint> failed;
  SteadyTime asked_at;  ///< When the running or last lookup began.
  bool asking = false;
  std::vector<ResolveDone> waiting;  ///< For the first answer.

  void MoveFailedBack() {
    Addresses good;
    Addresses bad;
    for (const tcp::endpoint& address : addresses) {
      (failed.contains(address) ? bad : good).push_back(address);
    }
    good.insert(good.end(), bad.begin(), bad.end());
    addresses = std::move(good);
  }
};

}  // namespace

struct ResolverCache::State : std::enable_shared_from_this<State> {
  State(const Clock& clock_in, Duration refresh_in, Resolve resolve_in)
      : clock(clock_in), refresh(refresh_in), resolve(std::move(resolve_in)) {}

  void Ask(const std::string& host, std::uint16_t port, Entry& entry) {
    entry.asking = true;
    entry.asked_at = clock.Steady();
    resolve(host, port, [weak = weak_from_this(), host, port](Result<Addresses> answer) {
      if (const auto self = weak.lock()) self->OnAnswer(host, port, std::move(answer));
    });
  }

  void OnAnswer(const std::string& host, std::uint16_t port, Result<Addresses> answer) {
    Entry& entry = entries[{host, port}];
    entry.asking = false;
    if (answer && answer->empty()) answer = Fail(ErrorCode::kUnavailable, "no address");
    if (answer) {
      entry.addresses = *answer;
      std::erase_if(entry.failed, [&](const tcp::endpoint& address) {
        return std::find(answer->begin(), answer->end(), address) == answer->end();
      });
      entry.MoveFailedBack();
    } else if (!entry.addresses.empty()) {
      log::Warning("resolve_failed", "name lookup failed; the last good answer stays in use",
                   {{"host", host}, {"error", answer.error().message}});
    }
    // A callback may look up again, and that may wait again.
    const auto waiting = std::exchange(entry.waiting, {});
    if (!entry.addresses.empty()) answer = entry.addresses;
    for (const ResolveDone& done : waiting) done(answer);
  }

  Entry* Find(const std::string& host, std::uint16_t port) {
    const auto found = entries.find({host, port});
    return found == entries.end() ? nullptr : &found->second;
  }

  const Clock& clock;
  const Duration refresh;
  const Resolve resolve;
  std::map<std::pair<std::string, std::uint16_t>, Entry> entries;
};

Resolve SystemResolve(boost::asio::io_context& io) {
  auto resolver = std::make_shared<tcp::resolver>(io);
  return [resolver](const std::string& host, std::uint16_t port, ResolveDone done) {
    resolver->async_resolve(
        host, std::to_string(port), tcp::resolver::numeric_service,
        [host, done = std::move(done)](const boost::system::error_code& error,
                                       const tcp::resolver::results_type& results) {
          if (error) {
            done(Fail(ErrorCode::kUnavailable,
                      fmt::format("cannot resolve '{}': {}", host, error.message())));
            return;
          }
          Addresses addresses;
          for (const auto& result : results) addresses.push_back(result.endpoint());
          done(std::move(addresses));
        });
  };
}

ResolverCache::ResolverCache(const Clock& clock, Duration refresh, Resolve resolve)
    : state_(std::make_shared<State>(clock, refresh, std::move(resolve))) {}

ResolverCache::~ResolverCache() = default;

void ResolverCache::Lookup(const std::string& host, std::uint16_t port, ResolveDone done) {
  boost::system::error_code not_literal;
  const auto literal = boost::asio::ip::make_address(host, not_literal);
  if (!not_literal) {
    done(Addresses{tcp::endpoint(literal, port)});
    return;
  }
  const auto state = state_;  // `done` may destroy the cache.
  Entry& entry = state->entries[{host, port}];
  const bool old = state->clock.Steady() - entry.asked_at >= state->refresh;
  if (entry.addresses.empty()) {
    entry.waiting.push_back(std::move(done));
    if (!entry.asking) state->Ask(host, port, entry);
    return;
  }
  if (old && !entry.asking) state->Ask(host, port, entry);
  done(entry.addresses);
}

void ResolverCache::Connected(const std::string& host, std::uint16_t port,
                              const tcp::endpoint& address) {
  if (Entry* entry = state_->Find(host, port)) entry->failed.erase(address);
}

void ResolverCache::Failed(const std::string& host, std::uint16_t port,
                           const tcp::endpoint& address) {
  Entry* entry = state_->Find(host, port);
  if (entry == nullptr) return;
  entry->failed.insert(address);
  const auto found = std::find(entry->addresses.begin(), entry->addresses.end(), address);
  if (found != entry->addresses.end()) {
    std::rotate(found, found + 1, entry->addresses.end());  // Behind those that failed earlier.
  }
  entry->MoveFailedBack();
}

}  // namespace common::net

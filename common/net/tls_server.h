// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "common/clock.h"
#include "common/guarded.h"
#include "common/result.h"

namespace common::net {

/// The certificate chain and private key of an HttpServer that speaks HTTPS (TLS 1.2 or
/// newer), from two PEM files that may be replaced while it runs.
///
/// Invariant: there is always one pair in use whose halves belong together; a bad one on disk
/// never takes its place. New connections get the newest good pair, open ones keep theirs,
/// and a session of an older one is not resumed: the client gets a full handshake.
///
/// Thread-safe, but Check() is called by one thread at a time. Makes no thread of its own.
class ServerCertificate {
 public:
  struct State {
    std::string subject{};      ///< "CN=events.example.com", or the first name it is valid for.
    WallTime not_after{};       ///< When it expires.
    std::uint64_t reloads = 0;  ///< Pairs taken up after the first.
    std::string problem{};      ///< Why the files, as they are now, are not in use; or "".
  };

  /// kInvalidArgument, naming the file, when one cannot be read or used or they do not belong
  /// together. `clock` outlives the certificate; it tells only when to warn of one that has
  /// expired, which is used all the same: the clock may be wrong.
  static Result<std::unique_ptr<ServerCertificate>> Load(std::string certificate_file,
                                                         std::string key_file, const Clock& clock);
  ServerCertificate(const ServerCertificate&) = delete;
  ServerCertificate& operator=(const ServerCertificate&) = delete;

  /// Reads both files, and takes them up when their contents are not those in use: dates and
  /// links say too little. Logs what it did, or, once, why it could not. When nothing changed
  /// it costs the reading of two small files.
  void Check();

  /// What a new connection uses; it may keep it as long as it likes.
  std::shared_ptr<boost::asio::ssl::context> Current() const;
  State state() const;

 private:
  struct Loaded {
    std::shared_ptr<boost::asio::ssl::context> context;
    State state;
  };
  /// The files' bytes as they were read together.
  struct Pair {
    std::string certificate;
    std::string key;
  };

  ServerCertificate(std::string certificate_file, std::string key_file, const Clock& clock);

  Result<Pair> Read() const;
  Result<Loaded> Use(const Pair& pair) const;
  void WarnWhenExpired(const State& state) const;
  void Refuse(const std::string& problem);

  const std::string certificate_file_;
  const std::string key_file_;
  const Clock& clock_;
  std::string in_use_;  ///< Digest of the pair that is.
  Guarded<Loaded> loaded_;
};

}  // namespace common::net

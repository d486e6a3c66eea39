// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "gateway/normalize/normalized.h"

namespace gateway::normalize {

/// Step 2 of the data path: the bytes of a request become final, self-contained JSON
/// events, or reasons why not. No I/O, no locks, no logs; time and chance come from the
/// caller. (EventWriter's header says what is written, validate.h what is refused.)
///
///   Normalizer normalizer(limits);                       // one per thread
///   if (auto read = normalizer.Parse(route, body); !read) return Answer(read.error());
///   if (!tenant) tenant = Authenticate(normalizer.write_key());  // no Authorization header
///   auto result = normalizer.Build({.received_at = now, .random = random});
///
/// The body is read once, by Parse; Build only copies. Between the two the body must stay
/// where it is and no other Parse may run: do not suspend there.
///
/// Sizes. A single call whose body exceeds max_event_bytes and a batch beyond its limits
/// are refused whole; an item of a batch that is too large, as it came or with the
/// envelope's context, is refused alone. What the gateway adds itself (message id,
/// timestamp, type) is not counted, so that an event of exactly the limit is accepted; the
/// library's name and the caller's address are added only where they fit under the limit.
///
/// Invalid JSON anywhere refuses the whole request: where one event ends is then anyone's
/// guess. A number that no double can hold (1e999) is JSON; the event that holds it is refused,
/// since readers that convert would refuse the whole document it stands in.
///
/// Memory. The result is allocated in a few pieces of the right size, however many events
/// there are; everything else is kept from request to request. Only refusals, and hashed
/// messageIds within OpenSSL, allocate for each.
///
/// Not thread-safe.
class Normalizer {
 public:
  explicit Normalizer(const Limits& limits);
  ~Normalizer();
  Normalizer(const Normalizer&) = delete;
  Normalizer& operator=(const Normalizer&) = delete;

  /// Bytes a body's buffer should have behind its size, else it is reallocated here.
  static constexpr std::size_t kPadding = 64;

  /// Reads and validates `body`; may repair lone surrogate escapes in place.
  tl::expected<void, RequestError> Parse(Route route, std::string& body);
  /// Whether the parsed body is a batch.
  bool is_batch() const;
  /// The top-level `writeKey` of the parsed body, of an envelope wherever it stands.
  /// nullopt when it is absent, empty or no string. Valid until the next Parse.
  std::optional<std::string_view> write_key() const;
  /// The events of the parsed body. The result stands on its own.
  tl::expected<Normalized, RequestError> Build(const RequestContext& request);

  tl::expected<Normalized, RequestError> Normalize(Route route, std::string& body,
                                                   const RequestContext& request);

 private:
  struct Scratch;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace gateway::normalize

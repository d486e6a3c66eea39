// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/random.h"
#include "gateway/normalize/body_reader.h"
#include "gateway/pipeline/dedupe.h"

namespace gateway::normalize {

/// The messageId of an event as its client gave it.
struct GivenId {
  enum class State : std::uint8_t {
    kNone,
    kText,
    kNumber,   ///< Stands for its digits.
    kUnfit,    ///< Empty, or neither text nor number.
    kTooLong,  ///< Has more than the allowed number of characters.
  };

  State state = State::kNone;
  // Not of those that are unfit:
  std::string_view raw;    ///< What belongs between the quotes of a JSON string.
  std::string_view value;  ///< The characters it stands for.

  /// Whether it tells the event from others: it is kept, or gives a shorter one that is the
  /// same whenever the client tries again. Otherwise the event gets a generated one.
  bool usable() const { return state != State::kNone && state != State::kUnfit; }
  bool too_long() const { return state == State::kTooLong; }
};

/// Sets `id`, in place: a copy would wait for the stores of its parts. `scratch` holds the
/// characters of an id with escapes.
void ReadMessageId(const Field* field, const BodyReader& body, std::size_t max_chars,
                   std::string& scratch, GivenId& id);

/// Appends a UUID version 7 (RFC 9562) in quotes: 48 bits of `now`, 74 of chance. Its 36
/// characters lie well under Segment's limit of 100.
void AppendMessageId(std::string& out, common::WallTime now, common::Random& random);

/// Makes outgoing messageIds of one tenant differ from those of every other.
///
/// Segment drops an event whose messageId it has seen in the last day, and looks at no
/// other field: not at the write key, the source or the workspace (its documentation of
/// duplicate data). A backend that sends one event to two tenants under one id would lose
/// the second, and two backends that number their events would lose at random. So an id
/// becomes, for tenant id `scope`,
///
///   <id>~<scope>         when that has at most 99 bytes, else
///   sha256:<64 digits>   of the bytes scope, NUL, id (71 bytes).
///
/// The second form is also that of an id with too many characters, scoped or not.
///
/// The same pair always gives the same text, so repetitions are still found. Different
/// pairs give different texts: a scope holds no '~', so the last one separates, and the
/// second form holds none at all. The hash is cryptographic because clients choose ids,
/// and none may aim at another's. This holds among scoped ids: a tenant whose own keys keep
/// their ids (MessageIds::kKeep) can write whatever it likes, the form of a scoped one included.
///
/// Not thread-safe.
class MessageIdScoper {
 public:
  static constexpr std::size_t kMaxBytes = 99;

  MessageIdScoper();
  ~MessageIdScoper();
  MessageIdScoper(const MessageIdScoper&) = delete;
  MessageIdScoper& operator=(const MessageIdScoper&) = delete;

  /// Appends the outgoing id in quotes. `scope` consists of letters, digits, '.', '_', '-'; it
  /// is empty only for an id that is too long.
  void Append(std::string& out, std::string_view scope, const GivenId& id);

 private:
  struct Sha256;
  std::unique_ptr<Sha256> sha256_;
};

/// The name under which a log remembers the id with these characters.
pipeline::EventId EventIdOf(std::string_view value);

}  // namespace gateway::normalize

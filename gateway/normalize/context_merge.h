// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/normalize/json_walk.h"

namespace gateway::normalize {

/// Deep-merges two objects of one validated text. Equal keys (compared unescaped): two
/// objects are merged, else the item's value stands, null included. The item's members
/// keep their order and their bytes, the envelope's other members follow.
///
/// A key that comes twice counts as any JSON reader counts it: the last one is merged, and
/// those before it stay as they are. So each object of the envelope is read and written at
/// most once, and the result is never larger than both objects together, but for a comma.
/// Cost: (members of both) x log(members of the envelope). Recursion is bounded by the
/// depth that JsonWalker allowed. Not thread-safe; keeps some memory.
class ContextMerger {
 public:
  /// Stands for an object that is not there.
  static constexpr std::uint32_t kNone = UINT32_MAX;

  struct Change {
    std::string_view first_members = {};  ///< To write before all others.
    std::string_view dropped_key = {};    ///< Left out of both objects, top level only.
  };

  /// Appends the merged object. `item` and `envelope` are positions in the index, each of
  /// a '{' (or kNone).
  void Merge(const char* text, const std::uint32_t* tokens, std::uint32_t item,
             std::uint32_t envelope, const Change& change, std::string& out);

 private:
  struct Member {
    std::string_view key;  ///< Unescaped.
    Span span;
    std::uint32_t value_token = 0;
    /// The item's value that takes its place, the last one of this key; 0: none.
    std::uint32_t winner = 0;
  };

  void MergeObjects(std::uint32_t item, std::uint32_t envelope, const Change& change,
                    std::string& out);
  void FindWinners(std::uint32_t item, std::size_t begin, std::size_t end);
  void MergeMember(const JsonMembers& mine, const Member* theirs, std::string& out);
  std::size_t Collect(std::uint32_t object);
  Member* Find(std::size_t begin, std::size_t end, std::string_view key);
  std::string_view Unescaped(std::string_view raw);

  const char* text_ = nullptr;
  const std::uint32_t* tokens_ = nullptr;
  std::vector<Member> members_;        ///< A stack: each level of nesting adds its run.
  std::deque<std::string> unescaped_;  ///< Some are kept from one merge to the next.
  std::size_t unescaped_used_ = 0;
};

}  // namespace gateway::normalize

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
/// A key that comes twice counts as any JSON reader counts it: the last one.
/// Cost: (members of both) x log(members of the envelope). Recursion is bounded by the
/// depth that JsonWalker allowed. Not thread-safe; keeps its memory.
class ContextMerger {
 public:
  /// Appends the merged object. `item` and `envelope` are positions in the index, each of
  /// a '{'. `first_member`, when not empty, is a member to write before all others.
  void Merge(const char* text, const std::uint32_t* tokens, std::uint32_t item,
             std::uint32_t envelope, std::string_view first_member, std::string& out);

 private:
  struct Member {
    std::string_view key;  ///< Unescaped.
    Span span;
    std::uint32_t value_token = 0;
    bool overridden = false;
  };

  void MergeObjects(std::uint32_t item, std::uint32_t envelope, bool first, std::string& out);
  void MergeMember(const JsonMembers& mine, Member* theirs, std::string& out);
  std::size_t Collect(std::uint32_t object);
  Member* Find(std::size_t begin, std::size_t end, std::string_view key);
  std::string_view Unescaped(std::string_view raw);

  const char* text_ = nullptr;
  const std::uint32_t* tokens_ = nullptr;
  std::vector<Member> members_;  ///< A stack: each level of nesting adds its run.
  std::deque<std::string> unescaped_;
};

}  // namespace gateway::normalize

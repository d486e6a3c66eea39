// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/context_merge.h"

#include <algorithm>

#include "gateway/normalize/json_escape.h"

namespace gateway::normalize {

namespace {

constexpr std::size_t kUnescapedKept = 64;  // Keys with escapes are rare.

}  // namespace

void ContextMerger::Merge(const char* text, const std::uint32_t* tokens, std::uint32_t item,
                          std::uint32_t envelope, const Change& change, std::string& out) {
  text_ = text;
  tokens_ = tokens;
  members_.clear();
  unescaped_used_ = 0;
  if (unescaped_.size() > kUnescapedKept) unescaped_.resize(kUnescapedKept);
  MergeObjects(item, envelope, change, out);
}

void ContextMerger::MergeObjects(std::uint32_t item, std::uint32_t envelope, const Change& change,
                                 std::string& out) {
  out += '{';
  out += change.first_members;
  bool first = change.first_members.empty();
  const auto comma = [&first, &out] {
    if (!first) out += ',';
    first = false;
  };
  const auto is_dropped = [&change](std::string_view key) {
    return !change.dropped_key.empty() && key == change.dropped_key;
  };
  const std::size_t begin = members_.size();
  const std::size_t end = envelope == kNone ? begin : Collect(envelope);
  if (item != kNone) {
    if (begin != end) FindWinners(item, begin, end);
    for (JsonMembers mine(text_, tokens_, item); mine.Next();) {
      const std::string_view key = Unescaped(mine.key());
      if (is_dropped(key)) continue;
      comma();
      MergeMember(mine, Find(begin, end, key), out);
    }
  }
  std::sort(members_.begin() + static_cast<std::ptrdiff_t>(begin), members_.end(),
            [](const Member& a, const Member& b) { return a.span.begin < b.span.begin; });
  for (std::size_t i = begin; i < end; ++i) {
    if (members_[i].winner != 0 || is_dropped(members_[i].key)) continue;
    comma();
    out.append(text_ + members_[i].span.begin, members_[i].span.size());
  }
  members_.resize(begin);
  out += '}';
}

void ContextMerger::FindWinners(std::uint32_t item, std::size_t begin, std::size_t end) {
  for (JsonMembers mine(text_, tokens_, item); mine.Next();) {
    Member* theirs = Find(begin, end, Unescaped(mine.key()));
    if (theirs != nullptr) theirs->winner = mine.value_token();
  }
}

void ContextMerger::MergeMember(const JsonMembers& mine, const Member* theirs, std::string& out) {
  const bool both_objects = theirs != nullptr && theirs->winner == mine.value_token() &&
                            text_[mine.value().begin] == '{' &&
                            text_[tokens_[theirs->value_token]] == '{';
  if (!both_objects) {
    out.append(text_ + mine.member().begin, mine.member().size());
    return;
  }
  const std::uint32_t envelope = theirs->value_token;  // The recursion may move members_.
  out.append(text_ + mine.member().begin, mine.value().begin - mine.member().begin);
  MergeObjects(mine.value_token(), envelope, {}, out);
}

/// Pushes the members of an object, sorted by key, the last of equal keys only. Returns
/// the end of the run.
std::size_t ContextMerger::Collect(std::uint32_t object) {
  const auto begin = static_cast<std::ptrdiff_t>(members_.size());
  for (JsonMembers m(text_, tokens_, object); m.Next();) {
    members_.push_back({Unescaped(m.key()), m.member(), m.value_token(), 0});
  }
  std::sort(members_.begin() + begin, members_.end(), [](const Member& a, const Member& b) {
    return a.key != b.key ? a.key < b.key : a.span.begin > b.span.begin;
  });
  const auto last = std::unique(members_.begin() + begin, members_.end(),
                                [](const Member& a, const Member& b) { return a.key == b.key; });
  members_.erase(last, members_.end());
  return members_.size();
}

ContextMerger::Member* ContextMerger::Find(std::size_t begin, std::size_t end,
                                           std::string_view key) {
  Member* const first = members_.data() + begin;
  Member* const last = members_.data() + end;
  Member* const found = std::lower_bound(
      first, last, key, [](const Member& m, std::string_view k) { return m.key < k; });
  return found != last && found->key == key ? found : nullptr;
}

std::string_view ContextMerger::Unescaped(std::string_view raw) {
  if (raw.find('\\') == std::string_view::npos) return raw;
  if (unescaped_used_ == unescaped_.size()) unescaped_.emplace_back();
  std::string& text = unescaped_[unescaped_used_++];
  text.clear();
  AppendUnescaped(raw, text);
  return text;
}

}  // namespace gateway::normalize

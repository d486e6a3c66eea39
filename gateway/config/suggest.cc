// SPDX-License-Identifier: Apache-2.0
#include "gateway/config/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace gateway::config {
namespace {

char Folded(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
  return c == '-' ? '_' : c;
}

/// Insertions, deletions and substitutions that make one of the other; case does not count.
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t substituted = diagonal + (Folded(a[i]) == Folded(b[j]) ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

std::vector<std::string_view> ListKeysBelow(Fields fields, std::string_view prefix) {
  std::vector<std::string_view> keys;
  for (const Field& field : fields) {
    if (!field.path.starts_with(prefix)) continue;
    const std::string_view rest = field.path.substr(prefix.size());
    const std::string_view key = rest.substr(0, rest.find('.'));
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  }
  return keys;
}

/// The known key that `key` is most like, if one is near enough to be what was meant.
std::string_view Nearest(const std::vector<std::string_view>& keys, std::string_view key) {
  // Keys are short; a long one is no typing error and would only cost time.
  if (key.size() > 64) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, key.size() / 3) + 1;
  for (const std::string_view candidate : keys) {
    const std::size_t distance = Distance(candidate, key);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

/// Paths elsewhere in the table that end with this very key.
std::vector<std::string_view> Elsewhere(Fields fields, std::string_view key) {
  std::vector<std::string_view> paths;
  for (const Field& field : fields) {
    if (field.path.ends_with(fmt::format(".{}", key))) paths.push_back(field.path);
  }
  return paths;
}

}  // namespace

std::string KeysBelow(Fields fields, std::string_view prefix) {
  return fmt::format("{}", fmt::join(ListKeysBelow(fields, prefix), ", "));
}

std::string UnknownKey(Fields fields, std::string_view prefix, std::string_view key) {
  const std::string_view near = Nearest(ListKeysBelow(fields, prefix), key);
  if (!near.empty()) {
    return fmt::format("unknown key, did you mean '{}'?", near);
  }
  const std::vector<std::string_view> elsewhere = Elsewhere(fields, key);
  if (!elsewhere.empty()) {
    return fmt::format("unknown key here, did you mean '{}'?", fmt::join(elsewhere, "' or '"));
  }
  return fmt::format("unknown key; allowed: {}", KeysBelow(fields, prefix));
}

}  // namespace gateway::config

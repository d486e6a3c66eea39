// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/normalized.h"

namespace gateway::normalize {
namespace {

constexpr std::array<std::string_view, kEventTypes> kTypeNames = {"track", "identify", "group",
                                                                  "page",  "screen",   "alias"};

}  // namespace

std::string_view EventTypeName(EventType type) {
  return kTypeNames[static_cast<std::size_t>(type)];
}

std::optional<EventType> ParseEventType(std::string_view name) {
  for (std::size_t i = 0; i < kEventTypes; ++i) {
    if (kTypeNames[i] == name) return static_cast<EventType>(i);
  }
  return std::nullopt;
}

}  // namespace gateway::normalize

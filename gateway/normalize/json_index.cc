// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/json_index.h"

#include <simdjson.h>

#include <algorithm>

namespace gateway::normalize {
namespace {

// The index takes four bytes for each byte of capacity; small texts share one size.
constexpr std::size_t kSmallestCapacity = 64 * 1024;

static_assert(JsonIndex::kPadding >= simdjson::SIMDJSON_PADDING);

JsonIndex::Failure Translate(simdjson::error_code code) {
  using Failure = JsonIndex::Failure;
  if (code == simdjson::SUCCESS) return Failure::kNone;
  if (code == simdjson::EMPTY) return Failure::kEmpty;
  if (code == simdjson::UTF8_ERROR) return Failure::kUtf8;
  if (code == simdjson::UNESCAPED_CHARS) return Failure::kControlCharacter;
  if (code == simdjson::CAPACITY || code == simdjson::MEMALLOC) return Failure::kTooLarge;
  return Failure::kUnclosedString;
}

}  // namespace

JsonIndex::JsonIndex() = default;
JsonIndex::~JsonIndex() = default;

JsonIndex::Failure JsonIndex::Build(const char* text, std::size_t size) {
  if (size == 0) return Failure::kEmpty;
  if (!parser_ || parser_->capacity() < size) {
    const std::size_t capacity = std::max(kSmallestCapacity, size + size / 2);
    // Depth is the walker's business; one level keeps the unused stage-two stacks small.
    const simdjson::error_code made =
        simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, 1,
                                                                                parser_);
    if (made != simdjson::SUCCESS) {
      parser_.reset();
      return Translate(made);
    }
  }
  return Translate(parser_->stage1(reinterpret_cast<const std::uint8_t*>(text), size,
                                   simdjson::stage1_mode::regular));
}

const std::uint32_t* JsonIndex::tokens() const { return parser_->structural_indexes.get(); }

std::uint32_t JsonIndex::count() const { return parser_->n_structural_indexes; }

}  // namespace gateway::normalize

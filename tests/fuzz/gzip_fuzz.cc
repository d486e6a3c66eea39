// SPDX-License-Identifier: Apache-2.0
//
// Inflation of whatever a client sends. The first byte: the limit (low nibble, in steps), the
// level that text is compressed with for the way back (high nibble).
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "common/gzip.h"
#include "tests/support/gzip.h"

namespace {

constexpr std::size_t kPadding = 64;

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t max_bytes = (data[0] & 15U) * std::size_t{300};
  const int level = (data[0] >> 4) % 10;
  const std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);

  static common::Gunzipper kept;
  const auto out = kept.Inflate(body, max_bytes, kPadding);
  if (out) {
    Require(out->size() <= max_bytes + 1, "no more than one byte over the limit comes out");
    Require(out->capacity() >= out->size() + kPadding, "there is room behind the text");
    Require(out->capacity() <= max_bytes + 1 + kPadding, "the limit bounds the memory");
  } else {
    Require(out.error().message.starts_with("the gzip body is damaged: "), "errors speak");
  }
  const auto fresh = common::Gunzipper().Inflate(body, max_bytes, kPadding);
  Require(fresh.has_value() == out.has_value(), "nothing is left of earlier bodies");
  Require(out ? *fresh == *out : fresh.error().message == out.error().message, "not even a bit");

  const std::string compressed = tests::Gzip(body, level);
  const auto back = kept.Inflate(compressed, body.size(), kPadding);
  Require(back && *back == body, "what was compressed comes back");
  const std::string twice = compressed + compressed;
  const auto joined = kept.Inflate(twice, 2 * body.size(), kPadding);
  Require(joined && joined->size() == 2 * body.size(), "members are joined");
  Require(!kept.Inflate(compressed + "x", body.size(), kPadding), "a rest is refused");
  Require(!kept.Inflate(compressed.substr(0, compressed.size() - 1), body.size(), kPadding),
          "a missing end is refused");
  return 0;
}

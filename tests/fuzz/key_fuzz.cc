// SPDX-License-Identifier: Apache-2.0
//
// What stands in an Authorization header, and base64.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "common/strings.h"
#include "gateway/ingest/authenticate.h"

namespace {

using gateway::ingest::Credentials;
using gateway::ingest::ParseAuthorization;

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

void CheckBase64(std::string_view text) {
  const auto decoded = common::Base64Decode(text);
  if (decoded) {
    Require(decoded->size() <= text.size(), "decoding shrinks");
    const std::string again = common::Base64Encode(*decoded);
    Require(common::Base64Decode(again) == *decoded, "what was decoded encodes back");
  }
  const std::string encoded = common::Base64Encode(text);
  Require(encoded.size() == (text.size() + 2) / 3 * 4, "encoding is padded");
  Require(common::Base64Decode(encoded) == text, "what was encoded comes back");
  const std::string bare = encoded.substr(0, encoded.find('='));
  Require(common::Base64Decode(bare) == text, "padding is optional");
}

void CheckHeader(std::string_view header) {
  const Credentials credentials = ParseAuthorization(header);
  switch (credentials.kind) {
    case Credentials::Kind::kNone:
      Require(header.empty(), "any header is looked at");
      break;
    case Credentials::Kind::kBasic:
      Require(common::EqualsIgnoreCase(header.substr(0, 5), "basic"), "only Basic has a key");
      Require(credentials.key.find(':') == std::string::npos, "a key ends at the colon");
      break;
    case Credentials::Kind::kUnsupported:
    case Credentials::Kind::kMalformed:
      Require(credentials.key.empty(), "no key comes of what was not understood");
      break;
  }
}

/// The key of a header that a client makes of `text`.
void CheckKey(std::string_view text) {
  const std::string key(text.substr(0, text.find(':')));
  for (const std::string& user : {key, key + ":", key + ":password:"}) {
    const Credentials credentials = ParseAuthorization("Basic " + common::Base64Encode(user));
    Require(credentials.kind == Credentials::Kind::kBasic, "a well-formed header is read");
    Require(credentials.key == key, "the key is the user name");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckBase64(text);
  CheckHeader(text);
  CheckHeader("Basic " + std::string(text));
  CheckKey(text);
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "gateway/normalize/message_id.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <new>

namespace gateway::normalize {
namespace {

// Version 7, variant 10; the digits are written over.
constexpr std::string_view kShape = "\"00000000-0000-7000-8000-000000000000\"";
constexpr std::string_view kHashPrefix = "sha256:";

constexpr char kHexDigits[] = "0123456789abcdef";

/// Writes the `digits` lowest hexadecimal digits of `value`.
void WriteHex(char* at, std::uint64_t value, int digits) {
  for (int i = digits; i-- > 0; value >>= 4) at[i] = kHexDigits[value & 0xFU];
}

/// Code points of valid UTF-8: bytes that continue none.
std::size_t CountCharacters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

void ReadMessageId(const Field* field, const BodyReader& body, std::size_t max_chars,
                   std::string& scratch, GivenId& id) {
  using State = GivenId::State;
  switch (KindOf(field)) {
    case ValueKind::kAbsent:
      id.state = State::kNone;
      return;
    case ValueKind::kString:
      id.state = State::kText;
      id.raw = body.Text({field->value.begin + 1, field->value.end - 1});
      id.value = body.StringValue(*field, scratch);
      break;
    case ValueKind::kNumber:
      id.state = State::kNumber;
      id.raw = id.value = body.Text(field->value);
      break;
    case ValueKind::kBool:
    case ValueKind::kObject:
    case ValueKind::kArray:
      id.state = State::kUnfit;
      return;
  }
  if (id.value.empty()) {
    id.state = State::kUnfit;
  } else if (id.value.size() > max_chars && CountCharacters(id.value) > max_chars) {
    id.state = State::kTooLong;
  }
}

void AppendMessageId(std::string& out, common::WallTime now, common::Random& random) {
  const auto millis = static_cast<std::uint64_t>(now.time_since_epoch().count());
  const std::uint64_t a = random.Next();
  const std::uint64_t b = random.Next();
  out += kShape;
  char* const p = out.data() + out.size() - kShape.size() + 1;
  WriteHex(p, millis >> 16, 8);
  WriteHex(p + 9, millis, 4);
  WriteHex(p + 15, a, 3);
  WriteHex(p + 19, 0x8000U | ((a >> 12) & 0x3FFFU), 4);
  WriteHex(p + 24, b, 12);
}

/// OpenSSL's objects, made once: looking an algorithm up costs more than a short hash.
struct MessageIdScoper::Sha256 {
  Sha256() : algorithm(EVP_MD_fetch(nullptr, "SHA256", nullptr)), context(EVP_MD_CTX_new()) {
    if (algorithm == nullptr || context == nullptr) throw std::bad_alloc();
  }
  ~Sha256() {
    EVP_MD_CTX_free(context);
    EVP_MD_free(algorithm);
  }
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  EVP_MD* algorithm;
  EVP_MD_CTX* context;
};

MessageIdScoper::MessageIdScoper() = default;
MessageIdScoper::~MessageIdScoper() = default;

void MessageIdScoper::Append(std::string& out, std::string_view scope, const GivenId& id) {
  out += '"';
  if (id.value.size() + 1 + scope.size() <= kMaxBytes) {
    out += id.raw;
    out += '~';
    out += scope;
    out += '"';
    return;
  }
  if (!sha256_) sha256_ = std::make_unique<Sha256>();
  std::array<unsigned char, 32> hash{};
  const char separator = '\0';
  // None of these fails: the algorithm is there, and memory is all they ask for.
  if (EVP_DigestInit_ex(sha256_->context, sha256_->algorithm, nullptr) != 1 ||
      EVP_DigestUpdate(sha256_->context, scope.data(), scope.size()) != 1 ||
      EVP_DigestUpdate(sha256_->context, &separator, 1) != 1 ||
      EVP_DigestUpdate(sha256_->context, id.value.data(), id.value.size()) != 1 ||
      EVP_DigestFinal_ex(sha256_->context, hash.data(), nullptr) != 1) {
    throw std::bad_alloc();
  }
  out += kHashPrefix;
  for (const unsigned char byte : hash) {
    out += kHexDigits[byte >> 4U];
    out += kHexDigits[byte & 0xFU];
  }
  out += '"';
}

pipeline::EventId EventIdOf(std::string_view value) {
  const XXH128_hash_t hash = XXH3_128bits(value.data(), value.size());
  pipeline::EventId id{.high = hash.high64, .low = hash.low64};
  if (id.made_here()) id.low = 1;  // All zero is taken.
  return id;
}

}  // namespace gateway::normalize

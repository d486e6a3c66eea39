// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/raw_table.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "common/bytes.h"

namespace gateway::queue {

using common::ReadLittleEndian;

namespace {

constexpr std::size_t kTrailer = 5;  // Type u8, checksum u32.
constexpr std::uint8_t kNotCompressed = 0;
constexpr std::uint8_t kLz4 = 4;
constexpr std::size_t kLargestBlock = 64 << 20;
/// At the end of a key: sequence number and type.
constexpr std::size_t kKeySuffix = 8;
constexpr std::uint8_t kPut = 1;

/// The bytes that are not read yet; what is asked for beyond them is absent.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  std::size_t left() const { return bytes_.size() - at_; }
  std::size_t at() const { return at_; }
  std::optional<std::uint8_t> Byte() {
    if (left() == 0) return std::nullopt;
    return static_cast<std::uint8_t>(bytes_[at_++]);
  }
  std::optional<std::string_view> Take(std::size_t count) {
    if (left() < count) return std::nullopt;
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }
  std::optional<std::uint32_t> Varint() {
    std::uint32_t number = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
      const auto byte = Byte();
      if (!byte) return std::nullopt;
      number |= static_cast<std::uint32_t>(*byte & 0x7FU) << shift;
      if ((*byte & 0x80U) == 0) return number;
    }
    return std::nullopt;
  }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

/// A length of LZ4: four bits of the token, and more bytes where these are full.
std::optional<std::size_t> Lz4Length(Cursor& in, std::uint8_t bits) {
  std::size_t length = bits;
  if (bits != 15) return length;
  while (true) {
    const auto byte = in.Byte();
    if (!byte) return std::nullopt;
    length += *byte;
    if (*byte != 255) return length;
  }
}

/// Decompresses exactly `size` bytes: a block says how long it was, and not how long it is, which
/// the library would want to know. Leaves `in` behind what it used.
bool Lz4Decompress(Cursor& in, std::size_t size, std::string& out) {
  out.clear();
  while (true) {
    const auto token = in.Byte();
    if (!token) return false;
    const auto literals = Lz4Length(in, *token >> 4U);
    if (!literals || out.size() + *literals > size) return false;
    const auto text = in.Take(*literals);
    if (!text) return false;
    out += *text;
    if (out.size() == size) return true;  // A block ends in literals.
    const auto offset = in.Take(2);
    if (!offset) return false;
    const std::size_t back = ReadLittleEndian<std::uint16_t>(offset->data());
    const auto more = Lz4Length(in, *token & 0xFU);
    if (!more || back == 0 || back > out.size() || out.size() + *more + 4 > size) {
      return false;
    }
    for (std::size_t i = 0; i < *more + 4; ++i) out += out[out.size() - back];
  }
}

bool HasChecksum(std::string_view payload, std::string_view trailer) {
  constexpr std::uint32_t kPrime = 0x6b9083d9;
  const auto type = static_cast<std::uint8_t>(trailer[0]);
  const auto sum =
      static_cast<std::uint32_t>(XXH3_64bits(payload.data(), payload.size())) ^ (type * kPrime);
  return ReadLittleEndian<std::uint32_t>(trailer.data() + 1) == sum;
}

struct Block {
  std::string contents;
  std::size_t size = 0;  ///< In the file, with its trailer.
};

/// `scratch` keeps its memory from one try to the next.
std::optional<Block> ReadLz4Block(std::string_view bytes, std::string& scratch) {
  Cursor in(bytes);
  const auto size = in.Varint();
  if (!size || *size == 0 || *size > kLargestBlock) return std::nullopt;
  if (!Lz4Decompress(in, *size, scratch) || in.left() < kTrailer) return std::nullopt;
  const std::string_view trailer = bytes.substr(in.at(), kTrailer);
  if (static_cast<std::uint8_t>(trailer[0]) != kLz4) return std::nullopt;
  if (!HasChecksum(bytes.substr(0, in.at()), trailer)) return std::nullopt;
  return Block{.contents = scratch, .size = in.at() + kTrailer};
}

struct Row {
  std::uint32_t shared = 0;  ///< So much of the key is as in the row before.
  std::string_view rest;
  std::string_view value;
};

std::optional<Row> ReadRow(Cursor& in) {
  const auto shared = in.Varint();
  const auto rest = in.Varint();
  const auto size = in.Varint();
  if (!shared || !rest || !size) return std::nullopt;
  const auto text = in.Take(*rest);
  const auto value = in.Take(*size);
  if (!text || !value) return std::nullopt;
  return Row{.shared = *shared, .rest = *text, .value = *value};
}

/// Takes the rows of a block, and leaves `in` at the restart points behind them: the first of these
/// is 0, which as a row would be one without a key.
template <typename Visit>
bool ReadRows(Cursor& in, Visit visit) {
  std::size_t key_size = 0;
  for (std::size_t rows = 0;; ++rows) {
    const Cursor before = in;
    const auto row = ReadRow(in);
    if (!row || row->shared > key_size) return false;
    key_size = row->shared + row->rest.size();
    if (key_size == 0) {
      in = before;
      return rows > 0;
    }
    if (key_size < kKeySuffix) return false;
    visit(*row);
  }
}

/// A block that is not compressed ends behind its restart points and their number.
std::optional<Block> ReadPlainBlock(std::string_view bytes) {
  if (bytes.empty() || bytes[0] != 0) return std::nullopt;  // The first key shares nothing.
  Cursor in(bytes);
  if (!ReadRows(in, [](const Row&) {})) return std::nullopt;
  for (std::uint32_t points = 0;; ++points) {
    const auto number = in.Take(4);
    if (!number || in.left() < kTrailer) return std::nullopt;
    if (ReadLittleEndian<std::uint32_t>(number->data()) != points || points == 0) continue;
    const std::string_view trailer = bytes.substr(in.at(), kTrailer);
    const std::string_view contents = bytes.substr(0, in.at());
    if (static_cast<std::uint8_t>(trailer[0]) != kNotCompressed) return std::nullopt;
    if (!HasChecksum(contents, trailer)) return std::nullopt;
    return Block{.contents = std::string(contents), .size = in.at() + kTrailer};
  }
}

void VisitRows(std::string_view contents,
               const std::function<void(std::string_view, std::string_view)>& visit) {
  Cursor in(contents);
  std::string key;
  ReadRows(in, [&](const Row& row) {
    key.resize(row.shared);
    key += row.rest;
    const std::size_t user_size = key.size() - kKeySuffix;
    if (static_cast<std::uint8_t>(key[user_size]) != kPut) return;
    visit(std::string_view(key).substr(0, user_size), row.value);
  });
}

}  // namespace

void ForEachRawRow(std::string_view table_file,
                   const std::function<void(std::string_view key, std::string_view value)>& visit) {
  std::string scratch;
  for (std::size_t at = 0; at < table_file.size();) {
    const std::string_view rest = table_file.substr(at);
    auto block = ReadLz4Block(rest, scratch);
    if (!block) block = ReadPlainBlock(rest);
    if (block) VisitRows(block->contents, visit);
    at += block ? block->size : 1;
  }
}

}  // namespace gateway::queue

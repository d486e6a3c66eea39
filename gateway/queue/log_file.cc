// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/log_file.h"

#include <boost/crc.hpp>
#include <cstddef>
#include <optional>
#include <string>

namespace gateway::queue {
namespace {

constexpr std::size_t kBlock = 32'768;
constexpr std::size_t kHeader = 7;  // Checksum u32, length u16, type u8; little endian.
constexpr std::size_t kRecyclableHeader = kHeader + 4;
constexpr std::size_t kSequence = 8;

/// A record that does not fit into its block goes on in the next ones.
enum class Part : std::uint8_t { kFull, kFirst, kMiddle, kLast };

struct Fragment {
  Part part;
  std::size_t header;
  std::size_t size;  ///< Header included.
};

std::uint64_t ReadNumber(std::string_view bytes, std::size_t count) {
  std::uint64_t number = 0;
  for (std::size_t i = count; i-- > 0;) {
    number = number << 8U | static_cast<unsigned char>(bytes[i]);
  }
  return number;
}

/// CRC-32C, turned and shifted, so that the checksum of bytes that hold one is not special.
std::uint32_t Checksum(std::string_view bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  const std::uint32_t sum = crc.checksum();
  return (sum >> 15U | sum << 17U) + 0xa282ead8U;
}

/// The fragment at the start of `bytes`, the rest of a block.
std::optional<Fragment> ReadFragment(std::string_view bytes) {
  constexpr unsigned kFirstType = 1;
  constexpr unsigned kFirstRecyclableType = 5;
  constexpr unsigned kTypesEnd = 9;
  if (bytes.size() < kHeader) return std::nullopt;
  const auto type = static_cast<unsigned char>(bytes[6]);
  if (type < kFirstType || type >= kTypesEnd) return std::nullopt;
  const bool recyclable = type >= kFirstRecyclableType;
  const std::size_t header = recyclable ? kRecyclableHeader : kHeader;
  const std::size_t size = header + ReadNumber(bytes.substr(4), 2);
  if (size > bytes.size()) return std::nullopt;
  // From the type on.
  if (Checksum(bytes.substr(6, size - 6)) != ReadNumber(bytes, 4)) return std::nullopt;
  return Fragment{
      .part = static_cast<Part>((type - kFirstType) % 4), .header = header, .size = size};
}

}  // namespace

std::uint64_t BytesOfWritesUpTo(std::uint64_t sequence, std::string_view log_file) {
  std::size_t sound = 0;
  bool within = false;
  std::string number;  // A write begins with its sequence number, which may be cut in two.
  for (std::size_t at = 0; at < log_file.size();) {
    const std::size_t left_in_block = kBlock - at % kBlock;
    if (left_in_block < kHeader) {
      at += left_in_block;  // Filled up.
      continue;
    }
    const std::string_view block = log_file.substr(at, left_in_block);
    const auto fragment = ReadFragment(block);
    if (!fragment) break;
    const bool begins = fragment->part == Part::kFull || fragment->part == Part::kFirst;
    if (begins == within) break;
    if (begins) number.clear();
    const std::string_view text = block.substr(0, fragment->size).substr(fragment->header);
    if (number.size() < kSequence) number += text.substr(0, kSequence - number.size());
    at += fragment->size;
    within = fragment->part == Part::kFirst || fragment->part == Part::kMiddle;
    if (within) continue;
    if (number.size() < kSequence || ReadNumber(number, kSequence) > sequence) break;
    sound = at;
  }
  return sound;
}

}  // namespace gateway::queue

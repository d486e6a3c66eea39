// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/log_file.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

#include "gateway/queue/rocks_crc32c.h"

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
  const std::uint32_t sum = rocksdb::crc32c::Extend(0, bytes.data(), bytes.size());
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

/// Where to look on behind a fragment that is none: at the next one in the block, wherever that
/// is, since its length may be what is wrong. The checksum tells, and no event can hold a
/// fragment: JSON has none of the bytes that stand for a type.
std::size_t SkipBroken(std::string_view log_file, std::size_t at) {
  const std::size_t block_end = std::min(at + kBlock - at % kBlock, log_file.size());
  const std::string_view block = log_file.substr(0, block_end);
  for (std::size_t next = at + 1; next < block_end; ++next) {
    if (ReadFragment(block.substr(next))) return next;
  }
  return block_end;
}

/// The whole writes of a log file, one after the other; what is broken is passed over.
class Writes {
 public:
  explicit Writes(std::string_view log_file) : file_(log_file) {}

  /// False when there is none any more.
  bool Next() {
    write_.clear();
    bool within = false;
    while (at_ < file_.size()) {
      const std::size_t left_in_block = kBlock - at_ % kBlock;
      if (left_in_block < kHeader) {
        at_ += left_in_block;  // Filled up.
        continue;
      }
      const std::string_view block = file_.substr(at_, left_in_block);
      const auto fragment = ReadFragment(block);
      const bool begins =
          fragment && (fragment->part == Part::kFull || fragment->part == Part::kFirst);
      if (!fragment || begins == within) {
        broken_ = true;
        // A beginning in the middle of a write is looked at again: it may be that of a whole one.
        if (!fragment) {
          at_ = SkipBroken(file_, at_);
        } else if (!begins) {
          at_ += fragment->size;
        }
        write_.clear();
        within = false;
        continue;
      }
      write_ += block.substr(0, fragment->size).substr(fragment->header);
      at_ += fragment->size;
      within = fragment->part == Part::kFirst || fragment->part == Part::kMiddle;
      if (!within) return true;
    }
    broken_ |= within;
    return false;
  }

  std::string_view write() const { return write_; }
  std::size_t end() const { return at_; }
  /// Whether something broken was passed.
  bool broken() const { return broken_; }

 private:
  const std::string_view file_;
  std::size_t at_ = 0;
  std::string write_;
  bool broken_ = false;
};

void AppendNumber(std::uint64_t number, std::size_t count, std::string& out) {
  for (std::size_t i = 0; i < count; ++i, number >>= 8U) out += static_cast<char>(number & 0xFFU);
}

void AppendWrite(std::string_view write, std::string& out) {
  bool first = true;
  do {
    const std::size_t left = kBlock - out.size() % kBlock;
    if (left < kHeader) {
      out.append(left, '\0');
      continue;
    }
    const std::string_view text = write.substr(0, left - kHeader);
    write.remove_prefix(text.size());
    const Part part = write.empty() ? (first ? Part::kFull : Part::kLast)
                                    : (first ? Part::kFirst : Part::kMiddle);
    std::string body(1, static_cast<char>(static_cast<std::uint8_t>(part) + 1));
    body += text;
    AppendNumber(Checksum(body), 4, out);
    AppendNumber(text.size(), 2, out);
    out += body;
    first = false;
  } while (!write.empty() || first);
}

}  // namespace

std::uint64_t BytesOfWritesUpTo(std::uint64_t sequence, std::string_view log_file) {
  std::size_t sound = 0;
  for (Writes writes(log_file); writes.Next() && !writes.broken(); sound = writes.end()) {
    const std::string_view write = writes.write();
    if (write.size() < kSequence || ReadNumber(write, kSequence) > sequence) break;
  }
  return sound;
}

std::optional<std::string> WithoutDamage(std::string_view log_file, bool later_writes,
                                         const WasSyncedFn& was_synced) {
  bool writes_behind = later_writes;
  Writes writes(log_file);
  while (writes.Next()) {
    if (writes.broken() && !writes_behind) writes_behind = was_synced(writes.write());
  }
  if (!writes_behind || !writes.broken()) return std::nullopt;
  std::string whole;
  for (Writes again(log_file); again.Next();) AppendWrite(again.write(), whole);
  return whole;
}

bool HoldsSyncedWrite(std::string_view log_file, const WasSyncedFn& was_synced) {
  for (Writes writes(log_file); writes.Next();) {
    if (was_synced(writes.write())) return true;
  }
  return false;
}

bool IsWhole(std::string_view log_file) {
  Writes writes(log_file);
  while (!writes.broken() && writes.Next()) {
  }
  return !writes.broken();
}

void ForEachWrite(std::string_view log_file, const std::function<void(std::string_view)>& visit) {
  for (Writes writes(log_file); writes.Next();) visit(writes.write());
}

}  // namespace gateway::queue

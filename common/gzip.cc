// SPDX-License-Identifier: Apache-2.0
#include "common/gzip.h"

#define ZLIB_CONST  // Input stays where it is, and const.
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "common/bytes.h"

namespace common {
namespace {

constexpr std::size_t kMinMemberBytes = 18;  // Header and trailer.

tl::unexpected<Error> Damaged(const std::string& why) {
  return Fail(ErrorCode::kInvalidArgument, "the gzip body is damaged: " + why);
}

bool StartsAMember(std::string_view text) { return text.starts_with("\x1f\x8b"); }

/// The most that `compressed` bytes can inflate to, after some that zlib still holds.
std::size_t MostFrom(std::size_t compressed) {
  constexpr std::size_t kRatio = 1032;  // A match of 258 bytes takes two bits at least.
  constexpr std::size_t kHeld = 8;
  if (compressed > std::numeric_limits<std::size_t>::max() / kRatio - kHeld) return compressed;
  return (compressed + kHeld) * kRatio;
}

/// Room for what probably comes out, and for one byte more. The trailer of a single member
/// tells; it may lie, so it counts only as far as the input could inflate at all.
std::size_t FirstRoom(std::string_view compressed, std::size_t max_bytes) {
  if (compressed.size() < kMinMemberBytes) return 1;
  const auto told = ReadLittleEndian<std::uint32_t>(&*(compressed.end() - 4));
  return std::min({std::size_t{told}, max_bytes, MostFrom(compressed.size())}) + 1;
}

/// Makes `out` `size` bytes long with `padding` behind them; keeps the first `have`. A fresh
/// string, since one that grows takes twice what it had.
void Enlarge(std::string& out, std::size_t have, std::size_t size, std::size_t padding) {
  std::string larger;
  larger.reserve(size + padding);
  larger.append(out, 0, have);
  larger.resize(size);
  out = std::move(larger);
}

uInt Clamp(std::size_t n) {
  return static_cast<uInt>(std::min<std::size_t>(n, std::numeric_limits<uInt>::max()));
}

}  // namespace

void Gunzipper::End::operator()(z_stream_s* stream) const {
  inflateEnd(stream);
  delete stream;
}

Status Gunzipper::Restart() {
  if (stream_ == nullptr) {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    auto fresh = std::make_unique<z_stream>();
    if (inflateInit2(fresh.get(), kGzipOnly) != Z_OK) {
      return Fail(ErrorCode::kUnavailable, "there is no memory to inflate a gzip body");
    }
    stream_.reset(fresh.release());
  } else {
    inflateReset(stream_.get());
  }
  return Ok();
}

Result<std::string> Gunzipper::Inflate(std::string_view compressed, std::size_t max_bytes,
                                       std::size_t padding) {
  if (!StartsAMember(compressed)) return Damaged("it is not gzip");
  std::string out;
  std::size_t have = 0;
  Enlarge(out, have, FirstRoom(compressed, max_bytes), padding);
  for (std::size_t members = 1; StartsAMember(compressed); ++members) {
    if (members > kMaxMembers) return Damaged("it has too many members");
    if (Status started = Restart(); !started) return tl::unexpected(started.error());
    for (int result = Z_OK; result != Z_STREAM_END;) {
      if (have == out.size() && have <= max_bytes) {
        Enlarge(out, have, std::min(max_bytes + 1, have + MostFrom(compressed.size())), padding);
      }
      stream_->next_in = reinterpret_cast<const Bytef*>(compressed.data());
      stream_->avail_in = Clamp(compressed.size());
      stream_->next_out = reinterpret_cast<Bytef*>(out.data() + have);
      stream_->avail_out = Clamp(out.size() - have);
      const uInt offered = stream_->avail_in;
      const uInt room = stream_->avail_out;
      // Z_FINISH: when there is room for all, zlib needs no window of its own.
      result = inflate(stream_.get(), Z_FINISH);
      compressed.remove_prefix(offered - stream_->avail_in);
      have += room - stream_->avail_out;
      if (result == Z_STREAM_END) break;
      if (result != Z_BUF_ERROR) return Damaged(stream_->msg != nullptr ? stream_->msg : "unknown");
      if (have > max_bytes) {
        out.resize(have);
        return out;
      }
      if (stream_->avail_out != 0 && compressed.empty()) return Damaged("it is cut short");
    }
  }
  if (!compressed.empty()) return Damaged("something follows its end that is not gzip");
  out.resize(have);
  return out;
}

}  // namespace common

// SPDX-License-Identifier: Apache-2.0
#include "common/net/chunked_decoder.h"

#include <algorithm>

namespace common::net {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsControl(char c) { return (c >= 0 && c < ' ' && c != '\t') || c == '\x7f'; }

}  // namespace

ChunkedDecoder::State ChunkedDecoder::Decode(std::string_view& in, std::string& out) {
  while (!in.empty()) {
    if (at_ == At::kData) {
      TakeData(in, out);
      continue;
    }
    const State state = Step(in.front());
    in.remove_prefix(1);
    if (state != State::kMore) return state;
  }
  return State::kMore;
}

void ChunkedDecoder::TakeData(std::string_view& in, std::string& out) {
  const std::size_t n = std::min<std::uint64_t>(left_, in.size());
  out.append(in, 0, n);
  in.remove_prefix(n);
  left_ -= n;
  if (left_ == 0) at_ = At::kDataCr;
}

ChunkedDecoder::State ChunkedDecoder::Step(char c) {
  switch (at_) {
    case At::kSize:
      return TakeSizeDigit(c);
    case At::kExtension:
      return Extra(c, At::kSizeEnd);
    case At::kSizeEnd:
      return c == '\n' ? AfterSize() : State::kMalformed;
    case At::kDataCr:
      return Expect(c, '\r', At::kDataLf);
    case At::kDataLf:
      digits_ = 0;
      return Expect(c, '\n', At::kSize);
    case At::kLine:
      if (c == '\r') return Expect(c, '\r', At::kEnd);
      at_ = At::kTrailer;
      return Extra(c, At::kTrailerEnd);
    case At::kTrailer:
      return Extra(c, At::kTrailerEnd);
    case At::kTrailerEnd:
      return Expect(c, '\n', At::kLine);
    case At::kEnd:
      return c == '\n' ? State::kDone : State::kMalformed;
    case At::kData:
      break;
  }
  return State::kMalformed;
}

ChunkedDecoder::State ChunkedDecoder::TakeSizeDigit(char c) {
  constexpr int kMostDigits = 16;
  if (const int value = HexValue(c); value >= 0) {
    left_ = left_ << 4 | static_cast<std::uint64_t>(value);
    return ++digits_ <= kMostDigits ? State::kMore : State::kMalformed;
  }
  if (digits_ == 0) return State::kMalformed;
  if (c == '\r') return Expect(c, '\r', At::kSizeEnd);
  if (c != ';' && c != ' ' && c != '\t') return State::kMalformed;
  at_ = At::kExtension;
  return Extra(c, At::kSizeEnd);
}

ChunkedDecoder::State ChunkedDecoder::AfterSize() {
  if (left_ > room_) return State::kTooLarge;
  room_ -= left_;
  at_ = left_ == 0 ? At::kLine : At::kData;
  return State::kMore;
}

/// A byte of an extension or a trailer, which end with their line.
ChunkedDecoder::State ChunkedDecoder::Extra(char c, At at_line_end) {
  if (c == '\r') return Expect(c, '\r', at_line_end);
  return ++extra_ > kMaxExtraBytes || IsControl(c) ? State::kMalformed : State::kMore;
}

ChunkedDecoder::State ChunkedDecoder::Expect(char c, char expected, At next) {
  at_ = next;
  return c == expected ? State::kMore : State::kMalformed;
}

}  // namespace common::net

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace common::net {

/// Takes a chunked body (RFC 9112 section 7.1) apart as its bytes come, however they are cut.
/// Extensions and trailers are thrown away: a trailer that were merged into the header would
/// be one that no proxy on the way has looked at. (Beast's parser merges them.) Strict about
/// line ends, since the end of this body is where the next request starts.
class ChunkedDecoder {
 public:
  enum class State {
    kMore,       ///< All of the input is used up, and the body goes on.
    kDone,       ///< The body has ended; what is left of the input is not part of it.
    kTooLarge,   ///< Its data are, or its next chunk would make them, more than `max_bytes`.
    kMalformed,  ///< It is none, or has more than kMaxExtraBytes of extensions and trailers.
  };
  static constexpr std::size_t kMaxExtraBytes = 4096;

  explicit ChunkedDecoder(std::uint64_t max_bytes) : room_(max_bytes) {}

  /// Removes what it understood from the front of `in` and appends the data to `out`. Not
  /// called again after a state other than kMore.
  State Decode(std::string_view& in, std::string& out);

 private:
  enum class At {
    kSize,
    kExtension,
    kSizeEnd,
    kData,
    kDataCr,
    kDataLf,
    kLine,
    kTrailer,
    kTrailerEnd,
    kEnd,
  };

  void TakeData(std::string_view& in, std::string& out);
  State Step(char c);
  State TakeSizeDigit(char c);
  State AfterSize();
  State Extra(char c, At at_line_end);
  State Expect(char c, char expected, At next);

  At at_ = At::kSize;
  int digits_ = 0;
  std::uint64_t left_ = 0;  ///< Of the chunk: its size while that is read, then its data.
  std::uint64_t room_;
  std::size_t extra_ = 0;
};

}  // namespace common::net

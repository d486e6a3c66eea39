// SPDX-License-Identifier: Apache-2.0
#include "gateway/sandbox/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <memory>

namespace gateway::sandbox {

common::Result<std::string> Gunzip(std::string_view compressed, std::size_t max_bytes,
                                   std::size_t padding) {
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  const auto damaged = [](const char* why) {
    return common::Fail(common::ErrorCode::kInvalidArgument,
                        std::string("the gzip body is damaged: ") + why);
  };
  z_stream stream{};
  if (inflateInit2(&stream, kGzipOnly) != Z_OK) return damaged("zlib cannot start");
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> end(&stream, &inflateEnd);

  std::string in(compressed);  // zlib wants non-const input.
  std::string out(std::min(max_bytes + 1, compressed.size() * 4 + 64), '\0');
  std::size_t have = 0;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  while (have <= max_bytes) {
    if (have == out.size()) out.resize(std::min(max_bytes + 1, out.size() * 2));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + have);
    stream.avail_out = static_cast<uInt>(out.size() - have);
    const int result = inflate(&stream, Z_NO_FLUSH);
    have = out.size() - stream.avail_out;
    if (result == Z_STREAM_END) {
      if (stream.avail_in == 0) break;
      inflateReset(&stream);
    } else if (result == Z_BUF_ERROR && stream.avail_out != 0) {
      return damaged("it is cut short");
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return damaged(stream.msg != nullptr ? stream.msg : "it is not gzip");
    }
  }
  out.resize(have);
  out.reserve(have + padding);
  return out;
}

}  // namespace gateway::sandbox

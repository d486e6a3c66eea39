// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "common/result.h"

struct z_stream_s;  // NOLINT(readability-identifier-naming): not our name

namespace common {

/// Inflates gzip bodies, one after the other, with one state of zlib's. Memory is bounded by
/// the caller's limit, and work by that and the size of the input: a bomb costs what the
/// largest body that is accepted costs. Not thread-safe: one a thread.
class Gunzipper {
 public:
  Gunzipper() = default;
  ~Gunzipper() = default;
  Gunzipper(const Gunzipper&) = delete;
  Gunzipper& operator=(const Gunzipper&) = delete;

  /// The text of one or more gzip members that fill `compressed`. kInvalidArgument when they
  /// are damaged, cut short, followed by anything else, or more than kMaxMembers. At most
  /// `max_bytes` + 1 bytes come out: one too many says "too large", and the rest was not
  /// looked at. The result has `padding` bytes of capacity behind its end.
  Result<std::string> Inflate(std::string_view compressed, std::size_t max_bytes,
                              std::size_t padding);

  /// A member costs a setup of its own, and an empty one only 20 bytes.
  static constexpr std::size_t kMaxMembers = 1000;

 private:
  struct End {
    void operator()(z_stream_s* stream) const;
  };

  Status Restart();

  std::unique_ptr<z_stream_s, End> stream_;
};

}  // namespace common

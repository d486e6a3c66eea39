// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace bench {

struct SinkOptions {
  std::uint16_t port = 0;     ///< 0 is any free one; it is printed.
  double latency_millis = 0;  ///< Each batch is answered this much after it was complete.
};

/// A stand-in for Segment that costs next to nothing: takes POST of any path, tells the
/// benchmark's events apart by their ids, answers 200. `GET /count` says what it got;
/// `GET /wait?distinct=N&timeout_ms=T` says so once N different events are there or the time
/// is over. `GET /refuse?status=503` answers that to every batch, uncounted, until
/// `GET /refuse?status=0`; `GET /hold?on=1` answers none until `GET /hold?on=0`. Runs until the
/// process is ended.
[[noreturn]] void RunSink(const SinkOptions& options);

}  // namespace bench

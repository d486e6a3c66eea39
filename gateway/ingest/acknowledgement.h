// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "common/guarded.h"
#include "common/net/http_server.h"
#include "common/result.h"
#include "gateway/ingest/admission.h"

namespace gateway::ingest {

/// A request that waits for the disk: for one append, or for those of several tenants. The
/// last append to be done gives the answer: the success, or what became of it. When one
/// fails the request is answered 503 and sent again, and what was stored of it then is
/// stored twice, with the same messageIds where the client gave them.
/// Done is thread-safe.
class Acknowledgement {
 public:
  /// The answer, from the success that was prepared and the first error of the appends, if
  /// there was one. Runs on the thread of the last Done.
  using Conclude =
      std::function<common::net::Response(common::net::Response, std::optional<common::Error>)>;

  Acknowledgement(std::size_t appends, common::net::Responder respond,
                  common::net::Response success, Reservation reservation, Conclude conclude)
      : waiting_(appends),
        respond_(std::move(respond)),
        success_(std::move(success)),
        reservation_(std::move(reservation)),
        conclude_(std::move(conclude)) {}

  void Done(const common::Status& status) {
    if (!status) {
      error_.With([&](std::optional<common::Error>& error) {
        if (!error) error = status.error();
      });
    }
    if (waiting_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    auto error = error_.With([](std::optional<common::Error>& first) { return std::move(first); });
    common::net::Response response = conclude_(std::move(success_), std::move(error));
    reservation_.Release();
    respond_(std::move(response));
  }

 private:
  std::atomic<std::size_t> waiting_;
  common::Guarded<std::optional<common::Error>> error_;
  common::net::Responder respond_;
  common::net::Response success_;
  Reservation reservation_;
  Conclude conclude_;
};

}  // namespace gateway::ingest

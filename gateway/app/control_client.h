// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "common/result.h"

namespace gateway::app {

/// Sends a request to the gateway that has the store in `directory` open, and waits for the
/// result; `on_progress` gets what comes before it. kNotFound when no gateway listens there,
/// kInvalidArgument for what the gateway calls a wrong use, else kUnavailable or kIo.
common::Result<nlohmann::ordered_json> AskGateway(
    const std::string& directory, const std::string& request,
    const std::function<void(const nlohmann::ordered_json&)>& on_progress);

/// As long as it lives, the gateway that has the store in a directory open deletes none of its
/// files, within its limits (HoldService).
class GatewayHold {
 public:
  virtual ~GatewayHold() = default;
  /// Whether it was so until now.
  virtual bool Held() const = 0;
};

/// Fails as AskGateway does, also where the gateway does not answer in time;
/// kUnavailable also where the gateway is of a release that cannot.
common::Result<std::unique_ptr<GatewayHold>> HoldFiles(const std::string& directory,
                                                       std::chrono::milliseconds patience);

}  // namespace gateway::app

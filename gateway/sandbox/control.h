// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/guarded.h"
#include "common/net/http_server.h"
#include "common/random.h"
#include "gateway/sandbox/faults.h"
#include "gateway/sandbox/held_answers.h"
#include "gateway/sandbox/store.h"

namespace gateway::sandbox {

/// The rules and the dice they roll.
struct FaultState {
  explicit FaultState(std::uint64_t seed) : random(seed) {}
  FaultEngine engine;
  common::FastRandom random;
};

/// The /sandbox/ interface: reads what has come, sets what goes wrong. Thread-safe.
class Control {
 public:
  Control(Store& store, common::Guarded<FaultState>& faults, HeldAnswers& held, bool discards)
      : store_(store), faults_(faults), held_(held), discards_(discards) {}

  static bool Owns(std::string_view path);
  /// Answers one request; call on the connection's thread.
  void Handle(std::string_view method, std::string_view path, std::string_view query,
              const std::string& body, common::net::Responder respond);

 private:
  using ListFunction = Page (Store::*)(const Filter&) const;

  void List(std::string_view query, ListFunction list, common::net::Responder respond);
  common::net::Response Faults(std::string_view method, std::string_view query,
                               const std::string& body);

  Store& store_;
  common::Guarded<FaultState>& faults_;
  HeldAnswers& held_;
  const bool discards_;
};

/// {"error":{"code":…,"message":…}}, as the gateway's admin API.
common::net::Response ControlError(int status, std::string_view code, std::string_view message);

}  // namespace gateway::sandbox

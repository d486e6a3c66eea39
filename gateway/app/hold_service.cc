// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/hold_service.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <utility>

#include "common/log.h"

namespace gateway::app {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLookAtTheDisk{1};

}  // namespace

std::string HoldRequest() { return ordered_json{{"command", "hold"}}.dump(); }

HoldService::~HoldService() { Stop(); }

std::string HoldService::RefusalLocked(std::uint64_t free) const {
  if (stopping_) return "the gateway is stopping";
  if (holds_.size() >= limits_.at_once) return "others look at the store";
  if (free < limits_.least_free) return "its disk is too full for that";
  if (!holds_.empty() && (Clock::now() >= until_ || free < least_free_)) {
    return "others have looked at the store for too long";
  }
  return "";
}

void HoldService::Handle(std::shared_ptr<ControlCall> call) {
  const std::uint64_t free = queue_.FreeBytes().value_or(0);
  const std::scoped_lock lock(mutex_);
  holds_.remove_if([](const Hold& hold) { return hold.over.load(); });
  if (const std::string why = RefusalLocked(free); !why.empty()) {
    return call->End(ordered_json{{"error", {{"message", why}, {"usage", false}}}}.dump());
  }
  if (holds_.empty()) {
    until_ = Clock::now() + limits_.longest;
    least_free_ = std::max(free / 2, limits_.least_free);
  }
  Hold& hold = holds_.emplace_back();
  hold.thread.emplace("hold", [this, &hold, call = std::move(call)] {
    Run(*call);
    // Its place is free before the client is told so.
    hold.over = true;
    call->End(ordered_json{{"result", ordered_json::object()}}.dump());
  });
}

void HoldService::Stop() {
  const std::scoped_lock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

void HoldService::Run(ControlCall& call) {
  const auto begin = Clock::now();
  {
    const auto hold = queue_.HoldFiles();
    common::log::Info("files_kept", "somebody looks at the store: no file of it is deleted");
    call.Tell(ordered_json{{"progress", {{"step", "holding"}}}}.dump());
    Wait(call);
  }
  common::log::Info("files_released", "files that the store has done with are deleted again",
                    {{"took_seconds", Clock::now() - begin}});
}

void HoldService::Wait(const ControlCall& call) {
  const std::stop_token gone = call.gone();
  const std::stop_callback on_gone(gone, [this] {
    const std::scoped_lock lock(mutex_);
    changed_.notify_all();
  });
  for (;;) {
    const std::uint64_t free = queue_.FreeBytes().value_or(0);
    std::unique_lock lock(mutex_);
    if (stopping_ || gone.stop_requested() || Clock::now() >= until_ || free < least_free_) return;
    changed_.wait_until(lock, std::min(until_, Clock::now() + kLookAtTheDisk));
  }
}

}  // namespace gateway::app

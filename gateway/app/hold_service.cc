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

constexpr std::chrono::seconds kLookAtTheDisk{1};

std::string Refusal(const char* why) {
  return ordered_json{{"error", {{"message", why}, {"usage", false}}}}.dump();
}

}  // namespace

std::string HoldRequest() { return ordered_json{{"command", "hold"}}.dump(); }

HoldService::~HoldService() { Stop(); }

void HoldService::Handle(std::shared_ptr<ControlCall> call) {
  const std::scoped_lock lock(mutex_);
  holds_.remove_if([](const Hold& hold) { return hold.over.load(); });
  if (stopping_) return call->End(Refusal("the gateway is stopping"));
  if (holds_.size() >= limits_.at_once) return call->End(Refusal("others look at the store"));
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
  const auto begin = std::chrono::steady_clock::now();
  {
    const auto hold = queue_.HoldFiles();
    common::log::Info("files_kept", "somebody looks at the store: no file of it is deleted");
    call.Tell(ordered_json{{"progress", {{"step", "holding"}}}}.dump());
    Wait(call);
  }
  common::log::Info("files_released", "files that the store has done with are deleted again",
                    {{"took_seconds", std::chrono::steady_clock::now() - begin}});
}

void HoldService::Wait(const ControlCall& call) {
  const auto until = std::chrono::steady_clock::now() + limits_.longest;
  const std::uint64_t least = queue_.FreeBytes().value_or(0) / 2;
  const std::stop_token gone = call.gone();
  const std::stop_callback on_gone(gone, [this] {
    const std::scoped_lock lock(mutex_);
    changed_.notify_all();
  });
  std::unique_lock lock(mutex_);
  while (!stopping_ && !gone.stop_requested() && std::chrono::steady_clock::now() < until &&
         queue_.FreeBytes().value_or(0) >= least) {
    changed_.wait_until(lock, std::min(until, std::chrono::steady_clock::now() + kLookAtTheDisk));
  }
}

}  // namespace gateway::app

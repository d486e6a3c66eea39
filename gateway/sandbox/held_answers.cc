// SPDX-License-Identifier: Apache-2.0
#include "gateway/sandbox/held_answers.h"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>
#include <vector>

namespace gateway::sandbox {

using common::net::Responder;
using common::net::Response;

/// One answer that waits. Touched on its connection's thread only.
class HeldAnswers::Held : public std::enable_shared_from_this<Held> {
 public:
  Held(HeldAnswers& owner, Responder respond, Poll poll, bool watches)
      : owner_(owner),
        executor_(respond.executor()),
        timer_(executor_),
        respond_(std::move(respond)),
        poll_(std::move(poll)),
        watches_(watches) {}

  const boost::asio::any_io_executor& executor() const { return executor_; }
  bool watches() const { return watches_; }

  void Arm(std::chrono::milliseconds delay) {
    timer_.expires_after(delay);
    timer_.async_wait([self = shared_from_this()](boost::system::error_code cancelled) {
      if (!cancelled) self->Look(/*expired=*/true);
    });
  }

  void Look(bool expired) {
    if (!respond_) return;
    if (auto response = poll_(expired)) Finish(*std::move(response));
  }

  void Finish(Response response) {
    if (!respond_) return;
    Responder respond = *std::move(respond_);
    respond_.reset();
    timer_.cancel();
    owner_.Forget(shared_from_this());
    respond(std::move(response));
  }

 private:
  HeldAnswers& owner_;
  const boost::asio::any_io_executor executor_;
  boost::asio::steady_timer timer_;
  std::optional<Responder> respond_;
  const Poll poll_;
  const bool watches_;
};

HeldAnswers::HeldAnswers() = default;
HeldAnswers::~HeldAnswers() = default;

void HeldAnswers::Delay(Responder respond, std::chrono::milliseconds delay, Response response) {
  // std::function wants copies; the answer is taken once.
  auto answer = std::make_shared<Response>(std::move(response));
  Add(
      std::move(respond), delay,
      [answer](bool) { return std::optional<Response>(std::move(*answer)); },
      /*watches=*/false);
}

void HeldAnswers::Watch(Responder respond, std::chrono::milliseconds patience, Poll poll) {
  // Listed before the first look, so that no news falls between the two.
  Add(std::move(respond), patience, std::move(poll), /*watches=*/true)->Look(/*expired=*/false);
}

std::shared_ptr<HeldAnswers::Held> HeldAnswers::Add(Responder respond,
                                                    std::chrono::milliseconds delay, Poll poll,
                                                    bool watches) {
  auto held = std::make_shared<Held>(*this, std::move(respond), std::move(poll), watches);
  if (watches) watchers_.fetch_add(1);
  held_.With([&](auto& all) { all.insert(held); });
  // Close may have run meanwhile and not seen this one.
  boost::asio::dispatch(held->executor(), [this, held, delay] {
    if (closed_.load()) {
      held->Finish(Response{.body = {}, .headers = {}, .reset = true});
    } else {
      held->Arm(delay);
    }
  });
  return held;
}

void HeldAnswers::Wake() {
  if (watchers_.load() == 0) return;
  std::vector<std::shared_ptr<Held>> watching;
  held_.With([&](const auto& all) {
    for (const auto& held : all) {
      if (held->watches()) watching.push_back(held);
    }
  });
  for (auto& held : watching) {
    boost::asio::post(held->executor(), [held] { held->Look(/*expired=*/false); });
  }
}

void HeldAnswers::Close() {
  closed_.store(true);
  const auto all = held_.With([](const auto& set) { return set; });
  for (const auto& held : all) {
    boost::asio::post(held->executor(),
                      [held] { held->Finish(Response{.body = {}, .headers = {}, .reset = true}); });
  }
}

void HeldAnswers::Forget(const std::shared_ptr<Held>& held) {
  if (held->watches()) watchers_.fetch_sub(1);
  held_.With([&](auto& all) { all.erase(held); });
}

}  // namespace gateway::sandbox

// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/hold_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/running_queue.h"
#include "tests/support/temp_dir.h"

namespace gateway::app {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

/// A client that goes when it is told to.
class Client final : public ControlCall {
 public:
  void Tell(std::string line) override { Add(std::move(line)); }
  void End(std::string line) override { Add(std::move(line)); }
  std::stop_token gone() const override { return gone_.get_token(); }

  void Go() { gone_.request_stop(); }
  /// The lines so far, once there are `count`.
  std::vector<std::string> Lines(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return lines_.size() >= count; });
    return lines_;
  }

 private:
  void Add(std::string line) {
    const std::scoped_lock lock(mutex_);
    lines_.push_back(std::move(line));
    changed_.notify_all();
  }

  std::stop_source gone_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

class HoldServiceTest : public testing::Test {
 protected:
  HoldServiceTest() {
    auto opened =
        queue::RocksQueue::Open(tests::SmallQueueOptions(dir_ / "queue"), clock_, registry_);
    queue_ = std::make_unique<tests::RunningQueue>(std::move(*opened));
  }

  std::shared_ptr<Client> Ask(HoldService& service) {
    auto client = std::make_shared<Client>();
    service.Handle(client);
    return client;
  }

  tests::TempDir dir_;
  common::SystemClock clock_;
  prometheus::Registry registry_;
  std::unique_ptr<tests::RunningQueue> queue_;
};

constexpr const char* kHolding = R"({"progress":{"step":"holding"}})";
constexpr const char* kEnded = R"({"result":{}})";

TEST_F(HoldServiceTest, HoldsUntilTheClientGoes) {
  HoldService service(**queue_, {.at_once = 1, .longest = 1h, .least_free = 1});
  for (int i = 0; i < 2; ++i) {
    const auto client = Ask(service);
    EXPECT_THAT(client->Lines(1), ElementsAre(kHolding));
    client->Go();
    EXPECT_THAT(client->Lines(2), ElementsAre(kHolding, kEnded));
  }
}

TEST_F(HoldServiceTest, HoldsNoLongerThanItMay) {
  HoldService service(**queue_, {.at_once = 1, .longest = 1ms, .least_free = 1});
  EXPECT_THAT(Ask(service)->Lines(2), ElementsAre(kHolding, kEnded));
}

TEST_F(HoldServiceTest, RefusesTooMany) {
  HoldService service(**queue_, {.at_once = 1, .longest = 1h, .least_free = 1});
  const auto first = Ask(service);
  EXPECT_THAT(Ask(service)->Lines(1), ElementsAre(HasSubstr("others look at the store")));
}

TEST_F(HoldServiceTest, HoldsNothingOnAFullDisk) {
  HoldService service(**queue_, {.at_once = 1, .longest = 1h, .least_free = 1ULL << 60});
  EXPECT_THAT(Ask(service)->Lines(1), ElementsAre(HasSubstr("too full")));
}

TEST_F(HoldServiceTest, EndsWhenTheGatewayStops) {
  HoldService service(**queue_, {.at_once = 2, .longest = 1h, .least_free = 1});
  const auto client = Ask(service);
  client->Lines(1);
  service.Stop();
  EXPECT_THAT(client->Lines(2), ElementsAre(kHolding, kEnded));
  EXPECT_THAT(Ask(service)->Lines(1), ElementsAre(HasSubstr("stopping")));
}

}  // namespace
}  // namespace gateway::app

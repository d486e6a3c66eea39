// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/control_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "gateway/app/control_client.h"
#include "gateway/app/hold_service.h"
#include "gateway/app/io_thread.h"
#include "tests/support/temp_dir.h"

namespace gateway::app {
namespace {

using namespace std::chrono_literals;
using common::ErrorCode;
using nlohmann::ordered_json;
using testing::HasSubstr;

constexpr ControlLimits kLimits{
    .connections = 2, .request_bytes = 1024, .request_timeout = 5s, .write_timeout = 5s};

class ControlSocketTest : public testing::Test {
 protected:
  /// Serves in a directory whose path no address holds.
  void Serve(ControlServer::Handler handler, const ControlLimits& limits = kLimits) {
    std::filesystem::create_directories(path());
    auto server = ControlServer::Listen(io_.context(), path(), std::move(handler), limits);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    io_.Start();
  }
  ~ControlSocketTest() override { io_.Stop(); }

  std::string path() const { return dir_ / std::string(150, 'l'); }
  std::string file() const { return path() + "/" + kControlSocket; }
  common::Result<ordered_json> Ask(const std::string& request) {
    return AskGateway(path(), request,
                      [this](const ordered_json& progress) { progress_.push_back(progress); });
  }
  /// A connection that says nothing.
  int Connect() {
    const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::filesystem::create_directory_symlink(path(), dir_ / std::to_string(client));
    const std::string short_path = dir_ / std::to_string(client) + "/" + kControlSocket;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, short_path.c_str(), short_path.size() + 1);
    if (connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      throw std::runtime_error("cannot connect");
    }
    return client;
  }
  static std::string ReadAll(int client) {
    std::string all;
    char buffer[4096];
    for (ssize_t n = 0; (n = read(client, buffer, sizeof(buffer))) > 0;) {
      all.append(buffer, static_cast<std::size_t>(n));
    }
    close(client);
    return all;
  }

  tests::TempDir dir_;
  IoThread io_{"control"};
  std::unique_ptr<ControlServer> server_;
  std::vector<ordered_json> progress_;
  std::shared_ptr<ControlCall> unanswered_;
};

TEST_F(ControlSocketTest, ProgressAndThenAResult) {
  Serve([](const std::string& request, const std::shared_ptr<ControlCall>& call) {
    call->Tell(R"({"progress":1})");
    call->End(R"({"result":{"asked":")" + request + "\"}}");
  });
  const auto result = Ask("hello");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->at("asked"), "hello");
  EXPECT_LE(progress_.size(), 1U);
}

TEST_F(ControlSocketTest, OnlyItsOwnerMayConnect) {
  Serve([](const std::string&, const std::shared_ptr<ControlCall>& call) { call->End("{}"); });
  struct stat socket{};
  ASSERT_EQ(stat(file().c_str(), &socket), 0);
  EXPECT_EQ(socket.st_mode & 0777U, 0600U);
}

TEST_F(ControlSocketTest, TakesThePlaceOfAStaleOneAndLeavesNone) {
  Serve([](const std::string&, const std::shared_ptr<ControlCall>& call) { call->End("{}"); });
  IoThread other("other");
  auto second = ControlServer::Listen(
      other.context(), path(),
      [](const std::string&, const std::shared_ptr<ControlCall>& call) {
        call->End(R"({"result":2})");
      },
      kLimits);
  ASSERT_TRUE(second) << second.error().message;
  other.Start();
  EXPECT_EQ(Ask("x").value(), 2);
  other.Stop();
  second->reset();
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(ControlSocketTest, NobodyListens) {
  EXPECT_EQ(Ask("x").error().code, ErrorCode::kNotFound) << "no directory";
  std::filesystem::create_directories(path());
  EXPECT_EQ(Ask("x").error().code, ErrorCode::kNotFound) << "no socket";
  EXPECT_FALSE(ControlServer::Listen(io_.context(), path() + "/none", {}, kLimits));
}

TEST_F(ControlSocketTest, ErrorsSayWhoseTheyAre) {
  Serve([](const std::string& request, const std::shared_ptr<ControlCall>& call) {
    call->End(request == "odd" ? "[]" : R"({"error":{"message":"no","usage":)" + request + "}}");
  });
  EXPECT_EQ(Ask("true").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(Ask("false").error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(Ask("false").error().message, "no");
  EXPECT_EQ(Ask("odd").error().code, ErrorCode::kIo);
  EXPECT_FALSE(Ask(std::string(5000, 'x'))) << "too long";
}

TEST_F(ControlSocketTest, SilentClientsAreShownOut) {
  ControlLimits quick = kLimits;
  quick.request_timeout = 100ms;
  Serve([](const std::string&, const std::shared_ptr<ControlCall>& call) { call->End("{}"); },
        quick);
  const std::vector<int> silent{Connect(), Connect()};
  EXPECT_THAT(ReadAll(Connect()), HasSubstr("too many commands"));
  for (const int client : silent) EXPECT_EQ(ReadAll(client), "");
}

TEST_F(ControlSocketTest, AClientThatGoesIsNoticed) {
  std::promise<std::shared_ptr<ControlCall>> asked;
  Serve(
      [&](const std::string&, const std::shared_ptr<ControlCall>& call) { asked.set_value(call); });
  const int client = Connect();
  ASSERT_EQ(write(client, "x\n", 2), 2);
  const auto call = asked.get_future().get();
  EXPECT_FALSE(call->gone().stop_requested());
  std::promise<void> gone;
  const std::stop_callback on_gone(call->gone(), [&] { gone.set_value(); });
  close(client);
  gone.get_future().wait();
  call->Tell("to nobody");
  call->End("to nobody");
}

TEST_F(ControlSocketTest, ACallMayEndOnAnyThread) {
  std::promise<std::shared_ptr<ControlCall>> asked;
  Serve([&](const std::string& request, const std::shared_ptr<ControlCall>& call) {
    if (request == "more") return call->End("{}");
    asked.set_value(call);
  });
  const int client = Connect();
  ASSERT_EQ(write(client, "x\n", 2), 2);
  auto call = asked.get_future().get();
  shutdown(client, SHUT_RDWR);
  while (call.use_count() > 1) std::this_thread::yield();
  const int other = Connect();
  call.reset();  // While the server looks whether there is room for the other one.
  ASSERT_EQ(write(other, "more\n", 5), 5);
  EXPECT_EQ(ReadAll(other), "{}\n");
  close(client);
}

TEST_F(ControlSocketTest, AClientThatDoesNotReadIsGoneInTheEnd) {
  ControlLimits quick = kLimits;
  quick.write_timeout = 100ms;
  std::promise<std::shared_ptr<ControlCall>> asked;
  Serve(
      [&](const std::string&, const std::shared_ptr<ControlCall>& call) { asked.set_value(call); },
      quick);
  const int client = Connect();
  ASSERT_EQ(write(client, "x\n", 2), 2);
  const auto call = asked.get_future().get();
  std::promise<void> gone;
  const std::stop_callback on_gone(call->gone(), [&] { gone.set_value(); });
  auto noticed = gone.get_future();
  // Whatever is told meanwhile takes the room of one line.
  while (noticed.wait_for(0ms) != std::future_status::ready) call->Tell(std::string(100'000, 'x'));
  close(client);
}

TEST_F(ControlSocketTest, AHoldDoesNotWaitForAGatewayThatHangs) {
  Serve([this](const std::string&, std::shared_ptr<ControlCall> call) {
    unanswered_ = std::move(call);
  });
  const auto hold = HoldFiles(path(), 1ms);
  ASSERT_FALSE(hold);
  EXPECT_EQ(hold.error().code, ErrorCode::kUnavailable);
}

TEST_F(ControlSocketTest, AHoldKnowsWhetherItIsOne) {
  std::promise<std::shared_ptr<ControlCall>> asked;
  Serve([&](const std::string& request, std::shared_ptr<ControlCall> call) {
    EXPECT_EQ(request, HoldRequest());
    call->Tell(R"({"progress":{"step":"holding"}})");
    asked.set_value(std::move(call));
  });
  const auto hold = HoldFiles(path(), 5s);
  ASSERT_TRUE(hold) << hold.error().message;
  EXPECT_TRUE((*hold)->Held());
  asked.get_future().get()->End(R"({"result":{}})");
  while ((*hold)->Held()) std::this_thread::yield();
}

}  // namespace
}  // namespace gateway::app

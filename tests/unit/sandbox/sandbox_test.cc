// SPDX-License-Identifier: Apache-2.0
//
// The whole sandbox through real sockets.
#include "gateway/sandbox/sandbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "common/strings.h"
#include "tests/support/fake_clock.h"
#include "tests/support/raw_http_client.h"

namespace gateway::sandbox {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tests::HttpAnswer;
using tests::RawHttpClient;
using End = RawHttpClient::End;

constexpr std::string_view kTrack = R"({"userId":"u","event":"e"})";

std::string Request(std::string_view method, std::string_view path, std::string_view body = "",
                    std::string_view headers = "") {
  return std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n" +
         std::string(headers) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

std::string Basic(std::string_view key) {
  return "Authorization: Basic " + common::Base64Encode(std::string(key) + ":") + "\r\n";
}

std::string Track(std::string_view id) {
  return R"({"userId":"u","event":"e","messageId":")" + std::string(id) + "\"}";
}

class SandboxTest : public ::testing::Test {
 protected:
  void SetUp() override { Run({}); }
  void TearDown() override { Shut(); }

  void Run(SandboxOptions options) {
    Shut();
    options.address = "127.0.0.1";
    options.max_events_kept = 10'000;
    options.max_bytes_kept = 16U << 20;
    std::vector<boost::asio::io_context*> contexts;
    for (int i = 0; i < 2; ++i) {
      contexts_.push_back(std::make_unique<boost::asio::io_context>(1));
      contexts.push_back(contexts_.back().get());
      guards_.emplace_back(contexts_.back()->get_executor());
    }
    sandbox_ = std::move(Sandbox::Create(contexts, options, clock_, nullptr).value());
    sandbox_->Start();
    for (const auto& context : contexts_) {
      threads_.emplace_back([io = context.get()] { io->run(); });
    }
    control_.emplace(sandbox_->port());
  }

  void Shut() {
    if (sandbox_ == nullptr) return;
    control_.reset();
    std::promise<void> stopped;
    sandbox_->Stop([&] { stopped.set_value(); });
    EXPECT_EQ(stopped.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
    guards_.clear();
    for (const auto& context : contexts_) context->stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    sandbox_.reset();
    contexts_.clear();
  }

  RawHttpClient Client() const { return RawHttpClient(sandbox_->port()); }

  HttpAnswer Control(std::string_view method, std::string_view path, std::string_view body = "") {
    const auto answer = control_->Ask(Request(method, path, body));
    EXPECT_TRUE(answer) << method << path;
    return answer.value_or(HttpAnswer{});
  }
  void SetFault(std::string_view rule) {
    const HttpAnswer answer = Control("PUT", "/sandbox/faults", rule);
    EXPECT_EQ(answer.status, 200) << answer.body;
  }
  std::vector<json> Lines(std::string_view path) {
    std::vector<json> lines;
    std::istringstream in(Control("GET", path).body);
    for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
    return lines;
  }
  std::vector<std::string> Verdicts() {
    std::vector<std::string> verdicts;
    for (const json& line : Lines("/sandbox/events")) verdicts.push_back(line["verdict"]);
    return verdicts;
  }

  tests::FakeClock clock_;
  std::vector<std::unique_ptr<boost::asio::io_context>> contexts_;
  std::vector<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> guards_;
  std::unique_ptr<Sandbox> sandbox_;
  std::vector<std::thread> threads_;
  std::optional<RawHttpClient> control_;
};

TEST_F(SandboxTest, AnswersAsSegment) {
  const std::string bad_key = "An invalid write key was provided";
  const struct {
    const char* method;
    const char* path;
    std::string headers;
    std::string body;
    int status;
    std::string message;
  } cases[] = {
      {"POST", "/v1/track", Basic("wk"), std::string(kTrack), 200, ""},
      {"POST", "/v1/t", Basic("wk"), std::string(kTrack), 200, ""},
      {"POST", "/v1/import/", Basic("wk"), R"({"batch":[]})", 200, ""},
      {"POST", "/v1/batch", "", R"({"batch":[],"writeKey":"wk"})", 200, ""},
      {"POST", "/v1/batch", "Authorization: Bearer t\r\n", R"({"batch":[],"writeKey":"wk"})", 200,
       ""},
      {"POST", "/v1/track", Basic("wk"), "{}", 200, ""},
      {"POST", "/v1/m", "", R"({"series":[]})", 200, ""},
      {"POST", "/v1/track", "", std::string(kTrack), 400, bad_key},
      {"POST", "/v1/track", Basic(""), std::string(kTrack), 400, bad_key},
      {"POST", "/v1/track", Basic("a b"), std::string(kTrack), 400, bad_key},
      {"POST", "/v1/track", Basic("wk"), "{", 400, "Malformed JSON: the body does not parse"},
      {"POST", "/v1/track", Basic("wk"), "\"" + std::string(40'000, 'x') + "\"", 400,
       "Exceed payload limit"},
      {"POST", "/v1/batch", Basic("wk"), std::string(600'000, ' '), 400, "Exceed payload limit"},
      {"POST", "/v1/batch", Basic("wk") + "Content-Encoding: gzip\r\n", "plain", 400,
       "the gzip body is damaged: it is not gzip"},
      {"POST", "/v1/batch", Basic("wk") + "Content-Encoding: br\r\n", "x", 415,
       "Unsupported Content-Encoding: send gzip or none"},
      {"GET", "/v1/track", "", "", 405, "Method Not Allowed: use POST"},
      {"POST", "/v1/nothing", "", "", 404, "Not Found: the Tracking API has no such path"},
      {"GET", "/", "", "", 404, "Not Found: try /v1/batch, or GET /sandbox/ for help"},
  };
  RawHttpClient client = Client();
  for (const auto& c : cases) {
    const auto answer = client.Ask(Request(c.method, c.path, c.body, c.headers));
    ASSERT_TRUE(answer) << c.path << c.body.substr(0, 50) << ": one connection serves all";
    EXPECT_EQ(answer->status, c.status) << c.path << c.body.substr(0, 50);
    EXPECT_EQ(answer->Header("Content-Type"), "application/json");
    const json body = json::parse(answer->body);
    EXPECT_EQ(body["success"], c.status == 200);
    if (c.status != 200) EXPECT_EQ(body["message"], c.message);
  }
  const auto requests = Lines("/sandbox/requests");
  ASSERT_EQ(requests.size(), std::size(cases));
  for (std::size_t i = 0; i < std::size(cases); ++i) {
    EXPECT_EQ(requests[i]["status"], cases[i].status);
    EXPECT_EQ(requests[i]["path"], cases[i].path);
  }
}

TEST_F(SandboxTest, ABodyFarOverTheLimitIsRefusedToo) {
  RawHttpClient client = Client();
  client.Send("POST /v1/batch HTTP/1.1\r\nContent-Length: 999999999\r\n" + Basic("wk") + "\r\n");
  const auto answer = client.Read();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 400);
  EXPECT_THAT(answer->body, HasSubstr("Exceed payload limit"));
  EXPECT_EQ(Lines("/sandbox/requests").at(0)["message"], "Exceed payload limit");
}

TEST_F(SandboxTest, RecordsWhatItReceived) {
  const std::string event =
      R"({"type":"track","userId":"u","event":"e","messageId":"m1",)"
      R"("properties":{"big":9007199254740993,"x":1e21,"z":-0.0,"p":1.10,"s":"\u00e9"},)"
      R"("timestamp":"2026-01-02T03:04:00.000Z"})";
  RawHttpClient client = Client();
  ASSERT_TRUE(client.Ask(
      Request("POST", "/v1/batch",
              R"({"batch":[)" + event + R"(],"sentAt":"2026-01-02T03:04:05.000Z","writeKey":"wk"})",
              Basic("wk") + "User-Agent: lib/1\r\nX-Retry-Count: 2\r\n"
                            "Content-Type: application/json\r\n")));
  const std::string line = Control("GET", "/sandbox/events").body;
  EXPECT_THAT(line, HasSubstr("\"event\":" + event + "}\n"));
  const json record = json::parse(line);
  EXPECT_EQ(record["write_key"], "wk");
  EXPECT_EQ(record["retry_count"], 2);
  EXPECT_EQ(record["sent_at"], "2026-01-02T03:04:05.000Z");
  EXPECT_EQ(record["timestamp"], "2026-01-02T03:04:00.678Z");
  EXPECT_EQ(record["verdict"], "accepted");
  const json request = Lines("/sandbox/requests").at(0);
  EXPECT_EQ(request["auth"], "basic+body");
  EXPECT_EQ(request["user_agent"], "lib/1");
  EXPECT_EQ(request["content_type"], "application/json");
  EXPECT_EQ(request["events"], 1);
  EXPECT_EQ(request["accepted"], 1);
  EXPECT_EQ(request["message_ids"], json::array({"m1"}));
  const json stats = json::parse(Control("GET", "/sandbox/stats").body);
  EXPECT_EQ(stats["write_keys"]["wk"]["accepted"], 1);
}

TEST_F(SandboxTest, ShowsWhatSegmentDropsSilently) {
  RawHttpClient client = Client();
  const std::string batch = R"({"batch":[)" + Track("a") + R"(,{"type":"track","userId":"u",)" +
                            R"("event":"e","messageId":"a"},{"type":"track","userId":"u",)" +
                            R"("event":"e","messageId":"a"},{"type":"identify"},7]})";
  const auto answer = client.Ask(Request("POST", "/v1/batch", batch, Basic("wk")));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, R"({"success":true})");
  EXPECT_THAT(Verdicts(), ElementsAre("type_invalid", "accepted", "duplicate", "no_user_anon_id",
                                      "event_not_object"));
}

TEST_F(SandboxTest, StrictAndKnownKeys) {
  const std::string known(32, 'k');
  SandboxOptions options;
  options.strict_write_keys = true;
  options.write_keys = {known};
  Run(options);
  RawHttpClient client = Client();
  EXPECT_EQ(client.Ask(Request("POST", "/v1/t", kTrack, Basic("short")))->status, 400);
  EXPECT_EQ(client.Ask(Request("POST", "/v1/t", kTrack, Basic(known)))->status, 200);
  EXPECT_EQ(client.Ask(Request("POST", "/v1/t", kTrack, Basic(std::string(32, 'u'))))->status, 200);
  EXPECT_THAT(Verdicts(), ElementsAre("accepted", "unknown_write_key"));
}

TEST_F(SandboxTest, InjectsStatuses) {
  SetFault(R"({"write_key":"bad","status":529,"retry_after":"7","count":1})");
  RawHttpClient client = Client();
  const auto refused = client.Ask(Request("POST", "/v1/track", Track("a"), Basic("bad")));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 529);
  EXPECT_EQ(refused->Header("Retry-After"), "7");
  EXPECT_EQ(json::parse(refused->body)["success"], false);
  EXPECT_EQ(client.Ask(Request("POST", "/v1/track", Track("b"), Basic("good")))->status, 200);
  EXPECT_EQ(client.Ask(Request("POST", "/v1/track", Track("a"), Basic("bad")))->status, 200);
  EXPECT_THAT(Verdicts(), ElementsAre("accepted", "accepted"));
  EXPECT_EQ(Lines("/sandbox/requests").at(0)["fault"], "fault-1");

  SetFault(R"([{"status":200,"body":"not json"}])");
  const auto odd = client.Ask(Request("POST", "/v1/track", Track("c"), Basic("k")));
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->body, "not json");
  EXPECT_EQ(Verdicts().size(), 3U) << "a 2xx takes the events";
}

TEST_F(SandboxTest, InjectsByMessageIdAndByTheKeyOfTheBody) {
  SetFault(R"([{"message_id":"poison","status":400},{"write_key":"body-key","status":403}])");
  RawHttpClient client = Client();
  EXPECT_EQ(client.Ask(Request("POST", "/v1/track", Track("fine"), Basic("k")))->status, 200);
  EXPECT_EQ(client.Ask(Request("POST", "/v1/track", Track("poison"), Basic("k")))->status, 400);
  EXPECT_EQ(
      client.Ask(Request("POST", "/v1/batch", R"({"batch":[],"writeKey":"body-key"})"))->status,
      403);
}

TEST_F(SandboxTest, ResetsAndDropsResponses) {
  const struct {
    const char* rule;
    std::size_t events;
  } cases[] = {{R"([{"reset":"after_body"}])", 0},
               {R"([{"reset":"before_body"}])", 0},
               {R"([{"hang":true,"latency_ms":1}])", 0},
               {R"([{"drop_response":true}])", 1}};
  for (const auto& c : cases) {
    SetFault(c.rule);
    RawHttpClient client = Client();
    ASSERT_TRUE(client.Send(Request("POST", "/v1/track", kTrack, Basic("wk"))));
    EXPECT_EQ(client.ReadToEnd(), End::kReset) << c.rule;
    EXPECT_EQ(client.unread(), "");
    EXPECT_EQ(Lines("/sandbox/events").size(), c.events) << c.rule;
    EXPECT_EQ(Lines("/sandbox/requests").back()["status"], 0);
  }
}

TEST_F(SandboxTest, AnswersLateWhenToldTo) {
  SetFault(R"([{"latency_ms":50}])");
  RawHttpClient client = Client();
  const auto start = std::chrono::steady_clock::now();
  const auto answer = client.Ask(Request("POST", "/v1/track", kTrack, Basic("wk")));
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(50));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
}

TEST_F(SandboxTest, ControlSaysWhatIsWrong) {
  const struct {
    const char* method;
    const char* path;
    const char* body;
    int status;
    const char* text;
  } cases[] = {
      {"GET", "/sandbox", "", 200, "PUT    /sandbox/faults"},
      {"GET", "/sandbox/", "", 200, "GET    /sandbox/events"},
      {"GET", "/sandbox/nothing", "", 404, "GET /sandbox/ lists what there is"},
      {"POST", "/sandbox/events", "", 405, "this path takes GET, DELETE"},
      {"DELETE", "/sandbox/requests", "", 405, "this path takes GET"},
      {"POST", "/sandbox/faults", "", 405, "this path takes GET, PUT, DELETE"},
      {"GET", "/sandbox/events?key=x", "", 400, "unknown parameter 'key'"},
      {"PUT", "/sandbox/faults", "{\"status\":1}", 400, "'status' must be"},
      {"PUT", "/sandbox/faults", "status=503", 400, "not JSON"},
      {"DELETE", "/sandbox/faults?id=none", "", 404, "no fault has the id 'none'"},
      {"DELETE", "/sandbox/faults?name=x", "", 400, "the only parameter is id"},
      {"GET", "/sandbox/faults", "", 200, "{\"result\":[]}"},
      {"GET", "/sandboxes", "", 404, "GET /sandbox/ for help"},
  };
  for (const auto& c : cases) {
    const HttpAnswer answer = Control(c.method, c.path, c.body);
    EXPECT_EQ(answer.status, c.status) << c.method << c.path;
    EXPECT_THAT(answer.body, HasSubstr(c.text)) << c.method << c.path;
  }
}

TEST_F(SandboxTest, FaultsAndEventsCanBeRemoved) {
  SetFault(R"([{"id":"a b","status":500},{"status":501}])");
  RawHttpClient client = Client();
  EXPECT_EQ(Control("DELETE", "/sandbox/faults?id=a%20b").status, 200);
  EXPECT_EQ(client.Ask(Request("POST", "/v1/track", kTrack, Basic("wk")))->status, 501);
  EXPECT_EQ(Control("DELETE", "/sandbox/faults").body, "{\"result\":[]}\n");
  EXPECT_EQ(client.Ask(Request("POST", "/v1/track", kTrack, Basic("wk")))->status, 200);
  EXPECT_EQ(Lines("/sandbox/events").size(), 1U);
  EXPECT_EQ(Control("DELETE", "/sandbox/events").status, 200);
  EXPECT_TRUE(Lines("/sandbox/events").empty());
  EXPECT_TRUE(Lines("/sandbox/requests").empty());
}

TEST_F(SandboxTest, FollowWaitsForNews) {
  RawHttpClient follower = Client();
  ASSERT_TRUE(
      follower.Send(Request("GET", "/sandbox/events?follow=1&wait=20000&write_key=wanted")));
  RawHttpClient client = Client();
  ASSERT_TRUE(client.Ask(Request("POST", "/v1/track", Track("other"), Basic("unwanted"))));
  ASSERT_TRUE(client.Ask(Request("POST", "/v1/track", Track("mine"), Basic("wanted"))));
  const auto answer = follower.Read();
  ASSERT_TRUE(answer);
  EXPECT_EQ(json::parse(answer->body)["event"]["messageId"], "mine");
  EXPECT_EQ(answer->Header("X-Sandbox-Next-After"), "2");
  EXPECT_EQ(answer->Header("Content-Type"), "application/x-ndjson");

  const auto at_once = follower.Ask(Request("GET", "/sandbox/events?follow=1&wait=20000&after=1"));
  ASSERT_TRUE(at_once);
  EXPECT_EQ(json::parse(at_once->body)["n"], 2);
  const auto nothing = follower.Ask(Request("GET", "/sandbox/events?follow=1&wait=1&after=2"));
  ASSERT_TRUE(nothing);
  EXPECT_EQ(nothing->status, 200);
  EXPECT_EQ(nothing->body, "");
  EXPECT_EQ(nothing->Header("X-Sandbox-Next-After"), "2");
}

TEST_F(SandboxTest, NoNewsIsMissedByFollowersWhileManySend) {
  constexpr int kSenders = 4;
  constexpr int kEach = 100;
  std::vector<std::thread> senders;
  for (int s = 0; s < kSenders; ++s) {
    senders.emplace_back([this, s] {
      RawHttpClient client = Client();
      for (int i = 0; i < kEach; ++i) {
        client.Ask(Request("POST", "/v1/track", Track(std::to_string(s) + "-" + std::to_string(i)),
                           Basic("wk")));
      }
    });
  }
  RawHttpClient follower = Client();
  std::size_t seen = 0;
  std::string after = "0";
  while (seen < kSenders * kEach) {
    const auto answer =
        follower.Ask(Request("GET", "/sandbox/events?follow=1&wait=20000&after=" + after));
    if (!answer || answer->body.empty()) break;
    seen += static_cast<std::size_t>(std::count(answer->body.begin(), answer->body.end(), '\n'));
    after = answer->Header("X-Sandbox-Next-After");
  }
  EXPECT_EQ(seen, std::size_t{kSenders * kEach});
  for (std::thread& sender : senders) sender.join();
}

TEST_F(SandboxTest, StopEndsWhatHangsAndFollows) {
  SetFault(R"({"hang":true})");
  RawHttpClient hanging = Client();
  ASSERT_TRUE(hanging.Send(Request("POST", "/v1/track", kTrack, Basic("wk"))));
  RawHttpClient following = Client();
  ASSERT_TRUE(following.Send(Request("GET", "/sandbox/events?follow=1&wait=300000")));
  RawHttpClient watching = Client();
  ASSERT_TRUE(watching.Ask(Request("GET", "/sandbox/requests?follow=1&wait=20000")))
      << "the hanging request has arrived";
  Shut();
  EXPECT_NE(hanging.ReadToEnd(), End::kTimeout);
  EXPECT_NE(following.ReadToEnd(), End::kTimeout);
}

TEST_F(SandboxTest, DiscardCountsOnly) {
  SandboxOptions options;
  options.discard = true;
  Run(options);
  RawHttpClient client = Client();
  const std::string batch = R"({"batch":[)" + Track("a") + "," + Track("b") + "]}";
  EXPECT_EQ(client.Ask(Request("POST", "/v1/batch", batch, Basic("wk")))->status, 200);
  EXPECT_EQ(Control("GET", "/sandbox/events").status, 409);
  const json stats = json::parse(Control("GET", "/sandbox/stats").body);
  EXPECT_EQ(stats["total"]["events"], 2);
  SetFault(R"({"status":503})");
  EXPECT_EQ(client.Ask(Request("POST", "/v1/batch", batch, Basic("wk")))->status, 503);
}

TEST(Sandbox, SaysWhyItCannotListen) {
  boost::asio::io_context context;
  const common::SystemClock clock;
  SandboxOptions options;
  options.address = "nowhere";
  const auto sandbox = Sandbox::Create({&context}, options, clock, nullptr);
  ASSERT_FALSE(sandbox);
  EXPECT_THAT(sandbox.error().message, HasSubstr("'nowhere' is not an IP address"));
}

}  // namespace
}  // namespace gateway::sandbox

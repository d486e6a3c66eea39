// SPDX-License-Identifier: Apache-2.0
#include "gateway/deliver/classify.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <variant>

#include "common/net/http_response.h"
#include "tests/support/fake_clock.h"

namespace gateway::deliver {
namespace {

using namespace std::chrono_literals;
using pipeline::HoldReason;
using pipeline::IncomingResponse;
using pipeline::RetryCause;
using pipeline::TransportError;
using pipeline::TransportFailure;
using schedule::EndpointSign;

constexpr ClassifyPolicy kPolicy{.max_retry_after = 300s};
constexpr common::WallTime kNow = tests::FakeClock::kStart;

/// "delivered", "retry transport", "split", "hold write_key", …
std::string Name(const pipeline::Outcome& outcome) {
  struct Namer {
    std::string operator()(const pipeline::Delivered&) const { return "delivered"; }
    std::string operator()(const pipeline::Split&) const { return "split"; }
    std::string operator()(const pipeline::Retry& retry) const {
      switch (retry.cause) {
        case RetryCause::kTransport:
          return "retry transport";
        case RetryCause::kThrottled:
          return "retry throttled";
        case RetryCause::kServerError:
          return "retry server";
      }
      return "";
    }
    std::string operator()(const pipeline::Hold& hold) const {
      return hold.reason == HoldReason::kWriteKeyRefused ? "hold write_key" : "hold endpoint";
    }
  };
  return std::visit(Namer(), outcome);
}

TEST(Classify, EveryStatusHasItsOutcomeAndItsSign) {
  struct Case {
    int status;
    const char* outcome;
    bool good;  ///< The endpoint does its work.
  };
  const Case cases[] = {
      {200, "delivered", true},       {201, "delivered", true},      {204, "delivered", true},
      {301, "hold endpoint", false},  {302, "hold endpoint", false}, {307, "hold endpoint", false},
      {308, "hold endpoint", false},  {400, "split", true},          {401, "hold write_key", true},
      {403, "hold write_key", true},  {404, "hold endpoint", false}, {405, "split", true},
      {406, "split", true},           {408, "retry server", false},  {410, "retry server", false},
      {413, "split", true},           {415, "split", true},          {422, "split", true},
      {429, "retry throttled", true}, {460, "retry server", false},  {500, "retry server", false},
      {501, "hold endpoint", false},  {502, "retry server", false},  {503, "retry server", false},
      {504, "retry server", false},   {505, "hold endpoint", false}, {511, "hold endpoint", false},
      {529, "retry server", false},   {599, "retry server", false},
  };
  for (const Case& expected : cases) {
    IncomingResponse response;
    response.status = expected.status;
    EXPECT_EQ(Name(Classify(response, kPolicy, kNow)), expected.outcome) << expected.status;
    EXPECT_EQ(SignOf(response), expected.good ? EndpointSign::kGood : EndpointSign::kBad)
        << expected.status;
  }
}

TEST(Classify, NoAnswerSaysSomethingOfTheEndpointUnlessItWasCalledBack) {
  for (const auto error :
       {TransportError::kResolve, TransportError::kConnect, TransportError::kTls,
        TransportError::kTimeout, TransportError::kClosed, TransportError::kProtocol}) {
    EXPECT_EQ(SignOf(TransportFailure{error, ""}), EndpointSign::kBad);
  }
  EXPECT_EQ(SignOf(TransportFailure{TransportError::kCancelled, ""}), EndpointSign::kNone);
}

TEST(Classify, A400ThatNamesTheWriteKeyHoldsTheTenant) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"success":false,"message":"An invalid write key was provided"})", "hold write_key"},
      {"Invalid Write Key", "hold write_key"},
      {R"({"message":"missing writeKey"})", "hold write_key"},
      {R"({"message":"Exceed payload limit"})", "split"},
      {"Bad Request", "split"},
      {"", "split"},
  };
  for (const auto& [body, name] : cases) {
    IncomingResponse response;
    response.status = 400;
    response.body = body;
    EXPECT_EQ(Name(Classify(response, kPolicy, kNow)), name) << body;
  }
}

TEST(Classify, NoAnswerIsRetried) {
  for (const auto error : {pipeline::TransportError::kResolve, pipeline::TransportError::kConnect,
                           pipeline::TransportError::kTls, pipeline::TransportError::kTimeout,
                           pipeline::TransportError::kClosed, pipeline::TransportError::kProtocol,
                           pipeline::TransportError::kCancelled}) {
    EXPECT_EQ(Name(Classify(pipeline::TransportFailure{error, ""}, kPolicy, kNow)),
              "retry transport");
  }
}

TEST(Classify, TheExcerptOfARefusalIsTextWhateverWasAnswered) {
  pipeline::IncomingResponse response;
  response.status = 400;
  response.body = "ung\xFCltig \xFF";
  const auto outcome = Classify(response, ClassifyPolicy{.max_retry_after = 300s}, {});
  EXPECT_EQ(std::get<pipeline::Split>(outcome).excerpt, "ung\xEF\xBF\xBDltig \xEF\xBF\xBD");
}

TEST(Classify, TheExcerptOfARefusalIsShort) {
  IncomingResponse response;
  response.status = 413;
  response.body.assign(8'000, 'x');
  const auto outcome = Classify(response, kPolicy, kNow);
  EXPECT_EQ(std::get<pipeline::Split>(outcome).excerpt.size(), 256U);
  EXPECT_EQ(std::get<pipeline::Split>(outcome).http_status, 413);
}

TEST(Classify, RetryAfterGoesBeforeRateLimitResetAndBothAreSeconds) {
  struct Case {
    const char* retry_after;
    const char* reset;
    std::optional<common::Duration> after;
  };
  const Case cases[] = {
      {"7", "", 7s}, {"7", "9", 7s}, {"", "9", 9s}, {"rubbish", "9", 9s}, {"", "", std::nullopt}};
  for (const Case& c : cases) {
    for (const int status : {429, 503}) {
      IncomingResponse response;
      response.status = status;
      response.retry_after = c.retry_after;
      response.rate_limit_reset = c.reset;
      const auto outcome = Classify(response, kPolicy, kNow);
      EXPECT_EQ(std::get<pipeline::Retry>(outcome).after, c.after)
          << status << " '" << c.retry_after << "' '" << c.reset << "'";
    }
  }
}

TEST(RetryAfter, AllItsForms) {
  const std::string in_a_minute = common::net::HttpDate(kNow + 60s);
  const std::string long_ago = common::net::HttpDate(kNow - 1h);
  const std::string next_year = common::net::HttpDate(kNow + 24h * 365);
  const std::pair<std::string, std::optional<common::Duration>> cases[] = {
      {"", std::nullopt},
      {"1", 1s},
      {"0", 1s},
      {"7", 7s},
      {"300", 300s},
      {"99999", 300s},
      {"99999999999999999999999", 300s},
      {"-5", std::nullopt},
      {"-99999999999999999999999", std::nullopt},
      {"1.5", std::nullopt},
      {"soon", std::nullopt},
      {"7 seconds", std::nullopt},
      {"Wed, 21 Oct 2015", std::nullopt},
      {"Fri, 31 Dec 9999 23:59:59 GMT", 300s},
      {"Thu, 01 Jan 1970 00:00:00 GMT", 1s},
      {long_ago, 1s},
      {next_year, 300s},
  };
  for (const auto& [text, wait] : cases) {
    EXPECT_EQ(ParseRetryAfter(text, 300s, kNow), wait) << "'" << text << "'";
  }
  const auto minute = ParseRetryAfter(in_a_minute, 300s, kNow);
  ASSERT_TRUE(minute);
  EXPECT_GT(*minute, 58s);
  EXPECT_LE(*minute, 60s);
}

}  // namespace
}  // namespace gateway::deliver

// SPDX-License-Identifier: Apache-2.0
#include "common/net/resolver_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/fake_clock.h"

namespace common::net {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::make_address;
using boost::asio::ip::tcp;
using testing::ElementsAre;

class ResolverCacheTest : public testing::Test {
 protected:
  static tcp::endpoint At(const char* address) { return {make_address(address), 443}; }

  /// What Lookup gave before it returned; nullopt when it has yet to answer.
  std::optional<Result<Addresses>> Lookup(const std::string& host = "api.test") {
    auto given = std::make_shared<std::optional<Result<Addresses>>>();
    cache_->Lookup(host, 443, [given](Result<Addresses> answer) { *given = std::move(answer); });
    return *given;
  }
  Addresses Known() {
    const auto answer = Lookup();
    if (answer && *answer) return **answer;
    ADD_FAILURE() << "no answer at once";
    return {};
  }
  /// Ends the oldest running lookup.
  void Answer(Result<Addresses> answer) {
    ASSERT_FALSE(asked_.empty());
    const ResolveDone done = std::move(asked_.front());
    asked_.erase(asked_.begin());
    done(std::move(answer));
  }
  static Result<Addresses> NoAnswer() { return Fail(ErrorCode::kUnavailable, "no answer"); }

  tests::FakeClock clock_;
  std::vector<ResolveDone> asked_;
  const tcp::endpoint a_ = At("192.0.2.1");
  const tcp::endpoint b_ = At("192.0.2.2");
  const tcp::endpoint c_ = At("2001:db8::1");
  std::optional<ResolverCache> cache_{std::in_place, clock_, 60s,
                                      [this](const std::string&, std::uint16_t, ResolveDone done) {
                                        asked_.push_back(std::move(done));
                                      }};
};

TEST_F(ResolverCacheTest, FirstLookupsShareOneQuestion) {
  int answers = 0;
  const auto count = [&](const Result<Addresses>& answer) {
    EXPECT_THAT(*answer, ElementsAre(a_, b_));
    ++answers;
  };
  cache_->Lookup("api.test", 443, count);
  cache_->Lookup("api.test", 443, count);
  EXPECT_EQ(asked_.size(), 1u);
  Answer(Addresses{a_, b_});
  EXPECT_EQ(answers, 2);
  EXPECT_THAT(Known(), ElementsAre(a_, b_));
}

TEST_F(ResolverCacheTest, LiteralsAreNotLookedUp) {
  EXPECT_THAT(**Lookup("192.0.2.9"), ElementsAre(At("192.0.2.9")));
  EXPECT_THAT(**Lookup("2001:db8::9"), ElementsAre(At("2001:db8::9")));
  EXPECT_TRUE(asked_.empty());
}

TEST_F(ResolverCacheTest, OldAnswerServesWhileItIsRenewed) {
  Lookup();
  Answer(Addresses{a_});
  clock_.Advance(59s);
  Known();
  EXPECT_TRUE(asked_.empty());
  clock_.Advance(1s);
  EXPECT_THAT(Known(), ElementsAre(a_));
  EXPECT_THAT(Known(), ElementsAre(a_));
  EXPECT_EQ(asked_.size(), 1u);
  Answer(Addresses{b_});
  EXPECT_THAT(Known(), ElementsAre(b_));
}

TEST_F(ResolverCacheTest, LastGoodAnswerOutlivesFailures) {
  Lookup();
  Answer(Addresses{a_});
  for (int i = 0; i < 3; ++i) {
    clock_.Advance(60s);
    EXPECT_THAT(Known(), ElementsAre(a_));
    Answer(i == 1 ? Result<Addresses>(Addresses{}) : NoAnswer());
    EXPECT_THAT(Known(), ElementsAre(a_));
    EXPECT_TRUE(asked_.empty()) << "asks again only after the refresh interval";
  }
}

TEST_F(ResolverCacheTest, FirstFailureIsGivenAndForgotten) {
  for (const auto& answer : {NoAnswer(), Result<Addresses>(Addresses{})}) {
    std::optional<Result<Addresses>> given;
    cache_->Lookup("api.test", 443, [&](Result<Addresses> result) { given = std::move(result); });
    Answer(answer);
    ASSERT_TRUE(given);
    ASSERT_FALSE(*given);
    EXPECT_EQ(given->error().code, ErrorCode::kUnavailable);
  }
  EXPECT_FALSE(Lookup());
  EXPECT_EQ(asked_.size(), 1u);
}

TEST_F(ResolverCacheTest, FailedAddressesGoLastAndStayThere) {
  Lookup();
  Answer(Addresses{a_, b_, c_});
  cache_->Failed("api.test", 443, a_);
  EXPECT_THAT(Known(), ElementsAre(b_, c_, a_));
  cache_->Failed("api.test", 443, b_);
  EXPECT_THAT(Known(), ElementsAre(c_, a_, b_));
  clock_.Advance(60s);
  Known();
  Answer(Addresses{a_, b_, c_});
  EXPECT_THAT(Known(), ElementsAre(c_, a_, b_));
  cache_->Connected("api.test", 443, a_);
  clock_.Advance(60s);
  Known();
  Answer(Addresses{a_, b_, c_});
  EXPECT_THAT(Known(), ElementsAre(a_, c_, b_));
}

TEST_F(ResolverCacheTest, WhenAllFailTheyTakeTurns) {
  Lookup();
  Answer(Addresses{a_, b_});
  cache_->Failed("api.test", 443, a_);
  cache_->Failed("api.test", 443, b_);
  EXPECT_THAT(Known(), ElementsAre(a_, b_));
  cache_->Failed("api.test", 443, a_);
  EXPECT_THAT(Known(), ElementsAre(b_, a_));
  cache_->Failed("other.test", 443, a_);  // Never asked for; nothing to do.
}

TEST_F(ResolverCacheTest, AnswersAfterItsEndAreDropped) {
  bool called = false;
  cache_->Lookup("api.test", 443, [&](const Result<Addresses>&) { called = true; });
  cache_.reset();
  Answer(Addresses{a_});
  EXPECT_FALSE(called);
}

TEST_F(ResolverCacheTest, CallbackMayLookUpAgainOrEndTheCache) {
  int answers = 0;
  cache_->Lookup("api.test", 443, [&](const Result<Addresses>& first) {
    EXPECT_FALSE(first);
    cache_->Lookup("api.test", 443, [&](const Result<Addresses>& second) {
      EXPECT_TRUE(second);
      ++answers;
      cache_.reset();
    });
  });
  Answer(NoAnswer());
  Answer(Addresses{a_});
  EXPECT_EQ(answers, 1);
}

TEST(SystemResolveTest, AsksTheSystem) {
  boost::asio::io_context io;
  const Resolve resolve = SystemResolve(io);
  std::optional<Result<Addresses>> local;
  std::optional<Result<Addresses>> bad;
  resolve("localhost", 8443, [&](Result<Addresses> answer) { local = std::move(answer); });
  resolve("no..name", 8443, [&](Result<Addresses> answer) { bad = std::move(answer); });
  io.run();
  ASSERT_TRUE(local && bad);
  ASSERT_TRUE(*local) << local->error().message;
  for (const tcp::endpoint& address : **local) {
    EXPECT_TRUE(address.address().is_loopback());
    EXPECT_EQ(address.port(), 8443);
  }
  ASSERT_FALSE(*bad);
  EXPECT_THAT(bad->error().message, testing::StartsWith("cannot resolve 'no..name': "));
}

}  // namespace
}  // namespace common::net

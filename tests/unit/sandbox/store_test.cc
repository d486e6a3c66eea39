// SPDX-License-Identifier: Apache-2.0
#include "gateway/sandbox/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "common/strings.h"

namespace gateway::sandbox {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const common::WallTime kNow = *common::ParseTimestamp("2026-01-02T03:04:05.678Z");
const StoreOptions kRoomy = {1000, 1U << 20, /*discard=*/false, {}};

RequestRecord Request(const std::string& key, common::WallTime at = kNow) {
  RequestRecord request;
  request.received_at = at;
  request.write_key = key;
  request.status = 200;
  request.path = "/v1/batch";
  return request;
}

Reading ReadingOf(const std::vector<std::string>& ids, Verdict verdict = Verdict::kAccepted) {
  Reading reading;
  reading.event_count = ids.size();
  for (const std::string& id : ids) {
    reading.events.push_back({.raw = R"({"messageId":")" + id + R"(","n":1.10})",
                              .type = "track",
                              .message_id = id,
                              .user_id = "u",
                              .timestamp = kNow,
                              .verdict = verdict});
  }
  return reading;
}

void Receive(Store& store, const std::string& key, const std::vector<std::string>& ids,
             common::WallTime at = kNow) {
  RequestRecord request = Request(key, at);
  request.events = ids.size();
  store.Record(std::move(request), ReadingOf(ids), /*taken=*/true);
}

std::vector<std::string> Members(const Page& page, const char* name) {
  std::vector<std::string> values;
  std::istringstream lines(page.lines);
  for (std::string line; std::getline(lines, line);) {
    const json value = json::parse(line)[name];
    values.push_back(value.is_string() ? value.get<std::string>() : value.dump());
  }
  return values;
}

TEST(Store, ListsEventsAsTheyCame) {
  Store store(kRoomy);
  Receive(store, "wk", {"a"});
  const Page page = store.Events({});
  EXPECT_EQ(page.lines,
            R"({"n":1,"request":1,"received_at":"2026-01-02T03:04:05.678Z",)"
            R"("received_at_ms":1767323045678,"write_key":"wk","path":"/v1/batch","type":"track",)"
            R"("retry_count":0,"sent_at":null,"timestamp":"2026-01-02T03:04:05.678Z",)"
            R"("verdict":"accepted","event":{"messageId":"a","n":1.10}})"
            "\n");
  EXPECT_EQ(page.next_after, 1U);
}

TEST(Store, FindsDuplicatesOverAllKeysForADay) {
  Store store(kRoomy);
  Receive(store, "k1", {"a", "a", "", ""});
  Receive(store, "k2", {"a", "b"});
  Receive(store, "k1", {"a"}, kNow + std::chrono::hours(23));
  Receive(store, "k1", {"a"}, kNow + std::chrono::hours(24));
  EXPECT_THAT(Members(store.Events({}), "verdict"),
              ElementsAre("accepted", "duplicate", "accepted", "accepted", "duplicate", "accepted",
                          "duplicate", "accepted"));
  EXPECT_THAT(Members(store.Requests({}), "duplicates"), ElementsAre("1", "1", "1", "0"));
}

TEST(Store, ADroppedEventDoesNotMakeItsSuccessorADuplicate) {
  Store store(kRoomy);
  store.Record(Request("wk"), ReadingOf({"a"}, Verdict::kNoUserAnonId), /*taken=*/true);
  Receive(store, "wk", {"a"});
  EXPECT_THAT(Members(store.Events({}), "verdict"), ElementsAre("no_user_anon_id", "accepted"));
  EXPECT_THAT(Members(store.Events({}), "why"),
              ElementsAre("neither userId nor anonymousId is there", "null"));
}

TEST(Store, KeepsNoEventsOfARequestThatWasNotTaken) {
  Store store(kRoomy);
  RequestRecord refused = Request("wk");
  refused.status = 503;
  refused.fault = "busy";
  store.Record(std::move(refused), ReadingOf({"a"}), /*taken=*/false);
  Receive(store, "wk", {"a"});
  EXPECT_THAT(Members(store.Events({}), "verdict"), ElementsAre("accepted"));
  const Page requests = store.Requests({});
  EXPECT_THAT(Members(requests, "status"), ElementsAre("503", "200"));
  EXPECT_THAT(Members(requests, "fault"), ElementsAre("busy", "null"));
  EXPECT_THAT(Members(requests, "message_ids"), ElementsAre(R"(["a"])", R"(["a"])"));
}

TEST(Store, KnowsOnlyTheKeysItWasGiven) {
  StoreOptions options = kRoomy;
  options.write_keys = {"known"};
  Store store(options);
  Receive(store, "known", {"a"});
  Receive(store, "other", {"b"});
  EXPECT_THAT(Members(store.Events({}), "verdict"), ElementsAre("accepted", "unknown_write_key"));
}

TEST(Store, FiltersAndPages) {
  Store store(kRoomy);
  Receive(store, "k1", {"a", "b"});
  Receive(store, "k2", {"c", "a"});
  Receive(store, "k1", {"d"});
  EXPECT_THAT(Members(store.Events(*ParseFilter("write_key=k1")), "n"), ElementsAre("1", "2", "5"));
  EXPECT_THAT(Members(store.Events(*ParseFilter("verdict=duplicate")), "n"), ElementsAre("4"));
  EXPECT_THAT(Members(store.Events(*ParseFilter("message_id=a")), "n"), ElementsAre("1", "4"));
  EXPECT_THAT(Members(store.Events(*ParseFilter("type=page")), "n"), ElementsAre());
  EXPECT_THAT(Members(store.Events(*ParseFilter("user_id=u&after=4")), "n"), ElementsAre("5"));
  EXPECT_THAT(Members(store.Requests(*ParseFilter("write_key=k2")), "n"), ElementsAre("2"));
  EXPECT_THAT(Members(store.Requests(*ParseFilter("status=500")), "n"), ElementsAre());

  Page page = store.Events(*ParseFilter("after=0&limit=2"));
  EXPECT_THAT(Members(page, "n"), ElementsAre("1", "2"));
  EXPECT_TRUE(page.more);
  page = store.Events(*ParseFilter("limit=3&after=" + std::to_string(page.next_after)));
  EXPECT_THAT(Members(page, "n"), ElementsAre("3", "4", "5"));
  EXPECT_FALSE(page.more);
  page = store.Events(*ParseFilter("after=5"));
  EXPECT_EQ(page.lines, "");
  EXPECT_EQ(page.next_after, 5U);
  EXPECT_EQ(store.Events(*ParseFilter("after=99")).next_after, 99U);
}

TEST(Store, ForgetsTheOldestButCountsOn) {
  Store store({3, 1U << 20, /*discard=*/false, {}});
  for (int i = 0; i < 10; ++i) Receive(store, "wk", {std::to_string(i)});
  const Page page = store.Events(*ParseFilter("after=2"));
  EXPECT_THAT(Members(page, "n"), ElementsAre("8", "9", "10"));
  EXPECT_EQ(page.missed, 5U);
  EXPECT_THAT(Members(store.Requests({}), "n"), ElementsAre("8", "9", "10"));
  const json stats = json::parse(store.Stats());
  EXPECT_EQ(stats["total"]["events"], 10);
  EXPECT_EQ(stats["total"]["distinct_message_ids"], 10);
  EXPECT_EQ(stats["events_kept"], 3);
}

TEST(Store, IsBoundedInBytesToo) {
  Store store({1'000'000, 10'000, /*discard=*/false, {}});
  for (int i = 0; i < 1000; ++i) Receive(store, "wk", {std::to_string(i)});
  const json stats = json::parse(store.Stats());
  EXPECT_LT(stats["events_kept"], 30);
  EXPECT_GT(stats["events_kept"], 5);
}

TEST(Store, CountsPerKeyWithABound) {
  Store store(kRoomy);
  Receive(store, "k1", {"a", "b"});
  Receive(store, "k1", {"a"});
  RequestRecord reset = Request("k1");
  reset.status = 0;
  store.Record(std::move(reset), {}, /*taken=*/false);
  for (int i = 0; i < 10'100; ++i) Receive(store, "key-" + std::to_string(i), {});
  const json stats = json::parse(store.Stats());
  const json& key = stats["write_keys"]["k1"];
  EXPECT_EQ(key["requests"], 3);
  EXPECT_EQ(key["requests_by_status"], (json{{"200", 2}, {"no_answer", 1}}));
  EXPECT_EQ(key["accepted"], 2);
  EXPECT_EQ(key["duplicates"], 1);
  EXPECT_EQ(key["distinct_message_ids"], 2);
  EXPECT_EQ(key["accepted_by_type"], (json{{"track", 2}}));
  EXPECT_LE(stats["write_keys"].size(), 10'001U);
  EXPECT_GT(stats["write_keys"]["(others)"]["requests"], 0);
}

TEST(Store, ClearForgetsAllButTheNumbers) {
  Store store(kRoomy);
  Receive(store, "wk", {"a"});
  store.Clear();
  EXPECT_EQ(store.Events({}).lines, "");
  EXPECT_EQ(store.Requests({}).lines, "");
  EXPECT_EQ(json::parse(store.Stats())["total"]["requests"], 0);
  Receive(store, "wk", {"a"});
  EXPECT_THAT(Members(store.Events(*ParseFilter("after=1")), "verdict"), ElementsAre("accepted"));
}

TEST(Store, DiscardKeepsCountersOnly) {
  StoreOptions options = kRoomy;
  options.discard = true;
  Store store(options);
  Reading counted;
  counted.event_count = 100;
  store.Record(Request("wk"), std::move(counted), /*taken=*/true);
  EXPECT_EQ(store.Requests({}).lines, "");
  EXPECT_EQ(json::parse(store.Stats())["total"]["events"], 100);
}

TEST(ParseFilter, ReadsEveryParameter) {
  const auto filter = ParseFilter(
      "write_key=a%20b%2Bc&type=track&verdict=duplicate&message_id=m+1&user_id=&status=503&after=7"
      "&limit=9&&follow=1&wait=20");
  ASSERT_TRUE(filter) << filter.error().message;
  EXPECT_EQ(filter->write_key, "a b+c");
  EXPECT_EQ(filter->type, "track");
  EXPECT_EQ(filter->verdict, "duplicate");
  EXPECT_EQ(filter->message_id, "m 1");
  EXPECT_EQ(filter->status, 503);
  EXPECT_EQ(filter->after, 7U);
  EXPECT_EQ(filter->limit, 9U);
  EXPECT_TRUE(filter->follow);
  EXPECT_EQ(filter->wait_ms, 20U);
  EXPECT_EQ(ParseFilter("writeKey=x")->write_key, "x");
  EXPECT_EQ(PercentDecode("100%&%4"), "100%&%4");
}

TEST(ParseFilter, SaysWhatIsWrong) {
  const struct {
    const char* query;
    const char* message;
  } cases[] = {
      {"key=a", "unknown parameter 'key'; there are write_key"},
      {"after=-1", "'after' must be a whole number; got '-1'"},
      {"after=", "'after' must be a whole number; got ''"},
      {"after", "'after' must be"},
      {"limit=0", "'limit' must be"},
      {"limit=9x", "'limit' must be"},
      {"wait=300001", "'wait' must be a whole number from 0 to 300000"},
      {"follow=yes", "'follow' must be 0 or 1"},
      {"status=1000", "'status' must be"},
  };
  for (const auto& c : cases) {
    const auto filter = ParseFilter(c.query);
    ASSERT_FALSE(filter) << c.query;
    EXPECT_THAT(filter.error().message, HasSubstr(c.message)) << c.query;
  }
}

TEST(RequestRecord, ReadsTheRetryCount) {
  const struct {
    const char* header;
    std::int64_t count;
  } cases[] = {{"", 0}, {"0", 0}, {"3", 3}, {"-1", -1}, {"x", -1}, {"99999999999999999999", -1}};
  for (const auto& c : cases) {
    RequestRecord record;
    record.retry_count_header = c.header;
    EXPECT_EQ(record.retry_count(), c.count) << c.header;
  }
}

}  // namespace
}  // namespace gateway::sandbox

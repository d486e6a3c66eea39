// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/hot_tail.h"

#include <gtest/gtest.h>

#include "tests/unit/queue/texts.h"

namespace gateway::queue {
namespace {

constexpr std::uint64_t kPlenty = 1 << 20;

pipeline::ReadRequest From(pipeline::LogId log, pipeline::Seq chunk, std::uint32_t index = 0) {
  return {.log = log, .from = {chunk, index}, .max_events = 100, .max_bytes = 100000};
}

TEST(HotTail, ServesFromAnyPositionOfTheRun) {
  HotTail tail(kPlenty);
  tail.Insert(1, MakeChunk(1, 10, Numbered(10, 3)));
  tail.Insert(2, MakeChunk(2, 0, {"other"}));
  tail.Insert(1, MakeChunk(1, 13, Numbered(13, 2)));
  for (pipeline::Seq next = 10; next < 15; ++next) {
    pipeline::ReadBatch batch;
    const bool second = next >= 13;
    ASSERT_TRUE(tail.Read(
        From(1, second ? 13 : 10, static_cast<std::uint32_t>(next - (second ? 13 : 10))), batch));
    EXPECT_EQ(Texts(batch), Numbered(next, 15 - next));
  }
}

TEST(HotTail, MissesOutsideTheRun) {
  HotTail tail(kPlenty);
  pipeline::ReadBatch batch;
  EXPECT_FALSE(tail.Read(From(1, 0), batch));
  tail.Insert(1, MakeChunk(1, 10, Numbered(10, 3)));
  EXPECT_FALSE(tail.Read(From(1, 9), batch));
  EXPECT_FALSE(tail.Read(From(1, 13), batch));
  EXPECT_FALSE(tail.Read(From(2, 10), batch));
  EXPECT_TRUE(batch.slices.empty());
}

TEST(HotTail, OldestChunkOfAllLogsGoesFirst) {
  HotTail one(kPlenty);
  one.Insert(1, MakeChunk(1, 0, {std::string(1000, 'a')}));
  HotTail tail(one.bytes() * 2 + 10);
  tail.Insert(1, MakeChunk(1, 0, {std::string(1000, 'a')}));
  tail.Insert(2, MakeChunk(2, 0, {std::string(1000, 'b')}));
  tail.Insert(1, MakeChunk(1, 1, {std::string(1000, 'c')}));
  EXPECT_LE(tail.bytes(), one.bytes() * 2 + 10);
  pipeline::ReadBatch batch;
  EXPECT_FALSE(tail.Read(From(1, 0), batch));
  EXPECT_TRUE(tail.Read(From(2, 0), batch));
  pipeline::ReadBatch second;
  EXPECT_TRUE(tail.Read(From(1, 1), second));
}

TEST(HotTail, KeepsNothingWithoutBudgetOrAboveIt) {
  HotTail none(0);
  none.Insert(1, MakeChunk(1, 0, {"a"}));
  EXPECT_EQ(none.bytes(), 0U);
  HotTail small(500);
  small.Insert(1, MakeChunk(1, 0, {"a"}));
  small.Insert(1, MakeChunk(1, 1, {std::string(1000, 'b')}));
  EXPECT_EQ(small.bytes(), 0U);
  small.Insert(1, MakeChunk(1, 2, {"c"}));
  pipeline::ReadBatch batch;
  EXPECT_FALSE(small.Read(From(1, 1), batch));
  EXPECT_TRUE(small.Read(From(1, 2), batch));
}

TEST(HotTail, SettledChunksAreForgotten) {
  HotTail tail(kPlenty);
  tail.Insert(1, MakeChunk(1, 0, Numbered(0, 3)));
  tail.Insert(2, MakeChunk(2, 0, Numbered(0, 3)));
  tail.Insert(1, MakeChunk(1, 3, Numbered(3, 3)));
  tail.DropSettled(1, 2);  // Inside the first chunk: nothing to drop yet.
  pipeline::ReadBatch batch;
  EXPECT_TRUE(tail.Read(From(1, 0, 2), batch));
  tail.DropSettled(1, 3);
  EXPECT_FALSE(tail.Read(From(1, 0, 2), batch));
  pipeline::ReadBatch rest;
  EXPECT_TRUE(tail.Read(From(1, 3), rest));
  tail.DropSettled(1, 6);
  tail.DropSettled(2, 3);
  tail.DropSettled(3, 100);
  EXPECT_EQ(tail.bytes(), 0U);
}

}  // namespace
}  // namespace gateway::queue

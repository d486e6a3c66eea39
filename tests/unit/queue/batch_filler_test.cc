// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/batch_filler.h"

#include <gtest/gtest.h>

#include "tests/unit/queue/texts.h"

namespace gateway::queue {
namespace {

struct Case {
  const char* name;
  std::uint32_t max_events;
  std::uint64_t max_bytes;
  std::uint32_t from;
  std::vector<std::string> expected;
  std::uint64_t bytes;
  bool more;
};

class BatchFillerLimits : public testing::TestWithParam<Case> {};

TEST_P(BatchFillerLimits, TakesWhatFits) {
  const Case& c = GetParam();
  const auto chunk = MakeChunk(1, 0, {"aa", "bbb", "c"});  // "aa,bbb,c": 8 bytes
  pipeline::ReadBatch batch;
  const bool more = AddToBatch({.log = 1, .max_events = c.max_events, .max_bytes = c.max_bytes},
                               chunk, c.from, batch);
  EXPECT_EQ(Texts(batch), c.expected);
  EXPECT_EQ(batch.events, c.expected.size());
  EXPECT_EQ(batch.bytes, c.bytes);
  EXPECT_EQ(more, c.more);
}

INSTANTIATE_TEST_SUITE_P(
    Table, BatchFillerLimits,
    testing::Values(Case{"all", 10, 100, 0, {"aa", "bbb", "c"}, 8, true},
                    Case{"exact_bytes", 10, 8, 0, {"aa", "bbb", "c"}, 8, true},
                    Case{"one_byte_short", 10, 7, 0, {"aa", "bbb"}, 6, false},
                    Case{"comma_does_not_fit", 10, 5, 0, {"aa"}, 2, false},
                    Case{"first_always_fits", 10, 1, 0, {"aa"}, 2, false},
                    Case{"no_bytes_at_all", 10, 0, 1, {"bbb"}, 3, false},
                    Case{"events", 2, 100, 0, {"aa", "bbb"}, 6, false},
                    Case{"events_to_the_end", 3, 100, 0, {"aa", "bbb", "c"}, 8, false},
                    Case{"from_the_middle", 10, 100, 1, {"bbb", "c"}, 5, true}),
    [](const testing::TestParamInfo<Case>& param) { return param.param.name; });

TEST(BatchFillerChunks, SecondChunkCountsItsComma) {
  const auto a = MakeChunk(1, 0, {"aa"});
  const auto b = MakeChunk(1, 1, {"bb", "cc"});
  pipeline::ReadBatch batch;
  const pipeline::ReadRequest request{.log = 1, .max_events = 10, .max_bytes = 5};
  EXPECT_TRUE(AddToBatch(request, a, 0, batch));
  EXPECT_FALSE(AddToBatch(request, b, 0, batch));
  EXPECT_EQ(Texts(batch), (std::vector<std::string>{"aa", "bb"}));
  EXPECT_EQ(batch.bytes, 5U);
}

TEST(BatchFillerChunks, ChunkThatDoesNotFitLeavesTheBatchAlone) {
  const auto a = MakeChunk(1, 0, {"aa"});
  const auto b = MakeChunk(1, 1, {"bbbb"});
  pipeline::ReadBatch batch;
  const pipeline::ReadRequest request{.log = 1, .max_events = 10, .max_bytes = 5};
  EXPECT_TRUE(AddToBatch(request, a, 0, batch));
  EXPECT_FALSE(AddToBatch(request, b, 0, batch));
  EXPECT_EQ(batch.slices.size(), 1U);
  EXPECT_EQ(batch.bytes, 2U);
}

}  // namespace
}  // namespace gateway::queue

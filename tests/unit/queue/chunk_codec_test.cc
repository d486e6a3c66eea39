// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/chunk_codec.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/unit/queue/texts.h"

namespace gateway::queue {
namespace {

constexpr common::WallTime kTime{std::chrono::milliseconds{1767323045678}};

TEST(ChunkCodec, RoundTripKeepsTextsAndTime) {
  const std::vector<std::string> texts{R"({"a":1})", "", R"({"b":"ü"})"};
  const std::string joined = Block(texts).bytes;
  const EncodedChunk made = Encoded(3, 100, texts, kTime);
  const auto read = DecodeChunk(3, 100, Record(made));
  ASSERT_TRUE(read) << read.error().message;
  for (const pipeline::Chunk* chunk : {made.chunk.get(), read->get()}) {
    EXPECT_EQ(chunk->first, 100U);
    EXPECT_EQ(chunk->end(), 103U);
    EXPECT_EQ(chunk->accepted_at, kTime);
    EXPECT_EQ(chunk->events, joined);
    EXPECT_EQ(chunk->Span(0, 1), R"({"a":1})");
    EXPECT_EQ(chunk->Span(1, 1), "");
    EXPECT_EQ(chunk->Span(1, 2), R"(,{"b":"ü"})");
    EXPECT_EQ(chunk->Span(0, 3), joined);
  }
}

TEST(ChunkCodec, RunsOfSeveralBlocksAreJoined) {
  pipeline::EventBlock a = Block({"a0", "a1"});
  pipeline::EventBlock b = Block({"b0", "b1", "b2"});
  const EventRun runs[] = {WholeRun(a),
                           {.block = &b, .first = 1, .count = 2, .begin = 3, .length = 5}};
  const EncodedChunk made = EncodeChunk(1, 0, kTime, runs);
  EXPECT_EQ(made.chunk->events, "a0,a1,b1,b2");
  EXPECT_EQ(made.chunk->Span(1, 2), "a1,b1");
  const auto read = DecodeChunk(1, 0, Record(made));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ((*read)->ends, made.chunk->ends);
}

TEST(ChunkCodec, AWholeBlockIsTakenAndAPartIsCopied) {
  pipeline::EventBlock block = Block({std::string(100, 'x'), "y"});
  const char* const bytes = block.bytes.data();
  const EventRun part{.block = &block, .first = 1, .count = 1, .begin = 101, .length = 1};
  EXPECT_EQ(EncodeChunk(1, 0, kTime, {&part, 1}).chunk->events, "y");
  const EventRun whole = WholeRun(block);
  EXPECT_EQ(EncodeChunk(1, 0, kTime, {&whole, 1}).chunk->events.data(), bytes);
}

TEST(ChunkCodec, WhatABlockHasReservedIsNotKept) {
  pipeline::EventBlock block = Block({std::string(100, 'x')});
  block.bytes.reserve(1'000'000);
  const EventRun whole = WholeRun(block);
  EXPECT_LT(EncodeChunk(1, 0, kTime, {&whole, 1}).chunk->storage.capacity(), 200U);
}

TEST(ChunkCodec, EveryFlippedBitIsFound) {
  const std::string good = Record(Encoded(1, 5, {"one", "two"}));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    const auto read = DecodeChunk(1, 5, bad);
    ASSERT_FALSE(read) << "bit " << bit;
    EXPECT_EQ(read.error().code, common::ErrorCode::kDataLoss);
  }
}

TEST(ChunkCodec, EveryTruncationIsFound) {
  const std::string good = Record(Encoded(1, 5, {"one", "two"}));
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(DecodeChunk(1, 5, good.substr(0, size))) << size;
  }
  EXPECT_FALSE(DecodeChunk(1, 5, good + "x"));
}

TEST(ChunkCodec, RecordUnderAnotherKeyIsFound) {
  const std::string good = Record(Encoded(1, 5, {"one"}));
  EXPECT_TRUE(DecodeChunk(1, 5, good));
  EXPECT_FALSE(DecodeChunk(1, 6, good));
  EXPECT_FALSE(DecodeChunk(2, 5, good));
}

TEST(ChunkCodec, GuessesTheCountOfADamagedRecordOnlyWhenBelievable) {
  std::string record = Record(Encoded(1, 5, {"one", "two", "three"}));
  record.back() = '?';
  EXPECT_EQ(GuessChunkCount(record), 3U);
  record[7] = '\xff';  // The highest byte of the count.
  EXPECT_EQ(GuessChunkCount(record), 1U);
  EXPECT_EQ(GuessChunkCount("short"), 1U);
}

}  // namespace
}  // namespace gateway::queue

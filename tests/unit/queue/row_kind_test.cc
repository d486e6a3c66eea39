// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/row_kind.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gateway/queue/record_key.h"
#include "gateway/queue/stored_records.h"

namespace gateway::queue {
namespace {

struct Row {
  Family family;
  std::string key;
  std::string value;
};

std::vector<Row> RowOfEach() {
  return {
      {Family::kMeta, std::string(kVersionKey), EncodeNumber(2)},
      {Family::kMeta, std::string(kDeadIdKey), EncodeNumber(77)},
      {Family::kMeta, EncodeMetaKey(kLogPrefix, 1), EncodeLog("acme")},
      {Family::kMeta, EncodeMetaKey(kCursorPrefix, 1), EncodeCursor({.cursor = {5, 1}, .dead = 2})},
      {Family::kMeta, EncodeMetaKey(kIdsPrefix, 1), EncodeIds({.window_ms = 1'000})},
      {Family::kMeta, EncodeMetaKey(kRejectedPrefix, 1), EncodeLetters({.last_id = 9})},
      {Family::kMeta, EncodeMetaKey(kDeadPrefix, 1), EncodeLetters({.last_id = 9})},
      {Family::kMeta, EncodeMetaKey(kTailPrefix, 1), EncodeNumber(12)},
      {Family::kDead, EncodeKey(EntryKey{1, 77}), EncodeDeadLetter({.code = "bad"})},
      {Family::kIds, EncodeKey(IdKey{1, {.high = 3, .low = 4}}), EncodeNumber(1'000)},
      {Family::kQuarantine, EncodeKey(QuarantineKey{1, 5, 7}), ""},
  };
}

TEST(RowKind, EachRecordIsKnownInATableOfItsFamily) {
  for (const Row& row : RowOfEach()) {
    EXPECT_EQ(KindOfRow(row.family, row.key, row.value), row.family);
    EXPECT_EQ(KindOfRow(Family::kQueue, row.key, row.value), std::nullopt);
  }
  const std::string tail = EncodeMetaKey(kTailPrefix, 1);
  EXPECT_EQ(KindOfRow(Family::kRegistry, tail, EncodeNumber(12)), Family::kRegistry);
  EXPECT_EQ(
      KindOfRow(Family::kRejected, EncodeKey(EntryKey{1, 77}), EncodeDeadLetter({.code = "x"})),
      Family::kRejected);
}

TEST(RowKind, WithoutTheFamilyOnlyMetaRecordsAreToldByTheirKeys) {
  for (const Row& row : RowOfEach()) {
    EXPECT_EQ(KindOfRow(std::nullopt, row.key, row.value),
              row.family == Family::kMeta ? std::optional(Family::kMeta) : std::nullopt);
  }
}

TEST(RowKind, WhatIsNoRecordIsNone) {
  EXPECT_EQ(KindOfRow(Family::kMeta, "", EncodeNumber(2)), std::nullopt);
  EXPECT_EQ(KindOfRow(Family::kMeta, "V", "2"), std::nullopt);
  EXPECT_EQ(KindOfRow(Family::kMeta, "Q", EncodeNumber(2)), std::nullopt);
  EXPECT_EQ(KindOfRow(Family::kMeta, EncodeMetaKey('Q', 1), EncodeNumber(2)), std::nullopt);
  EXPECT_EQ(KindOfRow(Family::kMeta, EncodeMetaKey(kCursorPrefix, 1), "\xff"), std::nullopt);
  EXPECT_EQ(KindOfRow(Family::kRegistry, EncodeMetaKey(kLogPrefix, 1), "\xff"), std::nullopt);
  EXPECT_EQ(KindOfRow(Family::kQueue, EncodeKey(EntryKey{1, 0}), "no chunk"), std::nullopt);
  EXPECT_EQ(KindOfRow(Family::kDead, EncodeKey(EntryKey{1, 0}), ""), std::nullopt);
  EXPECT_EQ(KindOfRow(Family::kIds, EncodeKey(IdKey{1, {}}), "1"), std::nullopt);
  EXPECT_EQ(KindOfRow(Family::kQuarantine, EncodeKey(QuarantineKey{1, 7, 7}), ""), std::nullopt);
}

}  // namespace
}  // namespace gateway::queue

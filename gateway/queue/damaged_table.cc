// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/damaged_table.h"

#include <rocksdb/options.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "gateway/queue/rocks_status.h"

namespace gateway::queue {

using common::Result;
using common::Status;

namespace {

constexpr std::size_t kReadAhead = 2 << 20;

rocksdb::Options OptionsFor(rocksdb::Env* env) {
  rocksdb::Options options;
  options.env = env;
  return options;
}

/// A key as a number of so many bytes, the most significant first: what is longer than any key of
/// the store. Shorter keys sort as if they were filled up with zeros.
constexpr std::size_t kNumberBytes = 24;
constexpr std::size_t kNumberBits = kNumberBytes * 8;

std::string ToNumber(std::string_view key) {
  std::string number(key.substr(0, kNumberBytes));
  number.resize(kNumberBytes, '\0');
  return number;
}

/// number + 2^bit; nothing when that is no number of so many bytes any more.
std::optional<std::string> Plus(std::string number, std::size_t bit) {
  unsigned carry = 1U << (bit % 8);
  for (std::size_t i = kNumberBytes - bit / 8; i-- > 0 && carry != 0;) {
    const unsigned sum = static_cast<unsigned char>(number[i]) + carry;
    number[i] = static_cast<char>(sum & 0xFFU);
    carry = sum >> 8U;
  }
  if (carry != 0) return std::nullopt;
  return number;
}

}  // namespace

rocksdb::Status CheckTable(rocksdb::Env* env, const std::string& file) {
  rocksdb::SstFileReader reader(OptionsFor(env));
  rocksdb::Status status = reader.Open(file);
  rocksdb::ReadOptions read;
  read.readahead_size = kReadAhead;
  if (status.ok()) status = reader.VerifyChecksum(read);
  return status;
}

DamagedTable::DamagedTable(std::unique_ptr<rocksdb::SstFileReader> reader)
    : reader_(std::move(reader)) {}

Result<DamagedTable> DamagedTable::Open(rocksdb::Env* env, const std::string& file) {
  DamagedTable table(std::make_unique<rocksdb::SstFileReader>(OptionsFor(env)));
  const rocksdb::Status opened = table.reader_->Open(file);
  if (!opened.ok()) return tl::unexpected(ToError(opened, "open the table " + file));
  const auto properties = table.reader_->GetTableProperties();
  table.family_ = properties->column_family_name;
  table.entries_ = properties->num_entries;
  return table;
}

std::unique_ptr<rocksdb::Iterator> DamagedTable::Seek(std::string_view key) const {
  std::unique_ptr<rocksdb::Iterator> it(reader_->NewIterator(rocksdb::ReadOptions()));
  it->Seek(key);
  return it;
}

bool DamagedTable::ReadableFrom(std::string_view key) const { return Seek(key)->status().ok(); }

/// The keys of the blocks are not known, so the way leads through the keys that there could be:
/// in growing steps up to one that can be read, then back by halves. So the first readable block
/// is found also where another damaged one follows soon.
std::optional<std::string> DamagedTable::SkipUnreadable(std::string_view from) const {
  const std::string start = ToNumber(from);
  std::string bad = start;
  std::optional<std::string> good;
  std::size_t bit = 0;
  for (; bit < kNumberBits && !good; ++bit) {
    std::optional<std::string> next = Plus(start, bit);
    if (!next) return std::nullopt;
    if (ReadableFrom(*next)) {
      good = std::move(next);
    } else {
      bad = std::move(*next);
    }
  }
  if (!good) return std::nullopt;
  // `bad` is `start` plus half of what `good` is: each lower bit halves what lies between.
  for (std::size_t low = bit - 1; low-- > 0;) {
    std::string middle = Plus(bad, low).value_or(*good);
    if (middle >= *good) continue;
    if (ReadableFrom(middle)) {
      good = std::move(middle);
    } else {
      bad = std::move(middle);
    }
  }
  // A shorter key of the same number sorts before it.
  for (std::size_t size = 1; size < kNumberBytes; ++size) {
    if (good->find_first_not_of('\0', size) != std::string::npos) continue;
    std::string shorter = good->substr(0, size);
    if (shorter > from && ReadableFrom(shorter)) return shorter;
  }
  return good;
}

Result<bool> DamagedTable::ForEachRow(
    const std::function<Status(std::string_view, std::string_view)>& visit) const {
  std::string from;
  for (bool whole = true;; whole = false) {
    const std::unique_ptr<rocksdb::Iterator> it = Seek(from);
    for (; it->Valid(); it->Next()) {
      from = it->key().ToString();
      if (Status visited = visit(from, it->value().ToStringView()); !visited) {
        return tl::unexpected(std::move(visited.error()));
      }
      from += '\0';  // The next key that there could be.
    }
    if (it->status().ok()) return whole;
    std::optional<std::string> next = SkipUnreadable(from);
    if (!next) return false;
    from = std::move(*next);
  }
}

}  // namespace gateway::queue

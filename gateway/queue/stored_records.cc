// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/stored_records.h"

#include <chrono>
#include <climits>

#include "common/bytes.h"
#include "proto/stored.pb.h"

namespace gateway::queue {

using common::ErrorCode;
using common::Fail;
using common::Result;

namespace {

std::int64_t ToMillis(common::WallTime time) { return time.time_since_epoch().count(); }
common::WallTime FromMillis(std::int64_t ms) {
  return common::WallTime(std::chrono::milliseconds(ms));
}

template <typename Message>
bool Parse(Message& message, std::string_view bytes) {
  return bytes.size() <= INT_MAX &&
         message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

/// A number that this release does not know holds the log: the events stay.
pipeline::HoldReason ToHoldReason(std::uint32_t stored) {
  switch (stored) {
    case 0:
      return pipeline::HoldReason::kNone;
    case 1:
      return pipeline::HoldReason::kWriteKeyRefused;
    default:
      return pipeline::HoldReason::kEndpointWrong;
    case 3:
      return pipeline::HoldReason::kEventsRefused;
  }
}

}  // namespace

std::string EncodeLog(std::string_view tenant) {
  stored::Log message;
  message.set_tenant(std::string(tenant));
  return message.SerializeAsString();
}

Result<std::string> DecodeLog(std::string_view bytes) {
  stored::Log message;
  if (!Parse(message, bytes)) return Fail(ErrorCode::kDataLoss, "log record is not readable");
  return std::move(*message.mutable_tenant());
}

std::string EncodeCursor(const CursorRecord& record) {
  stored::Cursor message;
  message.set_chunk(record.cursor.chunk);
  message.set_index(record.cursor.index);
  message.set_dead(record.dead);
  message.set_attempts(record.retry.attempts);
  message.set_first_attempt_ms(ToMillis(record.retry.first_attempt));
  message.set_not_before_ms(ToMillis(record.retry.not_before));
  message.set_hold(static_cast<std::uint32_t>(record.retry.hold));
  message.set_refused_in_a_row(record.retry.refused_in_a_row);
  return message.SerializeAsString();
}

Result<CursorRecord> DecodeCursor(std::string_view bytes) {
  stored::Cursor message;
  if (!Parse(message, bytes)) return Fail(ErrorCode::kDataLoss, "cursor record is not readable");
  CursorRecord record;
  record.cursor = {.chunk = message.chunk(), .index = message.index()};
  record.dead = message.dead();
  record.retry.attempts = message.attempts();
  record.retry.first_attempt = FromMillis(message.first_attempt_ms());
  record.retry.not_before = FromMillis(message.not_before_ms());
  record.retry.hold = ToHoldReason(message.hold());
  record.retry.refused_in_a_row = message.refused_in_a_row();
  return record;
}

std::string EncodeDeadLetter(const pipeline::DeadLetter& letter) {
  stored::DeadLetter message;
  message.set_stage(letter.stage == pipeline::DeadLetterStage::kIngest
                        ? stored::DeadLetter::INGEST
                        : stored::DeadLetter::DELIVERY);
  message.set_code(letter.code);
  message.set_message(letter.message);
  message.set_event(letter.event);
  message.set_http_status(letter.http_status);
  message.set_attempts(letter.attempts);
  message.set_accepted_at_ms(ToMillis(letter.accepted_at));
  message.set_dead_at_ms(ToMillis(letter.dead_at));
  return message.SerializeAsString();
}

Result<pipeline::DeadLetter> DecodeDeadLetter(std::string_view bytes) {
  stored::DeadLetter message;
  if (!Parse(message, bytes)) return Fail(ErrorCode::kDataLoss, "dead letter is not readable");
  pipeline::DeadLetter letter;
  letter.stage = message.stage() == stored::DeadLetter::INGEST
                     ? pipeline::DeadLetterStage::kIngest
                     : pipeline::DeadLetterStage::kDelivery;
  letter.code = std::move(*message.mutable_code());
  letter.message = std::move(*message.mutable_message());
  letter.event = std::move(*message.mutable_event());
  letter.http_status = message.http_status();
  letter.attempts = message.attempts();
  letter.accepted_at = FromMillis(message.accepted_at_ms());
  letter.dead_at = FromMillis(message.dead_at_ms());
  return letter;
}

std::string EncodeLetters(const LetterRecord& record) {
  stored::Letters message;
  for (const LetterSegment& segment : record.segments) {
    stored::Letters::Segment& stored = *message.add_segments();
    stored.set_first_id(segment.first_id);
    stored.set_bytes(segment.bytes);
    stored.set_count(segment.count);
  }
  message.set_last_id(record.last_id);
  message.set_evicted(record.evicted);
  return message.SerializeAsString();
}

Result<LetterRecord> DecodeLetters(std::string_view bytes) {
  stored::Letters message;
  if (!Parse(message, bytes)) {
    return Fail(ErrorCode::kDataLoss, "the record of a log's letters is not readable");
  }
  LetterRecord record;
  record.last_id = message.last_id();
  record.evicted = message.evicted();
  record.segments.reserve(static_cast<std::size_t>(message.segments_size()));
  for (const stored::Letters::Segment& segment : message.segments()) {
    record.segments.push_back(
        {.first_id = segment.first_id(), .bytes = segment.bytes(), .count = segment.count()});
  }
  // A record of an older release does not say; the last letter is not before its segment.
  if (record.last_id == 0 && !record.segments.empty()) {
    record.last_id = record.segments.back().first_id;
  }
  return record;
}

std::string EncodeIds(const IdMemory& memory) {
  stored::Ids message;
  message.set_window_ms(memory.window_ms);
  message.set_forget_before_ms(memory.forget_before_ms);
  for (const IdBucket& bucket : memory.buckets) {
    stored::Ids::Bucket& stored = *message.add_buckets();
    stored.set_start_ms(bucket.start_ms);
    stored.set_count(bucket.count);
  }
  return message.SerializeAsString();
}

Result<IdMemory> DecodeIds(std::string_view bytes) {
  stored::Ids message;
  if (!Parse(message, bytes)) {
    return Fail(ErrorCode::kDataLoss, "the record of a log's remembered ids is not readable");
  }
  IdMemory memory{.window_ms = message.window_ms(),
                  .forget_before_ms = message.forget_before_ms(),
                  .buckets = {}};
  memory.buckets.reserve(static_cast<std::size_t>(message.buckets_size()));
  for (const stored::Ids::Bucket& bucket : message.buckets()) {
    memory.buckets.push_back({.start_ms = bucket.start_ms(), .count = bucket.count()});
  }
  return memory;
}

std::string EncodeNumber(std::uint64_t number) {
  std::string bytes;
  common::AppendLittleEndian(bytes, number);
  return bytes;
}

Result<std::uint64_t> DecodeNumber(std::string_view bytes) {
  if (bytes.size() != sizeof(std::uint64_t)) {
    return Fail(ErrorCode::kDataLoss, "number record has a wrong length");
  }
  return common::ReadLittleEndian<std::uint64_t>(&bytes[0]);
}

}  // namespace gateway::queue

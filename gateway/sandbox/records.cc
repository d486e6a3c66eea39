// SPDX-License-Identifier: Apache-2.0
#include "gateway/sandbox/records.h"

#include <fmt/format.h>

#include <charconv>

#include "common/strings.h"

namespace gateway::sandbox {
namespace {

using common::ErrorCode;
using common::Fail;
using common::Result;
using common::Status;

constexpr std::uint64_t kMaxWaitMs = 300'000;

/// Writes one flat JSON object member by member.
class LineWriter {
 public:
  explicit LineWriter(std::string& out) : out_(out) { out_ += '{'; }
  ~LineWriter() { out_ += "}\n"; }
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  LineWriter& Text(std::string_view name, std::string_view value) {
    Name(name);
    common::AppendJsonString(out_, value);
    return *this;
  }
  LineWriter& TextOrNull(std::string_view name, std::string_view value) {
    return value.empty() ? Raw(name, "null") : Text(name, value);
  }
  template <typename Integer>
  LineWriter& Number(std::string_view name, Integer value) {
    return Raw(name, std::to_string(value));
  }
  LineWriter& Time(std::string_view name, const std::optional<common::WallTime>& value) {
    return value ? Text(name, common::FormatTimestamp(*value)) : Raw(name, "null");
  }
  LineWriter& Millis(std::string_view name, common::WallTime value) {
    return Number(name, value.time_since_epoch().count());
  }
  LineWriter& List(std::string_view name, const std::vector<std::string>& values) {
    Name(name);
    out_ += '[';
    for (const std::string& value : values) {
      if (out_.back() != '[') out_ += ',';
      common::AppendJsonString(out_, value);
    }
    out_ += ']';
    return *this;
  }
  LineWriter& Raw(std::string_view name, std::string_view json) {
    Name(name);
    out_ += json;
    return *this;
  }

 private:
  void Name(std::string_view name) {
    if (out_.back() != '{') out_ += ',';
    common::AppendJsonString(out_, name);
    out_ += ':';
  }
  std::string& out_;
};

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool ParseNumber(std::string_view text, std::uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

Status ReadNumber(std::string_view name, std::string_view text, std::uint64_t min,
                  std::uint64_t max, std::uint64_t& out) {
  if (ParseNumber(text, out) && out >= min && out <= max) return common::Ok();
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("'{}' must be a whole number{}; got '{}'", name,
                          max == UINT64_MAX ? "" : fmt::format(" from {} to {}", min, max), text));
}

Status ReadParameter(std::string_view name, const std::string& value, Filter& filter) {
  if (name == "write_key" || name == "writeKey") {
    filter.write_key = value;
  } else if (name == "type") {
    filter.type = value;
  } else if (name == "verdict") {
    filter.verdict = value;
  } else if (name == "message_id") {
    filter.message_id = value;
  } else if (name == "user_id") {
    filter.user_id = value;
  } else if (name == "status") {
    std::uint64_t status = 0;
    if (const Status read = ReadNumber(name, value, 0, 599, status); !read) return read;
    filter.status = static_cast<int>(status);
  } else if (name == "after") {
    return ReadNumber(name, value, 0, UINT64_MAX, filter.after);
  } else if (name == "limit") {
    return ReadNumber(name, value, 1, UINT64_MAX, filter.limit);
  } else if (name == "wait") {
    return ReadNumber(name, value, 0, kMaxWaitMs, filter.wait_ms);
  } else if (name == "follow") {
    if (value != "0" && value != "1") {
      return Fail(ErrorCode::kInvalidArgument, "'follow' must be 0 or 1");
    }
    filter.follow = value == "1";
  } else {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("unknown parameter '{}'; there are write_key, type, verdict, "
                            "message_id, user_id, status, after, limit, follow, wait",
                            name));
  }
  return common::Ok();
}

}  // namespace

std::int64_t RequestRecord::retry_count() const {
  std::uint64_t value = 0;
  if (retry_count_header.empty()) return 0;
  if (!ParseNumber(retry_count_header, value) || value > INT64_MAX) return -1;
  return static_cast<std::int64_t>(value);
}

void AppendLine(std::string& out, const EventRecord& record) {
  LineWriter line(out);
  line.Number("n", record.n)
      .Number("request", record.request)
      .Time("received_at", record.received_at)
      .Millis("received_at_ms", record.received_at)
      .Text("write_key", record.write_key)
      .Text("path", record.path)
      .Text("type", record.type)
      .Number("retry_count", record.retry_count)
      .TextOrNull("sent_at", record.sent_at.value_or(""))
      .Time("timestamp", record.timestamp)
      .Text("verdict", VerdictName(record.verdict));
  if (record.verdict != Verdict::kAccepted) line.Text("why", VerdictHelp(record.verdict));
  line.Raw("event", record.raw);
}

void AppendLine(std::string& out, const RequestRecord& record) {
  LineWriter(out)
      .Number("n", record.n)
      .Time("received_at", record.received_at)
      .Millis("received_at_ms", record.received_at)
      .Text("method", record.method)
      .Text("path", record.path)
      .Number("status", record.status)
      .TextOrNull("message", record.message)
      .TextOrNull("fault", record.fault)
      .Text("write_key", record.write_key)
      .Text("auth", record.auth)
      .TextOrNull("user_agent", record.user_agent)
      .TextOrNull("content_type", record.content_type)
      .TextOrNull("content_encoding", record.content_encoding)
      .Number("retry_count", record.retry_count())
      .TextOrNull("sent_at", record.sent_at.value_or(""))
      .Number("bytes", record.bytes)
      .TextOrNull("batch_code", record.batch_code)
      .Number("events", record.events)
      .Number("accepted", record.accepted)
      .Number("duplicates", record.duplicates)
      .Number("dropped", record.dropped)
      .List("message_ids", record.message_ids);
}

bool Filter::Matches(const EventRecord& record) const {
  return (write_key.empty() || record.write_key == write_key) &&
         (type.empty() || record.type == type) &&
         (verdict.empty() || VerdictName(record.verdict) == verdict) &&
         (message_id.empty() || record.message_id == message_id) &&
         (user_id.empty() || record.user_id == user_id);
}

bool Filter::Matches(const RequestRecord& record) const {
  return (write_key.empty() || record.write_key == write_key) &&
         (!status || record.status == *status);
}

std::string PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      out += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

Result<Filter> ParseFilter(std::string_view query) {
  Filter filter;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string value = PercentDecode(pair.substr(std::min(equals + 1, pair.size())));
    if (const Status read = ReadParameter(PercentDecode(pair.substr(0, equals)), value, filter);
        !read) {
      return tl::unexpected(read.error());
    }
  }
  return filter;
}

}  // namespace gateway::sandbox

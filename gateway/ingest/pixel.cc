// SPDX-License-Identifier: Apache-2.0
#include "gateway/ingest/pixel.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "common/strings.h"
#include "gateway/ingest/query.h"

namespace gateway::ingest {
namespace {

using Json = nlohmann::json;

// GIF89a, one transparent pixel.
constexpr unsigned char kPicture[] = {
    0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 0x01, 0x00, 0x01, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x21, 0xf9, 0x04, 0x01, 0x00, 0x00, 0x00, 0x00, 0x2c, 0x00, 0x00,
    0x00, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x02, 0x02, 0x44, 0x01, 0x00, 0x3b};

// Far beyond any real event; keeps the tree of a hostile query small.
constexpr std::size_t kMaxNesting = 16;

std::optional<std::string> DecodeData(std::string text) {
  for (char& c : text) {
    if (c == '-') c = '+';
    if (c == '_') c = '/';
    if (c == ' ') c = '+';  // A '+' that nobody encoded.
  }
  return common::Base64Decode(text);
}

/// False when the name is nested too deep.
bool Put(Json& event, std::string_view name, std::string value) {
  Json* at = &event;
  for (std::size_t depth = 0; depth < kMaxNesting; ++depth) {
    const std::size_t dot = name.find('.');
    if (!at->is_object()) *at = Json::object();
    at = &(*at)[std::string(name.substr(0, dot))];
    if (dot == std::string_view::npos) {
      *at = std::move(value);
      return true;
    }
    name.remove_prefix(dot + 1);
  }
  return false;
}

}  // namespace

common::Result<std::string> PixelEvent(std::string_view query) {
  using common::ErrorCode;
  using common::Fail;
  auto pairs = ParseQuery(query);
  const auto data = std::ranges::find(pairs, "data", &std::pair<std::string, std::string>::first);
  if (data != pairs.end()) {
    std::optional<std::string> event = DecodeData(std::move(data->second));
    if (!event) return Fail(ErrorCode::kInvalidArgument, "`data` is not base64");
    return *std::move(event);
  }
  Json event = Json::object();
  for (auto& [name, value] : pairs) {
    if (!Put(event, name, std::move(value))) {
      return Fail(ErrorCode::kInvalidArgument, "a parameter's name is nested too deep");
    }
  }
  return event.dump(-1, ' ', false, Json::error_handler_t::replace);
}

common::net::Response PixelPicture() {
  common::net::Response response;
  response.content_type = "image/gif";
  response.body.assign(reinterpret_cast<const char*>(kPicture), sizeof(kPicture));
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

}  // namespace gateway::ingest

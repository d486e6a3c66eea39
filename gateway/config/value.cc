// SPDX-License-Identifier: Apache-2.0
#include "gateway/config/value.h"

#include <fmt/format.h>

#include <cstddef>
#include <type_traits>
#include <vector>

#include "common/net/client_address.h"
#include "common/strings.h"
#include "gateway/config/scalar.h"

namespace gateway::config {
namespace {

using MaybeProblem = std::optional<std::string>;

/// Stores what `parse` makes of the text when it lies between the bounds, which are
/// written in the same notation.
template <typename T, typename Parse>
MaybeProblem AssignInRange(const Type& type, std::string_view text, Parse parse,
                           std::string_view what, T& out) {
  const auto value = parse(text);
  if (!value) return fmt::format("is not {}", what);
  const bool is_zero = type.or_zero && *value == std::remove_cvref_t<decltype(*value)>{};
  if (!is_zero && (*value < *parse(type.min) || *value > *parse(type.max))) {
    return "is out of range";
  }
  out = static_cast<T>(*value);
  return std::nullopt;
}

MaybeProblem AssignTo(const Type&, std::string_view text, bool& out) {
  if (text != "true" && text != "false") return "is neither true nor false";
  out = text == "true";
  return std::nullopt;
}

MaybeProblem AssignTo(const Type& type, std::string_view text, std::uint32_t& out) {
  return AssignInRange(type, text, ParseCount, "a whole number", out);
}

MaybeProblem AssignTo(const Type& type, std::string_view text, std::uint64_t& out) {
  return AssignInRange(type, text, ParseSize, "a size such as 475000, 512KiB or 64MiB", out);
}

MaybeProblem AssignTo(const Type& type, std::string_view text, double& out) {
  return AssignInRange(type, text, ParseRatio, "a number", out);
}

MaybeProblem AssignTo(const Type& type, std::string_view text, common::Duration& out) {
  return AssignInRange(type, text, ParseDuration, "a duration such as 250ms, 5s or 1h", out);
}

MaybeProblem AssignTo(const Type&, std::string_view text, ListenAddress& out) {
  const std::optional<ListenAddress> address = ParseListen(text);
  if (!address) return "is not an address with a port";
  out = *address;
  return std::nullopt;
}

MaybeProblem AssignTo(const Type&, std::string_view text, pipeline::Endpoint& out) {
  common::Result<pipeline::Endpoint> endpoint = pipeline::ParseEndpoint(text);
  if (endpoint) {
    out = *std::move(endpoint);
    return std::nullopt;
  }
  // The caller shows the text, or not; so only the reason is taken from the message.
  std::string_view reason = endpoint.error().message;
  const std::string quoted = fmt::format("'{}' ", text);
  if (reason.starts_with(quoted)) reason.remove_prefix(quoted.size());
  return std::string(reason);
}

MaybeProblem AssignTo(const Type& type, std::string_view text, std::string& out) {
  if (type.kind == Kind::kName && !IsName(text)) return "is not a valid name";
  if (type.kind == Kind::kPath && text.find('\0') != std::string_view::npos) {
    return "holds a zero byte";
  }
  if (type.kind == Kind::kNetworkList && !common::net::ParseNetwork(text)) {
    return "is not an address or network";
  }
  if (type.kind == Kind::kOriginList && !IsOrigin(text)) return "is not an origin";
  out = text;
  return std::nullopt;
}

MaybeProblem AssignTo(const Type& type, std::string_view text, common::Secret& out) {
  if (type.kind == Kind::kMasterKey) {
    const std::optional<std::string> bytes = common::Base64Decode(text);
    if (!bytes) return "is not base64";
    if (bytes->size() != 32) return fmt::format("holds {} bytes", bytes->size());
  } else if (!IsKey(text)) {
    return "is not a valid key";
  }
  out = common::Secret(std::string(text));
  return std::nullopt;
}

template <typename E>
  requires std::is_enum_v<E>
MaybeProblem AssignTo(const Type&, std::string_view text, E& out) {
  for (const EnumName<E>& entry : NamesOf(&out)) {
    if (entry.name == text) {
      out = entry.value;
      return std::nullopt;
    }
  }
  return "is not one of the names";
}

template <typename T>
concept Scalar =
    requires(const Type& type, std::string_view text, T& out) { AssignTo(type, text, out); };

std::string RenderOf(bool value) { return value ? "true" : "false"; }
std::string RenderOf(std::uint32_t value) { return std::to_string(value); }
std::string RenderOf(std::uint64_t value) { return FormatSize(value); }
std::string RenderOf(double value) { return fmt::format("{}", value); }
std::string RenderOf(common::Duration value) { return FormatDuration(value); }
std::string RenderOf(const std::string& value) { return value; }
std::string RenderOf(const common::Secret&) { return "***"; }
std::string RenderOf(const ListenAddress& value) { return FormatListen(value); }
std::string RenderOf(const pipeline::Endpoint& value) { return FormatEndpoint(value); }
template <typename E>
  requires std::is_enum_v<E>
std::string RenderOf(E value) {
  for (const EnumName<E>& entry : NamesOf(&value)) {
    if (entry.value == value) return std::string(entry.name);
  }
  return {};
}

template <typename E>
std::string JoinNames(std::span<const EnumName<E>> names) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? " or " : ", ";
    out += names[i].name;
  }
  return out;
}

std::string ChoiceNames(const Target& target) {
  return std::visit(
      [](const auto* value) -> std::string {
        if constexpr (std::is_enum_v<std::remove_cvref_t<decltype(*value)>>) {
          return JoinNames(NamesOf(value));
        } else {
          return {};
        }
      },
      target);
}

}  // namespace

std::optional<std::string> Assign(const Type& type, const Target& target, std::string_view text) {
  if (text.empty()) return "is empty";
  return std::visit(
      [&](auto* value) -> MaybeProblem {
        if constexpr (Scalar<std::remove_reference_t<decltype(*value)>>) {
          return AssignTo(type, text, *value);
        } else {
          return "is not a single value";
        }
      },
      target);
}

std::string Allowed(const Type& type, const Target& target) {
  switch (type.kind) {
    case Kind::kBool:
      return "true or false";
    case Kind::kCount:
    case Kind::kSize:
    case Kind::kRatio:
    case Kind::kDuration:
      return fmt::format("{}{} to {}", type.or_zero ? "0 or " : "", type.min, type.max);
    case Kind::kListen:
      return "address:port, [ipv6]:port or :port";
    case Kind::kUrl:
      return "https://host[:port][/path]";
    case Kind::kPath:
      return "a path";
    case Kind::kName:
      return "1 to 128 of A-Z a-z 0-9 . _ -";
    case Kind::kKey:
      return "1 to 256 visible ASCII characters without ':'";
    case Kind::kMasterKey:
      return "base64 of 32 bytes";
    case Kind::kChoice:
      return ChoiceNames(target);
    case Kind::kNetworkList:
      return "a list of addresses or networks, [10.0.0.0/8, 192.0.2.1]";
    case Kind::kOriginList:
      return "a list of origins, [https://app.example.com], or [\"*\"]";
    case Kind::kUrlMap:
      return "a mapping of names to https://host[:port][/path]";
    case Kind::kTable:
      return "a list of mappings";
  }
  return {};
}

std::string Render(const Target& target) {
  return std::visit(
      [](const auto* value) -> std::string {
        if constexpr (requires { RenderOf(*value); }) {
          return RenderOf(*value);
        } else {
          return {};
        }
      },
      target);
}

}  // namespace gateway::config

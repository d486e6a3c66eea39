// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gateway/config/config.h"

/// The one declaration of the configuration. Each row of a table in schema.cc says where a
/// key stands, what type and range it has, its default and its meaning; the loader, the
/// defaults, `check-config` and docs/configuration.md all read these rows.
namespace gateway::config {

enum class Kind {
  kBool,
  kCount,  ///< Whole number.
  kSize,   ///< Bytes.
  kRatio,  ///< Decimal number.
  kDuration,
  kListen,       ///< Address and port to listen on.
  kUrl,          ///< Base URL of a Tracking API.
  kPath,         ///< Of a file or directory.
  kName,         ///< Identifier.
  kKey,          ///< Secret: ingest key, write key, service key, token.
  kMasterKey,    ///< Secret: base64 of 32 bytes.
  kChoice,       ///< One of the names of an enumeration.
  kNetworkList,  ///< List of addresses or CIDR networks.
  kOriginList,   ///< List of web origins, or of "*".
  kUrlMap,       ///< Free name -> kUrl.
  kTable,        ///< List of mappings with a table of their own.
};

struct Type {
  Kind kind;
  /// Bounds, both inclusive, written as the value itself would be; for kCount, kSize,
  /// kRatio and kDuration.
  std::string_view min = {};
  std::string_view max = {};
  bool or_zero = false;  ///< 0 too: it stands for something else.
};

/// Where a value goes.
using Target =
    std::variant<bool*, std::uint32_t*, std::uint64_t*, double*, common::Duration*, std::string*,
                 common::Secret*, ListenAddress*, pipeline::Endpoint*, Role*, common::log::Level*,
                 common::log::Format*, pipeline::MessageIds*, pipeline::UnknownTenant*,
                 std::vector<std::string>*, std::map<std::string, pipeline::Endpoint>*,
                 std::vector<AdminToken>*, std::vector<IngestKey>*, std::vector<Tenant>*,
                 std::vector<ServiceKey>*>;

/// Instead of a default: the key must be there.
inline constexpr std::string_view kRequired = "(required)";
/// Instead of a default: the value is empty unless the key is there.
inline constexpr std::string_view kUnset = "";

struct Field {
  std::string_view path;       ///< Dotted, below the object that the table describes.
  Target (*at)(void* object);  ///< The value inside that object.
  Type type;
  std::string_view fallback;  ///< YAML text of the default, kRequired or kUnset.
  std::string_view help;      ///< Markdown.
};

using Fields = std::span<const Field>;

/// The rows that describe a T: Config, AdminToken, IngestKey, Tenant or ServiceKey.
template <typename T>
Fields FieldsOf();
template <>
Fields FieldsOf<Config>();
template <>
Fields FieldsOf<AdminToken>();
template <>
Fields FieldsOf<IngestKey>();
template <>
Fields FieldsOf<Tenant>();
template <>
Fields FieldsOf<ServiceKey>();

/// One top-level key and what it is about.
struct Section {
  std::string_view name;
  std::string_view help;
};
std::span<const Section> Sections();

/// The row that a list entry stands for when it is a single value and not a mapping; empty
/// for objects that have no such short form.
template <typename T>
inline constexpr std::string_view kShortForm = "";
template <>
inline constexpr std::string_view kShortForm<IngestKey> = "key";

/// The element type of the map that holds plain values.
inline constexpr Type kUrlElement{Kind::kUrl};

template <typename E>
struct EnumName {
  std::string_view name;
  E value;
};
/// The names of an enumeration, as the file writes them.
std::span<const EnumName<Role>> NamesOf(const Role*);
std::span<const EnumName<common::log::Level>> NamesOf(const common::log::Level*);
std::span<const EnumName<common::log::Format>> NamesOf(const common::log::Format*);
std::span<const EnumName<pipeline::MessageIds>> NamesOf(const pipeline::MessageIds*);
std::span<const EnumName<pipeline::UnknownTenant>> NamesOf(const pipeline::UnknownTenant*);

inline bool IsSecret(Kind kind) { return kind == Kind::kKey || kind == Kind::kMasterKey; }

/// Makes a visitor out of lambdas.
template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <typename... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

}  // namespace gateway::config

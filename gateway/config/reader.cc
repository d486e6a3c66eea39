// SPDX-License-Identifier: Apache-2.0
#include "gateway/config/reader.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "common/strings.h"
#include "gateway/config/expand.h"
#include "gateway/config/suggest.h"
#include "gateway/config/value.h"

namespace gateway::config {
namespace {

Position PositionOf(const YAML::Mark& mark) {
  return mark.is_null() ? Position{} : Position{mark.line + 1, mark.column + 1};
}

std::string_view ShapeOf(const YAML::Node& node) {
  if (node.IsMap()) return "is a mapping";
  if (node.IsSequence()) return "is a list";
  return node.IsNull() ? "has no value" : "is a single value";
}

/// `text` for a message: one line, not too long.
std::string Printable(std::string_view text) {
  std::string out(common::Truncate(text, 64));
  if (out.size() < text.size()) out += "…";
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  return out;
}

/// How a message speaks of a value: never by a secret or by what came out of ${...}.
std::string Shown(const Type& type, std::string_view raw) {
  if (IsSecret(type.kind)) return "the value";
  if (HasReference(raw)) return fmt::format("the value of '{}'", Printable(raw));
  const bool credentials = type.kind == Kind::kUrl && raw.find('@') != std::string_view::npos;
  return credentials ? "the URL" : fmt::format("'{}'", Printable(raw));
}

/// The quoted scalar that starts at `begin` runs to the end of the text without its closing
/// quote. The YAML parser takes such a scalar as it is, and every key after it with it.
bool IsUnclosedQuote(std::string_view text, std::size_t begin) {
  if (begin >= text.size()) return false;
  const char quote = text[begin];
  if (quote != '\'' && quote != '"') return false;
  for (std::size_t i = begin + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      const bool doubled = quote == '\'' && i + 1 < text.size() && text[i + 1] == quote;
      if (!doubled) return false;
      ++i;
    }
  }
  return true;
}

/// Walks one document along the tables. A value that is wrong keeps its default, so that
/// the walk goes on and finds everything at once.
class Reader {
 public:
  Reader(std::string_view text, const EnvLookup& env, Findings& findings)
      : text_(text), env_(env), findings_(findings) {}

  template <typename T>
  void ReadObject(const YAML::Node& node, const std::string& where, T& object) {
    const Scope scope{where, FieldsOf<T>(), &object};
    for (const Field& field : scope.fields) ApplyDefault(scope, field);
    if (node.IsMap()) {
      ReadMapping(node, scope, "");
    } else if (!(node.IsNull() && where.empty())) {
      findings_.Error(where, PositionOf(node.Mark()),
                      fmt::format("{}; allowed: a mapping with {}", ShapeOf(node),
                                  KeysBelow(scope.fields, "")));
      return;
    }
    for (const Field& field : scope.fields) {
      const std::string path = FullPath(scope, field.path);
      if (field.fallback == kRequired && !findings_.Has(path)) {
        findings_.Error(path, fmt::format("is missing; allowed: {}",
                                          Allowed(field.type, field.at(scope.object))));
      }
    }
  }

 private:
  /// One object being filled.
  struct Scope {
    const std::string& where;  ///< Its full path; empty for the root.
    Fields fields;
    void* object;
  };

  static std::string FullPath(const Scope& scope, std::string_view path) {
    return scope.where.empty() ? std::string(path) : fmt::format("{}.{}", scope.where, path);
  }

  void ApplyDefault(const Scope& scope, const Field& field) {
    if (field.fallback == kRequired || field.fallback == kUnset) return;
    // With findings of its own: a default has no place in the file.
    Findings none;
    Reader(field.fallback, env_, none)
        .ReadTarget(YAML::Load(std::string(field.fallback)), {}, field.type, field.at(scope.object),
                    FullPath(scope, field.path));
    for (const Problem& problem : none.errors) findings_.Error(problem.path, {}, problem.message);
  }

  /// The keys below `prefix`, which is "" or ends with a dot.
  void ReadMapping(const YAML::Node& node, const Scope& scope, const std::string& prefix) {
    std::map<std::string, int> seen;
    for (const auto& entry : node) {
      const Position position = PositionOf(entry.first.Mark());
      if (!entry.first.IsScalar()) {
        findings_.Error(FullPath(scope, prefix), position, "a key must be a single word");
        continue;
      }
      const std::string key = entry.first.Scalar();
      const std::string path = FullPath(scope, prefix + Printable(key));
      if (!IsFirst(seen, key, position, path)) continue;
      if (!ReadEntry(entry.second, position, scope, prefix, key, path)) {
        findings_.Error(path, position, UnknownKey(scope.fields, prefix, key));
      }
    }
  }

  /// False when no row knows the key.
  bool ReadEntry(const YAML::Node& value, Position key_position, const Scope& scope,
                 const std::string& prefix, const std::string& key, const std::string& path) {
    // "ingest.listen" as one word is no key: each part has a level of its own.
    if (key.find('.') != std::string::npos) return false;
    const std::string below = prefix + key + ".";
    for (const Field& field : scope.fields) {
      if (field.path == prefix + key) {
        // The mark of a missing value is of no use.
        const Position position = value.IsNull() ? key_position : PositionOf(value.Mark());
        findings_.positions[path] = position;
        ReadTarget(value, position, field.type, field.at(scope.object), path);
        return true;
      }
      if (field.path.starts_with(below)) {
        findings_.positions[path] = key_position;
        if (value.IsMap()) {
          ReadMapping(value, scope, below);
        } else if (!value.IsNull()) {
          findings_.Error(path, PositionOf(value.Mark()),
                          fmt::format("{}; allowed: a mapping with {}", ShapeOf(value),
                                      KeysBelow(scope.fields, below)));
        }
        return true;
      }
    }
    return false;
  }

  bool IsFirst(std::map<std::string, int>& seen, const std::string& key, Position position,
               const std::string& path) {
    const auto [first, inserted] = seen.emplace(key, position.line);
    if (!inserted) {
      findings_.Error(
          path, position,
          fmt::format("is given twice (first on line {}); allowed: once", first->second));
    }
    return inserted;
  }

  void ReadTarget(const YAML::Node& node, Position position, const Type& type, const Target& target,
                  const std::string& path) {
    std::visit(
        Overloaded{
            [&](std::vector<std::string>* texts) { ReadTexts(node, position, type, *texts, path); },
            [&](std::map<std::string, pipeline::Endpoint>* endpoints) {
              ReadEndpoints(node, position, *endpoints, path);
            },
            [&](std::vector<AdminToken>* list) { ReadList(node, position, *list, path); },
            [&](std::vector<IngestKey>* list) { ReadList(node, position, *list, path); },
            [&](std::vector<Tenant>* list) { ReadList(node, position, *list, path); },
            [&](std::vector<ServiceKey>* list) { ReadList(node, position, *list, path); },
            [&](auto*) { ReadScalar(node, position, type, target, path); },
        },
        target);
  }

  void WrongShape(const YAML::Node& node, Position position, const Type& type, const Target& target,
                  const std::string& path) {
    findings_.Error(path, position,
                    fmt::format("{}; allowed: {}", ShapeOf(node), Allowed(type, target)));
  }

  void ReadScalar(const YAML::Node& node, Position position, const Type& type, const Target& target,
                  const std::string& path) {
    if (!node.IsScalar()) {
      WrongShape(node, position, type, target, path);
      return;
    }
    const int begin = node.Mark().pos;
    if (begin >= 0 && IsUnclosedQuote(text_, static_cast<std::size_t>(begin))) {
      findings_.Error(path, position, "the quote that opens here is never closed");
      return;
    }
    const std::string& raw = node.Scalar();
    const common::Result<std::string> text = Expand(raw, env_);
    if (!text) {
      findings_.Error(path, position, text.error().message);
      return;
    }
    if (const std::optional<std::string> problem = Assign(type, target, *text)) {
      findings_.Error(
          path, position,
          fmt::format("{} {}; allowed: {}", Shown(type, raw), *problem, Allowed(type, target)));
    }
  }

  void ReadTexts(const YAML::Node& node, Position position, const Type& type,
                 std::vector<std::string>& texts, const std::string& path) {
    texts.clear();
    if (node.IsNull()) return;
    if (!node.IsSequence()) {
      WrongShape(node, position, type, &texts, path);
      return;
    }
    std::size_t index = 0;
    for (const YAML::Node& element : node) {
      const std::string element_path = fmt::format("{}[{}]", path, index++);
      const Position element_position = PositionOf(element.Mark());
      findings_.positions[element_path] = element_position;
      ReadScalar(element, element_position, type, &texts.emplace_back(), element_path);
    }
  }

  /// Adds to what is there: the file's entries come on top of the default ones.
  void ReadEndpoints(const YAML::Node& node, Position position,
                     std::map<std::string, pipeline::Endpoint>& endpoints,
                     const std::string& path) {
    if (node.IsNull()) return;
    if (!node.IsMap()) {
      WrongShape(node, position, Type{Kind::kUrlMap}, &endpoints, path);
      return;
    }
    std::map<std::string, int> seen;
    for (const auto& entry : node) {
      const Position key_position = PositionOf(entry.first.Mark());
      std::string name;
      if (!entry.first.IsScalar() ||
          Assign(Type{Kind::kName}, &name, entry.first.Scalar()).has_value()) {
        findings_.Error(path, key_position,
                        fmt::format("the name of an endpoint is not valid; allowed: {}",
                                    Allowed(Type{Kind::kName}, &name)));
        continue;
      }
      const std::string entry_path = fmt::format("{}.{}", path, name);
      if (!IsFirst(seen, name, key_position, entry_path)) continue;
      const Position value_position =
          entry.second.IsNull() ? key_position : PositionOf(entry.second.Mark());
      findings_.positions[entry_path] = value_position;
      ReadScalar(entry.second, value_position, kUrlElement, &endpoints[name], entry_path);
    }
  }

  template <typename T>
  void ReadList(const YAML::Node& node, Position position, std::vector<T>& list,
                const std::string& path) {
    list.clear();
    if (node.IsNull()) return;
    if (!node.IsSequence()) {
      WrongShape(node, position, Type{Kind::kTable}, &list, path);
      return;
    }
    list.reserve(node.size());
    for (const YAML::Node& element : node) {
      const std::string element_path = fmt::format("{}[{}]", path, list.size());
      findings_.positions[element_path] = PositionOf(element.Mark());
      if (element.IsScalar() && !kShortForm<T>.empty()) {
        ReadShortForm(element, element_path, list.emplace_back());
      } else {
        ReadObject(element, element_path, list.emplace_back());
      }
    }
  }

  /// A single value in the place of a mapping: the row kShortForm, and defaults.
  template <typename T>
  void ReadShortForm(const YAML::Node& node, const std::string& where, T& object) {
    const Scope scope{where, FieldsOf<T>(), &object};
    for (const Field& field : scope.fields) {
      ApplyDefault(scope, field);
      if (field.path != kShortForm<T>) continue;
      ReadScalar(node, PositionOf(node.Mark()), field.type, field.at(&object), where);
    }
  }

  std::string_view text_;
  const EnvLookup& env_;
  Findings& findings_;
};

/// The 1-based line `line` of `text`.
std::string_view LineOf(std::string_view text, int line) {
  for (int i = 1; i < line; ++i) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

void AddSyntaxError(std::string_view text, const YAML::Exception& error, Findings& findings) {
  const Position position = PositionOf(error.mark);
  std::string message = fmt::format("this is not YAML: {}", error.msg);
  if (HasReference(LineOf(text, position.line))) {
    message += R"(; inside [ ] and { } a ${...} needs quotes: "${NAME}")";
  }
  findings.Error("", position, std::move(message));
}

/// What `path` lies in: "tenants[0]" of "tenants[0].id"; empty at the top.
std::string_view Around(std::string_view path) {
  const std::size_t cut = path.find_last_of(".[");
  return cut == std::string_view::npos ? std::string_view() : path.substr(0, cut);
}

}  // namespace

Position Findings::At(const std::string& path) const {
  for (std::string_view around = path; !around.empty(); around = Around(around)) {
    const auto it = positions.find(std::string(around));
    if (it != positions.end()) return it->second;
  }
  return {};
}

bool Findings::IsBroken(const std::string& path) const {
  for (std::string_view around = path; !around.empty(); around = Around(around)) {
    if (broken_.contains(std::string(around))) return true;
  }
  return false;
}

void Findings::Error(const std::string& path, Position position, std::string message) {
  errors.push_back({file, position.line, position.column, path, std::move(message)});
  broken_.insert(path);
}

void Findings::Error(const std::string& path, std::string message) {
  Error(path, At(path), std::move(message));
}

void Findings::Warn(const std::string& path, std::string message) {
  const Position position = At(path);
  warnings.push_back({file, position.line, position.column, path, std::move(message)});
}

void ReadConfig(std::string_view text, const EnvLookup& env, Config& config, Findings& findings) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.size() > 1) {
      findings.Error("", PositionOf(documents[1].Mark()),
                     "a second YAML document starts before this; allowed: one");
    }
    Reader(text, env, findings)
        .ReadObject(documents.empty() ? YAML::Node() : documents[0], "", config);
  } catch (const YAML::Exception& error) {
    AddSyntaxError(text, error, findings);
  }
}

}  // namespace gateway::config

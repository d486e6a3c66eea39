// SPDX-License-Identifier: Apache-2.0
#include "gateway/config/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/strings.h"
#include "gateway/config/schema.h"
#include "gateway/config/value.h"

namespace gateway::config {
namespace {

constexpr std::string_view kIntroduction =
    R"(<!-- Generated from gateway/config/schema.cc; a unit test fails when it is out of date. -->
# Configuration

One YAML file, given with `--config`. Every key may be left out unless it says *required*.
`segment-gateway check-config --config FILE` names everything that is wrong, each with its line, and
prints the configuration in force with secrets hidden. The gateway does not start with a key it does
not know or a value out of range.

- **Durations**: a whole number and `us`, `ms`, `s`, `m`, `h` or `d`: `250ms`, `5s`, `1h`.
- **Sizes**: bytes, or a whole number and `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024) or `kB`, `MB`,
  `GB`, `TB` (powers of 1000): `475000`, `64MiB`.
- **Names**: 1 to 128 of `A-Z a-z 0-9 . _ -`.
- **Keys**: 1 to 256 visible ASCII characters without `:`. No two tenants, services or tokens may
  share one.
- **References**: `${NAME}` anywhere in a value is the environment variable of that name, and
  `${file:/path}` the content of that file without the newlines at its end. A variable that is not
  set is an error. Write `$${` for a plain `${`. Inside `[ ]` and `{ }` YAML needs quotes:
  `"${NAME}"`.

The smallest useful file:

```yaml
tenants:
  - id: acme
    ingest_keys: [ "${ACME_INGEST_KEY}" ]
    segment: { write_key: "${ACME_WRITE_KEY}" }
```
)";

std::string_view TypeName(Kind kind) {
  switch (kind) {
    case Kind::kBool:
      return "boolean";
    case Kind::kCount:
      return "whole number";
    case Kind::kSize:
      return "size";
    case Kind::kRatio:
      return "number";
    case Kind::kDuration:
      return "duration";
    case Kind::kListen:
      return "address";
    case Kind::kUrl:
      return "URL";
    case Kind::kPath:
      return "path";
    case Kind::kName:
      return "name";
    case Kind::kKey:
    case Kind::kMasterKey:
      return "secret";
    case Kind::kChoice:
      return "choice";
    case Kind::kNetworkList:
    case Kind::kOriginList:
      return "list";
    case Kind::kUrlMap:
      return "mapping";
    case Kind::kTable:
      return "list";
  }
  return {};
}

/// Whether "allowed" says more than the type does.
bool HasOwnRange(Kind kind) {
  return kind != Kind::kBool && kind != Kind::kPath && kind != Kind::kName && kind != Kind::kKey &&
         kind != Kind::kTable;
}

std::string DefaultCell(const Field& field) {
  if (field.fallback == kRequired) return "*required*";
  if (field.fallback == kUnset) return "none";
  return fmt::format("`{}`", field.fallback);
}

void AppendRows(Fields fields, std::string_view section, void* object, std::string& out) {
  out += "\n| Key | Type | Default | Allowed | Meaning |\n|---|---|---|---|---|\n";
  const std::string below = fmt::format("{}.", section);
  for (const Field& field : fields) {
    if (!section.empty() && field.path != section && !field.path.starts_with(below)) continue;
    if (field.type.kind == Kind::kTable && field.path == section) continue;
    const std::string allowed =
        HasOwnRange(field.type.kind) ? Allowed(field.type, field.at(object)) : "";
    out += fmt::format("| `{}` | {} | {} | {} | {} |\n", field.path, TypeName(field.type.kind),
                       DefaultCell(field), allowed, field.help);
  }
}

template <typename T>
void AppendEntryTable(std::string_view heading, std::string& out) {
  out += heading;
  T object;
  AppendRows(FieldsOf<T>(), "", &object, out);
}

/// Text as a YAML scalar that loads as itself.
std::string Quoted(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/:-";
  const bool plain = !text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos &&
                     text.front() != '-' && text.front() != ':' && text.back() != ':' &&
                     !common::EqualsIgnoreCase(text, "null");
  if (plain) return std::string(text);
  std::string escaped;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("${")) escaped += '$';
    escaped += text[i];
  }
  std::string out;
  common::AppendJsonString(out, escaped);
  return out;
}

/// Writes objects as block YAML along their tables.
class Writer {
 public:
  template <typename T>
  void WriteObject(T& object, std::size_t indent) {
    std::string_view open;  // The section that the last lines belong to, e.g. "delivery.retry".
    for (const Field& field : FieldsOf<T>()) {
      const Target target = field.at(&object);
      if (IsUnset(target)) continue;
      const std::size_t cut = field.path.rfind('.');
      const std::string_view section =
          cut == std::string_view::npos ? std::string_view() : field.path.substr(0, cut);
      OpenSections(open, section, indent);
      open = section;
      const std::size_t depth = indent + 2 * Levels(section);
      out_ += fmt::format("{:{}}{}:", "", depth, field.path.substr(cut + 1));
      WriteTarget(target, depth);
    }
  }
  std::string Take() { return std::move(out_); }

 private:
  static std::size_t Levels(std::string_view section) {
    if (section.empty()) return 0;
    std::size_t dots = 0;
    for (const char c : section) dots += c == '.' ? 1 : 0;
    return dots + 1;
  }

  /// Writes the headings of `section` that `open` is not inside already.
  void OpenSections(std::string_view open, std::string_view section, std::size_t indent) {
    std::size_t end = 0;
    while (end < section.size()) {
      const std::size_t begin = end == 0 ? 0 : end + 1;
      end = std::min(section.find('.', begin), section.size());
      const std::string_view here = section.substr(0, end);
      const bool inside =
          open == here || (open.starts_with(here) && open.substr(here.size()).starts_with('.'));
      if (inside) continue;
      out_ += fmt::format("{:{}}{}:\n", "", indent + 2 * (Levels(here) - 1),
                          section.substr(begin, end - begin));
    }
  }

  static bool IsUnset(const Target& target) {
    return std::visit(
        [](const auto* value) {
          // Of a list of texts [] is a value: none, whatever the default.
          constexpr bool kTexts = std::is_same_v<decltype(value), const std::vector<std::string>*>;
          if constexpr (!kTexts && requires { value->empty(); }) {
            return value->empty();
          } else if constexpr (requires { value->host.empty(); }) {
            return value->host.empty();
          } else {
            return false;
          }
        },
        target);
  }

  void WriteTarget(const Target& target, std::size_t indent) {
    std::visit(Overloaded{
                   [&](std::vector<std::string>* texts) {
                     out_ += " [";
                     for (const std::string& text : *texts) {
                       if (&text != texts->data()) out_ += ", ";
                       out_ += Quoted(text);
                     }
                     out_ += "]\n";
                   },
                   [&](std::map<std::string, pipeline::Endpoint>* endpoints) {
                     out_ += '\n';
                     for (auto& [name, endpoint] : *endpoints) {
                       out_ += fmt::format("{:{}}{}: {}\n", "", indent + 2, Quoted(name),
                                           Quoted(Render(&endpoint)));
                     }
                   },
                   [&](std::vector<AdminToken>* list) { WriteList(*list, indent); },
                   [&](std::vector<IngestKey>* list) { WriteKeys(*list, indent); },
                   [&](std::vector<Tenant>* list) { WriteList(*list, indent); },
                   [&](std::vector<ServiceKey>* list) { WriteList(*list, indent); },
                   [&](auto*) { out_ += fmt::format(" {}\n", Quoted(Render(target))); },
               },
               target);
  }

  /// In the short form when that says everything.
  void WriteKeys(std::vector<IngestKey>& keys, std::size_t indent) {
    const auto is_plain = [](const IngestKey& key) {
      return key.name.empty() && key.message_ids == pipeline::MessageIds::kAuto &&
             key.limits.events_per_second == 0 && key.limits.burst_events == 0;
    };
    if (!std::ranges::all_of(keys, is_plain)) return WriteList(keys, indent);
    out_ += " [";
    for (std::size_t i = 0; i < keys.size(); ++i) out_ += i == 0 ? "\"***\"" : ", \"***\"";
    out_ += "]\n";
  }

  template <typename T>
  void WriteList(std::vector<T>& list, std::size_t indent) {
    out_ += '\n';
    for (T& entry : list) {
      const std::size_t begin = out_.size();
      WriteObject(entry, indent + 4);
      out_[begin + indent + 2] = '-';
    }
  }

  std::string out_;
};

}  // namespace

std::string RenderReference() {
  std::string out(kIntroduction);
  Config config;
  for (const Section& section : Sections()) {
    out += fmt::format("\n## {}\n\n{}\n", section.name, section.help);
    if (section.name == "tenants") {
      AppendEntryTable<Tenant>("", out);
      AppendEntryTable<IngestKey>("\nAn entry of `ingest_keys` that is a mapping:\n", out);
    } else if (section.name == "service_keys") {
      AppendEntryTable<ServiceKey>("", out);
    } else {
      AppendRows(FieldsOf<Config>(), section.name, &config, out);
    }
    if (section.name == "admin") {
      AppendEntryTable<AdminToken>("\nEach entry of `admin.tokens`:\n", out);
    }
  }
  return out;
}

std::string RenderEffective(const Config& config) {
  Config copy = config;  // The tables give out pointers that could write.
  Writer writer;
  writer.WriteObject(copy, 0);
  return writer.Take();
}

}  // namespace gateway::config

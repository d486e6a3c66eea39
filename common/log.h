// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "common/clock.h"

namespace common::log {

enum class Level { kDebug, kInfo, kWarning, kError };
enum class Format {
  kAuto,  ///< Text when standard error is a terminal, JSON otherwise.
  kText,
  kJson,
};

/// One `name: value` of a log line. Takes text, numbers, booleans and durations; there is
/// no overload for common::Secret, so a key cannot be logged by mistake.
class Field {
 public:
  Field(std::string_view name, std::string_view text) : name_(name), value_(text) {}
  Field(std::string_view name, const char* text) : name_(name), value_(text) {}
  Field(std::string_view name, const std::string& text) : name_(name), value_(text) {}
  Field(std::string_view name, bool value)
      : name_(name), value_(value ? "true" : "false"), quoted_(false) {}
  template <std::integral T>
    requires(!std::same_as<T, bool> && !std::same_as<T, char>)
  Field(std::string_view name, T value)
      : name_(name), value_(std::to_string(value)), quoted_(false) {}
  Field(std::string_view name, double value);
  /// Written in seconds, as "name": 0.25; end the name with _seconds.
  Field(std::string_view name, Duration value);

  std::string_view name() const { return name_; }
  std::string_view value() const { return value_; }
  bool quoted() const { return quoted_; }

 private:
  std::string_view name_;
  std::string value_;
  bool quoted_ = true;
};

/// Sets level and format of the process; call once, before the first thread.
void Configure(Level level, Format format);

/// Writes one line to standard error: time, level, `event` (a stable snake_case name to
/// search for), `message` (for a person) and the fields. Thread-safe; one line is never
/// torn by another.
void Write(Level level, std::string_view event, std::string_view message,
           std::initializer_list<Field> fields = {});

inline void Debug(std::string_view event, std::string_view message,
                  std::initializer_list<Field> fields = {}) {
  Write(Level::kDebug, event, message, fields);
}
inline void Info(std::string_view event, std::string_view message,
                 std::initializer_list<Field> fields = {}) {
  Write(Level::kInfo, event, message, fields);
}
inline void Warning(std::string_view event, std::string_view message,
                    std::initializer_list<Field> fields = {}) {
  Write(Level::kWarning, event, message, fields);
}
inline void Error(std::string_view event, std::string_view message,
                  std::initializer_list<Field> fields = {}) {
  Write(Level::kError, event, message, fields);
}

}  // namespace common::log

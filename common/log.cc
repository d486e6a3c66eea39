// SPDX-License-Identifier: Apache-2.0
#include "common/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <memory>

#include "common/strings.h"

namespace common::log {
namespace {

struct Sink {
  std::shared_ptr<spdlog::logger> logger;
  bool json = true;
};

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string_view LevelName(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  return "info";
}

Sink MakeSink(Level level, Format format) {
  Sink sink;
  sink.json = format == Format::kJson || (format == Format::kAuto && isatty(STDERR_FILENO) == 0);
  spdlog::sink_ptr output;
  if (sink.json) {
    output = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    output = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  }
  sink.logger = std::make_shared<spdlog::logger>("gateway", std::move(output));
  sink.logger->set_pattern(sink.json ? "%v" : "%H:%M:%S.%e %^%-7l%$ %v");
  sink.logger->set_level(ToSpdlog(level));
  sink.logger->flush_on(spdlog::level::debug);
  return sink;
}

Sink& TheSink() {
  static Sink sink = MakeSink(Level::kInfo, Format::kAuto);
  return sink;
}

std::string JsonLine(Level level, std::string_view event, std::string_view message,
                     std::initializer_list<Field> fields) {
  std::string line = fmt::format(R"({{"time":"{}","level":"{}","event":"{}","message":)",
                                 FormatTimestamp(SystemClock().Wall()), LevelName(level), event);
  AppendJsonString(line, message);
  for (const Field& field : fields) {
    line += ',';
    AppendJsonString(line, field.name());
    line += ':';
    if (field.quoted()) {
      AppendJsonString(line, field.value());
    } else {
      line += field.value();
    }
  }
  line += '}';
  return line;
}

std::string TextLine(std::string_view event, std::string_view message,
                     std::initializer_list<Field> fields) {
  std::string line(message);
  line += "  event=";
  line += event;
  for (const Field& field : fields) {
    line += ' ';
    line += field.name();
    line += '=';
    if (field.quoted() && field.value().find_first_of(" \"\\\n\r\t\x1b") != std::string::npos) {
      AppendJsonString(line, field.value());
    } else {
      line += field.value();
    }
  }
  return line;
}

}  // namespace

Field::Field(std::string_view name, double value)
    : name_(name), value_(fmt::format("{:.6g}", value)), quoted_(false) {}

Field::Field(std::string_view name, Duration value)
    : Field(name, std::chrono::duration<double>(value).count()) {}

void Configure(Level level, Format format) { TheSink() = MakeSink(level, format); }

void Write(Level level, std::string_view event, std::string_view message,
           std::initializer_list<Field> fields) {
  const Sink& sink = TheSink();
  const auto spd_level = ToSpdlog(level);
  if (!sink.logger->should_log(spd_level)) return;
  const std::string line =
      sink.json ? JsonLine(level, event, message, fields) : TextLine(event, message, fields);
  sink.logger->log(spd_level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace common::log

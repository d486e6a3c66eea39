// SPDX-License-Identifier: Apache-2.0
#include "gateway/config/expand.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace gateway::config {
namespace {

using common::ErrorCode;
using common::Fail;
using common::Result;

/// No single value is larger; keeps ${file:/dev/zero} from eating the memory.
constexpr std::size_t kMaxValueBytes = 64 * 1024;
constexpr std::string_view kFilePrefix = "file:";

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

tl::unexpected<common::Error> SystemFailure(int error) {
  return Fail(ErrorCode::kIo, std::generic_category().message(error));
}

bool IsVariableName(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (const char c : name) {
    const bool allowed =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!allowed) return false;
  }
  return true;
}

Result<std::string> ResolveFile(const std::string& path) {
  Result<std::string> content = ReadWholeFile(path, kMaxValueBytes);
  if (!content) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("${{file:{}}} cannot be read: {}", path, content.error().message));
  }
  while (content->ends_with('\n') || content->ends_with('\r')) content->pop_back();
  return content;
}

/// The value of what stands between the braces.
Result<std::string> Resolve(std::string_view reference, const EnvLookup& env) {
  if (reference.starts_with(kFilePrefix)) {
    return ResolveFile(std::string(reference.substr(kFilePrefix.size())));
  }
  if (!IsVariableName(reference)) {
    // Not shown: what stands there may be a key that holds "${" by chance.
    return Fail(ErrorCode::kInvalidArgument,
                "${...} holds neither a variable name nor file:/path; write $${ for a plain ${");
  }
  std::optional<std::string> value = env(reference);
  if (!value) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the environment variable {} is not set", reference));
  }
  return *std::move(value);
}

}  // namespace

Result<std::string> ReadWholeFile(const std::string& path, std::size_t max_bytes) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return SystemFailure(errno);
  struct stat info = {};
  if (::fstat(file.get(), &info) != 0) return SystemFailure(errno);
  if (S_ISDIR(info.st_mode)) return Fail(ErrorCode::kIo, "it is a directory");
  std::string content;
  std::array<char, 16384> buffer{};
  while (true) {
    const ssize_t n = ::read(file.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SystemFailure(errno);
    if (n == 0) return content;
    content.append(buffer.data(), static_cast<std::size_t>(n));
    if (content.size() > max_bytes) {
      return Fail(ErrorCode::kIo, fmt::format("it is larger than {} bytes", max_bytes));
    }
  }
}

bool HasReference(std::string_view raw) { return raw.find("${") != std::string_view::npos; }

Result<std::string> Expand(std::string_view raw, const EnvLookup& env) {
  std::string out;
  while (true) {
    const std::size_t start = raw.find("${");
    out += raw.substr(0, start);
    if (start == std::string_view::npos) return out;
    const bool escaped = start > 0 && raw[start - 1] == '$';
    raw.remove_prefix(start + 2);
    if (escaped) {  // The first $ of $${ is in `out` already; the second is dropped.
      out += '{';
      continue;
    }
    const std::size_t close = raw.find('}');
    if (close == std::string_view::npos) {
      return Fail(ErrorCode::kInvalidArgument, "${ has no closing }; write $${ for a plain ${");
    }
    Result<std::string> value = Resolve(raw.substr(0, close), env);
    if (!value) return value;
    out += *value;
    raw.remove_prefix(close + 1);
  }
}

EnvLookup ProcessEnv() {
  return [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

}  // namespace gateway::config

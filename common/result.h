// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace common {

/// Why an operation failed, coarse enough to act on. The text in Error says the rest.
enum class ErrorCode {
  kInvalidArgument,  ///< The caller's input is wrong; a retry of the same call fails again.
  kNotFound,
  kUnavailable,  ///< Cannot be done now (overload, shutdown, storage full); a retry may work.
  kDataLoss,     ///< Stored bytes are damaged.
  kIo,           ///< The operating system or the store refused.
  kNoSpace,      ///< It refused because the disk is full.
  kTimeout,
  kCancelled,
};

struct Error {
  ErrorCode code;
  std::string message;  ///< For a person; never holds a key or an event.
};

/// A value or an Error. [[nodiscard]], so that no failure is passed over in silence.
template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

/// Success or an Error.
using Status = Result<void>;

inline tl::unexpected<Error> Fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

inline Status Ok() { return Status{}; }

}  // namespace common

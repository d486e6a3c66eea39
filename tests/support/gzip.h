// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace tests {

/// `text` as one gzip member; `level` is zlib's, 0 (stored) to 9.
std::string Gzip(std::string_view text, int level = 6);

}  // namespace tests

// SPDX-License-Identifier: Apache-2.0
#include "tests/support/temp_dir.h"

#include <stdlib.h>

#include <cerrno>
#include <system_error>

namespace tests {

TempDir::TempDir() {
  std::string name = (std::filesystem::temp_directory_path() / "segment-gateway-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), "mkdtemp " + name);
  }
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;  // A directory left behind must not fail a test that passed.
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace tests

// SPDX-License-Identifier: Apache-2.0
//
// A fuzz target as an ordinary test: every file of its corpus, and mutations of them from a
// fixed seed, so that each run does the same. `./dev fuzz` is the search; this is the fence.
//
//   replay CORPUS_FOLDER MUTATIONS_PER_FILE
#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "common/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void Run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

/// One to four small damages: a byte changed, removed or doubled, or the end cut off.
std::string Mutate(std::string input, common::Random& random) {
  const std::uint64_t damages = 1 + random.Next() % 4;
  for (std::uint64_t i = 0; i < damages && !input.empty(); ++i) {
    const std::size_t at = random.Next() % input.size();
    switch (random.Next() % 4) {
      case 0:
        input[at] = static_cast<char>(random.Next());
        break;
      case 1:
        input.erase(at, 1);
        break;
      case 2:
        input.insert(at, 1, input[at]);
        break;
      default:
        input.resize(at);
        break;
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: {} CORPUS_FOLDER MUTATIONS_PER_FILE\n", argv[0]);
    return 2;
  }
  const long mutations = std::strtol(argv[2], nullptr, 10);
  common::FastRandom random(20261124);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string input((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    Run(input);
    for (long i = 0; i < mutations; ++i) Run(Mutate(input, random));
    ++files;
  }
  fmt::print("{} files, {} mutations each\n", files, mutations);
  return files == 0 ? 1 : 0;
}

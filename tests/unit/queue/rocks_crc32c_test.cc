// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/rocks_crc32c.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "common/random.h"

namespace {

using Function = std::uint32_t (*)(std::uint32_t, const char*, std::size_t);
constexpr const char* kName = "_ZN7rocksdb6crc32c6ExtendEjPKcm";

std::uint32_t Crc(std::string_view text, std::uint32_t before = 0) {
  return rocksdb::crc32c::Extend(before, text.data(), text.size());
}

TEST(RocksCrc32c, KnowsTheValuesOfTheStandard) {
  EXPECT_EQ(Crc(""), 0U);
  EXPECT_EQ(Crc("123456789"), 0xe3069283U);
  EXPECT_EQ(Crc(std::string(32, '\0')), 0x8a9136aaU);  // RFC 3720, B.4
  EXPECT_EQ(Crc(std::string(32, '\xff')), 0x62a8ab43U);
}

TEST(RocksCrc32c, GoesOnFromAnEarlierPart) {
  EXPECT_EQ(Crc("56789", Crc("1234")), Crc("123456789"));
}

TEST(RocksCrc32c, AgreesWithTheLibraryForEverySizeAndAlignment) {
  // RTLD_NEXT: what comes behind the program, which is the library's.
  const auto library = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, kName));
  ASSERT_NE(library, nullptr);
  common::FastRandom random(7);
  std::string bytes(5000, ' ');
  for (char& byte : bytes) byte = static_cast<char>(random.Next() & 0xffU);
  for (std::size_t at = 0; at < 16; ++at) {
    for (std::size_t size = 0; size < 200; ++size) {
      const std::string_view part = std::string_view(bytes).substr(at, size);
      ASSERT_EQ(Crc(part, 99), library(99, part.data(), part.size())) << at << " " << size;
    }
  }
  // Long ones are worked out in parts.
  for (std::size_t size = 200; size <= bytes.size() - 1; ++size) {
    const std::string_view part = std::string_view(bytes).substr(1, size);
    ASSERT_EQ(Crc(part, 99), library(99, part.data(), part.size())) << size;
  }
}

#if defined(__x86_64__)
TEST(RocksCrc32c, IsWhatTheLibraryCalls) {
  // The first definition in the order of loading: the one that the library is bound to.
  EXPECT_EQ(::dlsym(RTLD_DEFAULT, kName), reinterpret_cast<void*>(&rocksdb::crc32c::Extend));
}
#endif

}  // namespace

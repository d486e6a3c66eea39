// SPDX-License-Identifier: Apache-2.0
#include "common/gzip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/support/gzip.h"

namespace common {
namespace {

using tests::Gzip;

constexpr std::size_t kMax = 512'000;
constexpr std::size_t kPadding = 64;

std::string Text(std::size_t size) {
  std::string text(size, 'a');
  for (std::size_t i = 0; i < size; i += 7) text[i] = static_cast<char>(i * 31);
  return text;
}

TEST(Gunzipper, InflatesWithPaddingBehind) {
  Gunzipper gunzipper;
  for (const std::size_t size : {0UL, 1UL, 1000UL, 65'536UL, kMax - 1, kMax}) {
    for (const int level : {0, 1, 9}) {
      const auto back = gunzipper.Inflate(Gzip(Text(size), level), kMax, kPadding);
      ASSERT_TRUE(back) << size;
      EXPECT_TRUE(*back == Text(size)) << size;
      EXPECT_GE(back->capacity(), size + kPadding);
    }
  }
}

TEST(Gunzipper, TakesNoMoreMemoryThanTheTextNeeds) {
  const auto back = Gunzipper().Inflate(Gzip(Text(70'000)), kMax, kPadding);
  ASSERT_TRUE(back);
  EXPECT_LE(back->capacity(), 70'000 + 1 + kPadding);
}

TEST(Gunzipper, StopsOneByteAfterTheLimit) {
  Gunzipper gunzipper;
  const std::string zeroes(50'000'000, '\0');
  std::string lies = Gzip(zeroes);  // About its size: there is no room from the start.
  lies.replace(lies.size() - 4, 4, std::string(4, '\0'));
  std::string rest_is_not_looked_at = Gzip(Text(kMax + 1), 0);
  rest_is_not_looked_at.replace(rest_is_not_looked_at.size() - 8, 4, "crc?");
  for (const std::string& bomb : {Gzip(zeroes), lies, Gzip(Text(kMax + 1)),
                                  Gzip(Text(kMax)) + Gzip("x"), Gzip(Text(kMax)) + Gzip(zeroes)}) {
    const auto result = gunzipper.Inflate(bomb, kMax, kPadding);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->size(), kMax + 1);
    EXPECT_LE(result->capacity(), kMax + 1 + kPadding);
  }
  const auto none = gunzipper.Inflate(Gzip("x"), 0, kPadding);
  ASSERT_TRUE(none);
  EXPECT_EQ(none->size(), 1U);
}

TEST(Gunzipper, ASmallLieAboutTheSizeCostsLittle) {
  std::string lies = Gzip("x");
  lies.replace(lies.size() - 4, 4, "\xff\xff\xff\x7f");
  EXPECT_FALSE(Gunzipper().Inflate(lies, std::size_t{1} << 40, kPadding))
      << "without trying to reserve a terabyte";
}

TEST(Gunzipper, JoinsMembers) {
  Gunzipper gunzipper;
  EXPECT_EQ(*gunzipper.Inflate(Gzip("two ") + Gzip("members"), 100, kPadding), "two members");
  EXPECT_EQ(*gunzipper.Inflate(Gzip("") + Gzip("text") + Gzip(""), 100, kPadding), "text");
  std::string many;
  std::string expected;
  for (int i = 0; i < 500; ++i) {
    many += Gzip("event " + std::to_string(i));
    expected += "event " + std::to_string(i);
  }
  EXPECT_EQ(*gunzipper.Inflate(many, kMax, kPadding), expected);
}

TEST(Gunzipper, BoundsTheNumberOfMembers) {
  std::string members;
  for (std::size_t i = 0; i < Gunzipper::kMaxMembers; ++i) members += Gzip("");
  Gunzipper gunzipper;
  EXPECT_EQ(*gunzipper.Inflate(members, kMax, kPadding), "");
  const auto refused = gunzipper.Inflate(members + Gzip(""), kMax, kPadding);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "the gzip body is damaged: it has too many members");
}

TEST(Gunzipper, SaysWhatIsWrong) {
  const std::string good = Gzip(std::string(1000, 'x') + "tail");
  std::string bad_check = good;
  bad_check[bad_check.size() - 5] ^= 1;
  std::string bad_length = good;
  bad_length[bad_length.size() - 1] ^= 1;
  std::string bad_method = good;
  bad_method[2] = 7;
  const struct {
    std::string body;
    std::string_view why;
  } cases[] = {
      {"", "it is not gzip"},
      {"\x1f", "it is not gzip"},
      {"{\"batch\":[]}", "it is not gzip"},
      {"\x78\x9c\x03", "it is not gzip"},
      {good.substr(0, 2), "it is cut short"},
      {good.substr(0, 15), "it is cut short"},
      {good.substr(0, good.size() - 1), "it is cut short"},
      {good + good.substr(0, 12), "it is cut short"},
      {good + "x", "something follows its end that is not gzip"},
      {good + std::string(512, '\0'), "something follows its end that is not gzip"},
      {bad_check, "incorrect data check"},
      {bad_length, "incorrect length check"},
      {bad_method, "unknown compression method"},
  };
  Gunzipper gunzipper;
  for (const auto& [body, why] : cases) {
    const auto result = gunzipper.Inflate(body, 10'000, kPadding);
    ASSERT_FALSE(result) << why;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(result.error().message, "the gzip body is damaged: " + std::string(why));
    EXPECT_EQ(*gunzipper.Inflate(Gzip("next"), 100, kPadding), "next") << "after " << why;
  }
}

}  // namespace
}  // namespace common

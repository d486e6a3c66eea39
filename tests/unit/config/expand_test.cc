// SPDX-License-Identifier: Apache-2.0
#include "gateway/config/expand.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"

namespace gateway::config {
namespace {

std::optional<std::string> FakeEnv(std::string_view name) {
  if (name == "KEY") return "s3cret";
  if (name == "EMPTY") return "";
  if (name == "NESTED") return "${KEY}";
  if (name == "DOLLAR") return "$";
  return std::nullopt;
}

TEST(ExpandTest, Replaces) {
  const struct {
    std::string raw;
    std::string expanded;
  } cases[] = {
      {"plain", "plain"},
      {"", ""},
      {"${KEY}", "s3cret"},
      {"a-${KEY}-b-${KEY}", "a-s3cret-b-s3cret"},
      {"${EMPTY}", ""},
      {"${NESTED}", "${KEY}"},  // What is put in is not expanded again.
      {"$${KEY}", "${KEY}"},
      {"$${", "${"},
      {"$$${KEY}", "$${KEY}"},
      {"${DOLLAR}${KEY}", "$s3cret"},  // A $ that was put in escapes nothing.
      {"$KEY $ }{", "$KEY $ }{"},
  };
  for (const auto& c : cases) {
    const auto expanded = Expand(c.raw, FakeEnv);
    ASSERT_TRUE(expanded.has_value()) << c.raw;
    EXPECT_EQ(*expanded, c.expanded) << c.raw;
  }
}

TEST(ExpandTest, Refuses) {
  const struct {
    std::string raw;
    std::string message;
  } cases[] = {
      {"${NOPE}", "the environment variable NOPE is not set"},
      {"${KEY", "${ has no closing }; write $${ for a plain ${"},
      {"${}", "${...} holds neither a variable name nor file:/path; write $${ for a plain ${"},
      {"${a b}", "${...} holds neither a variable name nor file:/path; write $${ for a plain ${"},
      {"${1A}", "${...} holds neither a variable name nor file:/path; write $${ for a plain ${"},
      {"${file:/does/not/exist}",
       "${file:/does/not/exist} cannot be read: No such file or directory"},
      {"${file:}", "${file:} cannot be read: No such file or directory"},
  };
  for (const auto& c : cases) {
    const auto expanded = Expand(c.raw, FakeEnv);
    ASSERT_FALSE(expanded.has_value()) << c.raw;
    EXPECT_EQ(expanded.error().message, c.message);
  }
}

class ExpandFileTest : public testing::Test {
 protected:
  std::string Write(const std::string& content) {
    std::ofstream(dir_ / "value", std::ios::binary) << content;
    return "${file:" + dir_ / "value" + "}";
  }
  tests::TempDir dir_;
};

TEST_F(ExpandFileTest, ReadsAFileWithoutTheNewlinesAtItsEnd) {
  EXPECT_EQ(*Expand(Write("key\n"), FakeEnv), "key");
  EXPECT_EQ(*Expand(Write("key\r\n\n"), FakeEnv), "key");
  EXPECT_EQ(*Expand("<" + Write(" a\nb ") + ">", FakeEnv), "< a\nb >");
  EXPECT_EQ(*Expand(Write("${KEY}"), FakeEnv), "${KEY}");
  EXPECT_EQ(*Expand(Write(""), FakeEnv), "");
}

TEST_F(ExpandFileTest, RefusesADirectoryAndAFileWithoutEnd) {
  const std::string directory = dir_.path().string();
  EXPECT_EQ(Expand("${file:" + directory + "}", FakeEnv).error().message,
            "${file:" + directory + "} cannot be read: it is a directory");
  EXPECT_EQ(Expand("${file:/dev/zero}", FakeEnv).error().message,
            "${file:/dev/zero} cannot be read: it is larger than 65536 bytes");
}

TEST(ProcessEnvTest, ReadsTheEnvironment) {
  ::setenv("GW_EXPAND_TEST", "value", 1);
  ::unsetenv("GW_EXPAND_TEST_UNSET");
  EXPECT_EQ(ProcessEnv()("GW_EXPAND_TEST"), "value");
  EXPECT_EQ(ProcessEnv()("GW_EXPAND_TEST_UNSET"), std::nullopt);
}

}  // namespace
}  // namespace gateway::config

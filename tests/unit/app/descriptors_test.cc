// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/descriptors.h"

#include <gtest/gtest.h>

namespace gateway::app {
namespace {

TEST(Descriptors, ClientsGetWhatTheOthersLeave) {
  EXPECT_EQ(ClientConnections(1'048'576, 10'000, 256).value(), 10'000U);
  EXPECT_EQ(ClientConnections(2'048, 10'000, 256).value(), 1'024U);
  EXPECT_EQ(ClientConnections(1'040, 10'000, 256).value(), 16U);
}

TEST(Descriptors, TooFewAreAnErrorThatSaysWhatToDo) {
  for (const std::uint64_t descriptors : {0U, 256U, 1'039U}) {
    const auto result = ClientConnections(descriptors, 10'000, 256);
    ASSERT_FALSE(result) << descriptors;
    EXPECT_NE(result.error().message.find("ulimit -n"), std::string::npos);
  }
}

TEST(Descriptors, TheLimitIsRaisedAndStays) {
  const std::uint64_t raised = RaiseDescriptorLimit();
  EXPECT_GT(raised, 0U);
  EXPECT_EQ(RaiseDescriptorLimit(), raised);
}

}  // namespace
}  // namespace gateway::app

// SPDX-License-Identifier: Apache-2.0
//
// context.ip and context.direct: contract cases 64 and 65.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/normalize/normalize_fixture.h"

namespace gateway::normalize {
namespace {

struct IpCase {
  const char* name;
  bool client_side;
  const char* ip;
  const char* item;      ///< Its context; "" for none.
  const char* envelope;  ///< The batch's.
  const char* expected;  ///< The event's context, byte for byte; "" for none.
};

class IpTest : public testing::TestWithParam<IpCase> {};

TEST_P(IpTest, Becomes) {
  const IpCase& c = GetParam();
  const auto member = [](std::string_view context) {
    return context.empty() ? std::string() : fmt::format(R"(,"context":{})", context);
  };
  RequestContext request = TestRequest();
  request.client_ip = c.ip;
  request.client_side = c.client_side;
  const std::string event =
      fmt::format(R"({{"type":"page","messageId":"m","timestamp":"2026-01-02","userId":"u"{}}})",
                  member(c.expected));
  const std::string item =
      fmt::format(R"({{"type":"page","messageId":"m","timestamp":"2026-01-02","userId":"u"{}}})",
                  member(c.item));
  EXPECT_EQ(OneOf(NormalizeAs(request, Route::kBatch,
                              fmt::format(R"({{"batch":[{}]{}}})", item, member(c.envelope)))),
            event);
  if (*c.envelope != '\0') return;
  EXPECT_EQ(OneOf(NormalizeAs(request, Route::kPage, item)), event);
}

#define LIB "\"library\":{\"name\":\"segment-gateway\",\"version\":\"" GW_VERSION "\"}"
INSTANTIATE_TEST_SUITE_P(
    Cases, IpTest,
    testing::Values(
        IpCase{"C64BrowserWithoutIp", true, "203.0.113.9", R"({"library":0,"page":{}})", "",
               R"({"ip":"203.0.113.9","library":0,"page":{}})"},
        IpCase{"C64BrowserWithoutContext", true, "203.0.113.9", "", "",
               R"({"ip":"203.0.113.9",)" LIB "}"},
        IpCase{"C64BrowserWithNullContext", true, "203.0.113.9", "null", "",
               R"({"ip":"203.0.113.9",)" LIB "}"},
        IpCase{"C64BrowserWithEmptyContext", true, "203.0.113.9", "{ }", "",
               R"({"ip":"203.0.113.9",)" LIB " }"},
        IpCase{"C64ExistingIp", true, "203.0.113.9", R"({ "ip" : "1.2.3.4","library":0})", "",
               R"({ "ip" : "1.2.3.4","library":0})"},
        IpCase{"C64ExistingIpWithEscapes", true, "203.0.113.9", R"({"\u0069p":"","library":0})", "",
               R"({"\u0069p":"","library":0})"},
        IpCase{"C64NullIpIsAnAnswer", true, "203.0.113.9", R"({"ip":null,"library":0})", "",
               R"({"ip":null,"library":0})"},
        IpCase{"C64IpOfTheEnvelope", true, "203.0.113.9", R"({"library":0})", R"({"ip":"1.2.3.4"})",
               R"({"library":0,"ip":"1.2.3.4"})"},
        IpCase{"C64NestedIpIsNone", true, "203.0.113.9", R"({"library":{"ip":1,"direct":true}})",
               "", R"({"ip":"203.0.113.9","library":{"ip":1,"direct":true}})"},
        IpCase{"C64OnlyEnvelope", true, "203.0.113.9", "", R"({"library":0})",
               R"({"ip":"203.0.113.9","library":0})"},
        IpCase{"BrowserOverIpv6", true, "", R"({"library":0})", "", R"({"library":0})"},
        IpCase{"BackendGetsNone", false, "203.0.113.9", R"({"library":0})", "", R"({"library":0})"},
        IpCase{"C65Direct", false, "203.0.113.9", R"({"library":0,"direct":true,"a":1})", "",
               R"({"ip":"203.0.113.9","library":0,"a":1})"},
        IpCase{"C65DirectAlone", false, "203.0.113.9", R"({"direct":true})", "",
               R"({"ip":"203.0.113.9",)" LIB "}"},
        IpCase{"C65DirectWithIp", false, "203.0.113.9",
               R"({"direct":true,"ip":"1.2.3.4","library":0})", "",
               R"({"ip":"1.2.3.4","library":0})"},
        IpCase{"C65DirectOverIpv6", false, "", R"({"direct":true,"library":0})", "",
               R"({"library":0})"},
        IpCase{"C65DirectWithEscapes", false, "203.0.113.9", R"({"dir\u0065ct":true,"library":0})",
               "", R"({"ip":"203.0.113.9","library":0})"},
        IpCase{"C65OtherValuesStay", false, "203.0.113.9", R"({"direct":"true","library":0})", "",
               R"({"direct":"true","library":0})"},
        IpCase{"C65FalseStays", true, "203.0.113.9", R"({"direct":false,"library":0})", "",
               R"({"ip":"203.0.113.9","direct":false,"library":0})"},
        IpCase{"C65LastDirectCounts", false, "203.0.113.9",
               R"({"direct":true,"direct":false,"library":0})", "",
               R"({"direct":true,"direct":false,"library":0})"},
        IpCase{"C65RepeatedDirect", false, "203.0.113.9",
               R"({"direct":false,"direct":true,"library":0})", "",
               R"({"ip":"203.0.113.9","library":0})"},
        IpCase{"C65DirectOfTheEnvelope", false, "203.0.113.9", R"({"library":0})",
               R"({"direct":true,"a":1})", R"({"ip":"203.0.113.9","library":0,"a":1})"},
        IpCase{"C65DirectOfTheEnvelopeAlone", false, "203.0.113.9", "",
               R"({"direct":true,"library":0,"device":{"direct":true}})",
               R"({"ip":"203.0.113.9","library":0,"device":{"direct":true}})"},
        IpCase{"C65DirectOfBoth", false, "203.0.113.9", R"({"direct":true,"library":0})",
               R"({"a":{"direct":true},"direct":true})",
               R"({"ip":"203.0.113.9","library":0,"a":{"direct":true}})"},
        IpCase{"C65ItemSaysNo", false, "203.0.113.9", R"({"direct":false,"library":0})",
               R"({"direct":true})", R"({"direct":false,"library":0})"},
        IpCase{"C65ItemSaysYes", false, "203.0.113.9", R"({"direct":true,"library":0})",
               R"({"direct":false,"ip":"1.2.3.4"})", R"({"library":0,"ip":"1.2.3.4"})"}),
    [](const testing::TestParamInfo<IpCase>& info) { return info.param.name; });
#undef LIB

TEST(Ip, IsAddedOnlyWhereItFits) {
  RequestContext request = TestRequest();
  request.client_ip = "203.0.113.9";
  request.client_side = true;
  const auto body = [](std::size_t size) {
    std::string text = R"({"userId":"u","properties":{"p":")";
    return text + std::string(size - text.size() - 3, '.') + "\"}}";
  };
  const std::string full = OneOf(NormalizeAs(request, Route::kPage, body(32768)));
  EXPECT_TRUE(full.starts_with("{"));
  EXPECT_EQ(full.find("\"ip\""), std::string::npos);
  const std::string roomy = OneOf(NormalizeAs(request, Route::kPage, body(32600)));
  EXPECT_NE(roomy.find(R"("ip":"203.0.113.9")"), std::string::npos);
  EXPECT_EQ(roomy.find("segment-gateway"), std::string::npos) << "the address comes first";
}

}  // namespace
}  // namespace gateway::normalize

// SPDX-License-Identifier: Apache-2.0
#include "gateway/deliver/segment_request.h"

#include <string>
#include <string_view>

#include "common/strings.h"

namespace gateway::deliver {
namespace {

constexpr std::string_view kHead = R"({"batch":[)";

std::string Tail(const common::Secret& write_key, common::WallTime now) {
  std::string tail = R"(],"writeKey":)";
  common::AppendJsonString(tail, write_key.Reveal());
  tail += R"(,"sentAt":")";
  tail += common::FormatTimestamp(now);
  tail += R"("})";
  return tail;
}

}  // namespace

std::size_t EnvelopeBytes(const pipeline::Tenant& tenant) {
  return kHead.size() + Tail(tenant.write_key, common::WallTime{}).size();
}

pipeline::OutgoingRequest BuildRequest(const pipeline::Tenant& tenant,
                                       const pipeline::ReadBatch& batch, std::uint32_t retry_count,
                                       common::Duration timeout, common::WallTime now) {
  const std::string tail = Tail(tenant.write_key, now);
  std::string body;
  body.reserve(kHead.size() + batch.bytes + batch.slices.size() + tail.size());
  body += kHead;
  bool first = true;
  for (const pipeline::ChunkSlice& slice : batch.slices) {
    if (!first) body += ',';
    first = false;
    body += slice.Bytes();
  }
  body += tail;
  return {.endpoint = tenant.endpoint,
          .path = "/v1/batch",
          .basic_user = tenant.write_key,
          .retry_count = retry_count,
          .body = std::move(body),
          .timeout = timeout};
}

}  // namespace gateway::deliver

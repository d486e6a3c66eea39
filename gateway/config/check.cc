// SPDX-License-Identifier: Apache-2.0
#include "gateway/config/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include "gateway/config/scalar.h"

namespace gateway::config {
namespace {

/// Texts that may occur once, with the path where each was seen first. Messages name the
/// paths and never the texts, which are keys as often as not.
class Unique {
 public:
  Unique(std::string_view what, Findings& findings) : what_(what), findings_(findings) {}

  /// An empty text is one that was missing or wrong, and reported as such.
  void Add(std::string_view text, const std::string& path) {
    if (text.empty()) return;
    const auto [first, inserted] = seen_.emplace(text, path);
    if (inserted) return;
    const std::string& other = first->second;
    findings_.Error(path, fmt::format("the same {} is used by {} (line {}); allowed: once", what_,
                                      other, findings_.At(other).line));
  }

 private:
  std::string_view what_;
  Findings& findings_;
  std::unordered_map<std::string_view, std::string> seen_;
};

std::string EntryPath(std::string_view list, std::size_t index) {
  return fmt::format("{}[{}]", list, index);
}

void CheckNames(const Config& config, Findings& findings) {
  Unique ids("id", findings);
  for (std::size_t i = 0; i < config.tenants.size(); ++i) {
    ids.Add(config.tenants[i].id, EntryPath("tenants", i) + ".id");
  }
  Unique services("name", findings);
  for (std::size_t i = 0; i < config.service_keys.size(); ++i) {
    services.Add(config.service_keys[i].name, EntryPath("service_keys", i) + ".name");
  }
  Unique tokens("name", findings);
  for (std::size_t i = 0; i < config.admin.tokens.size(); ++i) {
    tokens.Add(config.admin.tokens[i].name, EntryPath("admin.tokens", i) + ".name");
  }
}

/// A key says who the caller is, so it may stand for one tenant or service only; and a
/// token that is also a key would be known to people who must not have it.
void CheckKeys(const Config& config, Findings& findings) {
  Unique keys("key", findings);
  for (std::size_t i = 0; i < config.admin.tokens.size(); ++i) {
    keys.Add(config.admin.tokens[i].token.Reveal(), EntryPath("admin.tokens", i) + ".token");
  }
  for (std::size_t i = 0; i < config.tenants.size(); ++i) {
    const std::string list = EntryPath("tenants", i) + ".ingest_keys";
    for (std::size_t k = 0; k < config.tenants[i].ingest_keys.size(); ++k) {
      keys.Add(config.tenants[i].ingest_keys[k].key.Reveal(), EntryPath(list, k));
    }
  }
  for (std::size_t i = 0; i < config.service_keys.size(); ++i) {
    keys.Add(config.service_keys[i].key.Reveal(), EntryPath("service_keys", i) + ".key");
  }
}

bool LooksLikeWriteKey(std::string_view key) {
  const auto alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return key.size() == 32 && std::all_of(key.begin(), key.end(), alphanumeric);
}

std::string EndpointNames(const Config& config) {
  std::string names;
  for (const auto& [name, endpoint] : config.segment.endpoints) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names;
}

void CheckTenant(const Config& config, const Tenant& tenant, const std::string& path,
                 Findings& findings) {
  const TenantSegment& segment = tenant.segment;
  const std::string write_key = path + ".segment.write_key";
  const bool enabled = segment.enabled && !findings.IsBroken(path + ".segment.enabled");
  if (enabled && !findings.Has(write_key)) {
    findings.Error(write_key,
                   "is missing; allowed: the write key of the tenant's source in Segment, or "
                   "none with segment.enabled: false");
  }
  if (!segment.write_key.empty() && !LooksLikeWriteKey(segment.write_key.Reveal())) {
    findings.Warn(write_key,
                  "does not look like a Segment write key (32 letters and digits); Segment "
                  "answers 200 to some wrong keys and drops the events");
  }
  const TenantDelivery& own = tenant.delivery;
  const Retry& retry = config.delivery.retry;
  const common::Duration none{};
  const common::Duration initial = own.retry_initial != none ? own.retry_initial : retry.initial;
  const common::Duration longest = own.retry_max != none ? own.retry_max : retry.max;
  if ((own.retry_initial != none || own.retry_max != none) && initial > longest) {
    findings.Error(path + ".delivery.retry.max",
                   fmt::format("{} is less than the first wait; allowed: {} or more",
                               FormatDuration(longest), FormatDuration(initial)));
  }
  if (own.request_timeout != none && own.request_timeout < config.delivery.connect_timeout) {
    findings.Error(path + ".delivery.request_timeout",
                   fmt::format("{} is less than delivery.connect_timeout, which it includes; "
                               "allowed: {} or more",
                               FormatDuration(own.request_timeout),
                               FormatDuration(config.delivery.connect_timeout)));
  }
  const bool known = config.segment.endpoints.contains(segment.region);
  if (!known && !findings.IsBroken("segment.endpoints." + segment.region)) {
    findings.Error(
        path + ".segment.region",
        fmt::format("is no name of segment.endpoints; allowed: {}", EndpointNames(config)));
  }
}

void CheckEndpoints(const Config& config, Findings& findings) {
  for (const auto& [name, endpoint] : config.segment.endpoints) {
    const bool local =
        endpoint.host == "localhost" || endpoint.host == "::1" || endpoint.host.starts_with("127.");
    if (!endpoint.tls && !endpoint.host.empty() && !local) {
      findings.Warn("segment.endpoints." + name,
                    "is not https: write keys and events cross the network in clear");
    }
  }
}

void CheckListeners(const Config& config, Findings& findings) {
  const ListenAddress& ingest = config.ingest.listen;
  if (ingest.port != 0 && ingest == config.admin.listen) {
    findings.Error("admin.listen", "is where ingest.listen is; allowed: another port");
  }
  const bool certificate = !config.ingest.tls.certificate.empty();
  const bool key = !config.ingest.tls.key.empty();
  if (certificate != key) {
    const std::string missing = certificate ? "ingest.tls.key" : "ingest.tls.certificate";
    if (!findings.Has(missing)) {
      findings.Error(missing, "is missing; allowed: both certificate and key, or neither");
    }
  }
}

void CheckStorage(const Storage& storage, Findings& findings) {
  // What the store has in memory has to fit on the disk before it takes writes again.
  constexpr std::uint64_t kRoomForCommits = 32 << 20;
  const std::uint64_t needed = 2 * storage.write_buffer + kRoomForCommits;
  if (storage.min_free_disk < needed && !findings.IsBroken("storage.min_free_disk")) {
    findings.Warn("storage.min_free_disk",
                  fmt::format("is less than {}, which the store needs to recover from a full disk "
                              "(twice storage.write_buffer, and 32MiB): then delivery stops too "
                              "until somebody frees space",
                              FormatSize(needed)));
  }
}

void CheckDelivery(const Delivery& delivery, Findings& findings) {
  if (delivery.tenant_events_per_second > 0 &&
      delivery.tenant_burst_events < delivery.max_batch_events) {
    findings.Error("delivery.tenant_burst_events",
                   fmt::format("{} is less than delivery.max_batch_events, so no full batch could "
                               "ever go; allowed: {} or more",
                               delivery.tenant_burst_events, delivery.max_batch_events));
  }
  if (delivery.retry.initial > delivery.retry.max) {
    findings.Error(
        "delivery.retry.max",
        fmt::format("{} is less than delivery.retry.initial; allowed: {} or more",
                    FormatDuration(delivery.retry.max), FormatDuration(delivery.retry.initial)));
  }
  if (delivery.endpoint.probe_initial > delivery.endpoint.probe_max) {
    findings.Error(
        "delivery.endpoint.probe_max",
        fmt::format("{} is less than delivery.endpoint.probe_initial; allowed: {} or more",
                    FormatDuration(delivery.endpoint.probe_max),
                    FormatDuration(delivery.endpoint.probe_initial)));
  }
  if (delivery.connect_timeout > delivery.request_timeout) {
    findings.Error("delivery.request_timeout",
                   fmt::format("{} is less than delivery.connect_timeout, which it includes; "
                               "allowed: {} or more",
                               FormatDuration(delivery.request_timeout),
                               FormatDuration(delivery.connect_timeout)));
  }
}

}  // namespace

void Check(const Config& config, Findings& findings) {
  CheckListeners(config, findings);
  CheckEndpoints(config, findings);
  CheckStorage(config.storage, findings);
  CheckDelivery(config.delivery, findings);
  CheckNames(config, findings);
  CheckKeys(config, findings);
  for (std::size_t i = 0; i < config.tenants.size(); ++i) {
    CheckTenant(config, config.tenants[i], EntryPath("tenants", i), findings);
  }
  if (!findings.Has("tenants") || config.tenants.empty()) {
    findings.Warn("tenants", "there are none, so every event is refused");
  }
  for (std::size_t i = 0; i < config.admin.tokens.size(); ++i) {
    const std::size_t length = config.admin.tokens[i].token.Reveal().size();
    if (length > 0 && length < 16) {
      findings.Warn(EntryPath("admin.tokens", i) + ".token",
                    "is short enough to be guessed; 16 characters or more are better");
    }
  }
}

}  // namespace gateway::config

// SPDX-License-Identifier: Apache-2.0
// What a wrong file is told: the exact texts, since people and their scripts read them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gateway/config/load.h"

namespace gateway::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::optional<std::string> FakeEnv(std::string_view name) {
  if (name == "SECRET") return "top-secret";
  if (name == "BLANK") return "top secret";
  if (name == "EMPTY") return "";
  return std::nullopt;
}

/// The errors of `text`, without the file's name.
std::vector<std::string> Errors(std::string_view text) {
  const LoadResult result = LoadText("f", text, FakeEnv);
  std::vector<std::string> lines;
  if (result) return lines;
  for (const Problem& problem : result.error()) lines.push_back(problem.ToString().substr(2));
  return lines;
}

struct Case {
  std::string_view text;
  std::string_view error;
};

TEST(LoadErrorsTest, OneWrongValue) {
  const Case cases[] = {
      {"ingest: { listen: 8080 }",
       "1:19: ingest.listen: '8080' is not an address with a port; allowed: address:port, "
       "[ipv6]:port or :port"},
      {"ingest: { max_connections: many }",
       "1:28: ingest.max_connections: 'many' is not a whole number; allowed: 1 to 1000000"},
      {"ingest: { max_connections: 0 }",
       "1:28: ingest.max_connections: '0' is out of range; allowed: 1 to 1000000"},
      {"ingest: { max_connections: 99999999999999999999 }",
       "1:28: ingest.max_connections: '99999999999999999999' is out of range; allowed: 1 to "
       "1000000"},
      {"ingest:\n  max_request_bytes: 1GB",
       "2:22: ingest.max_request_bytes: '1GB' is out of range; allowed: 32KiB to 512KiB"},
      {"ingest:\n  max_request_bytes: 64K",
       "2:22: ingest.max_request_bytes: '64K' is not a size such as 475000, 512KiB or 64MiB; "
       "allowed: 32KiB to 512KiB"},
      {"ingest: { body_timeout: 5 }",
       "1:25: ingest.body_timeout: '5' is not a duration such as 250ms, 5s or 1h; allowed: 100ms "
       "to 10m"},
      {"tenants: [ { id: a, segment: { enabled: false }, delivery: { request_timeout: 1ms } } ]",
       "1:79: tenants[0].delivery.request_timeout: '1ms' is out of range; allowed: 0 or 100ms to "
       "5m"},
      {"delivery: { max_batch_bytes: 500001 }",
       "1:30: delivery.max_batch_bytes: '500001' is out of range; allowed: 64KiB to 500000"},
      {"delivery: { max_batch_events: 2501 }",
       "1:31: delivery.max_batch_events: '2501' is out of range; allowed: 1 to 2500"},
      {"delivery: { retry: { jitter: 1.1 } }",
       "1:30: delivery.retry.jitter: '1.1' is out of range; allowed: 0 to 1"},
      {"delivery: { retry: { jitter: nan } }",
       "1:30: delivery.retry.jitter: 'nan' is not a number; allowed: 0 to 1"},
      {"log: { level: loud }",
       "1:15: log.level: 'loud' is not one of the names; allowed: debug, info, warning or error"},
      {"log: { level: }", "1:8: log.level: has no value; allowed: debug, info, warning or error"},
      {"log: { level: ~ }", "1:8: log.level: has no value; allowed: debug, info, warning or error"},
      {"log: { level: [info] }",
       "1:15: log.level: is a list; allowed: debug, info, warning or error"},
      {"log: { level: {a: 1} }",
       "1:15: log.level: is a mapping; allowed: debug, info, warning or error"},
      {"log: { level: \"\" }",
       "1:15: log.level: '' is empty; allowed: debug, info, warning or error"},
      {"storage: { path: \"\" }", "1:18: storage.path: '' is empty; allowed: a path"},
      {"storage: { path: \"a\\0b\" }",
       "1:18: storage.path: 'a?b' holds a zero byte; allowed: a path"},
      {"log: 5", "1:6: log: is a single value; allowed: a mapping with level, format"},
      {"delivery: { retry: 5s }",
       "1:20: delivery.retry: is a single value; allowed: a mapping with initial, multiplier, max, "
       "jitter"},
      {"segment: { endpoints: { own: ftp://x } }",
       "1:30: segment.endpoints.own: 'ftp://x' is not an endpoint: it must start with https:// (or "
       "http:// for a test server); allowed: https://host[:port][/path]"},
      {"segment: { endpoints: { \"a b\": https://x } }",
       "1:25: segment.endpoints: the name of an endpoint is not valid; allowed: 1 to 128 of A-Z "
       "a-z 0-9 . _ -"},
      {"segment: { endpoints: [ https://x ] }",
       "1:23: segment.endpoints: is a list; allowed: a mapping of names to "
       "https://host[:port][/path]"},
      {"secrets: { master_key: aGVsbG8= }",
       "1:24: secrets.master_key: the value holds 5 bytes; allowed: base64 of 32 bytes"},
      {"secrets: { master_key: \"%%\" }",
       "1:24: secrets.master_key: the value is not base64; allowed: base64 of 32 bytes"},
      {"tenants: { acme: {} }", "1:10: tenants: is a mapping; allowed: a list of mappings"},
      {"tenants: [ acme ]",
       "1:12: tenants[0]: is a single value; allowed: a mapping with id, ingest_keys, paused, "
       "strict, message_ids, dedupe, limits, retention, delivery, segment"},
      {"ingest: { trusted_proxies: [ 10.0.0.0/33 ] }",
       "1:30: ingest.trusted_proxies[0]: '10.0.0.0/33' is not an address or network; allowed: a "
       "list of addresses or networks, [10.0.0.0/8, 192.0.2.1]"},
      {"ingest: { allowed_origins: [ app.example.com ] }",
       "1:30: ingest.allowed_origins[0]: 'app.example.com' is not an origin; allowed: a list of "
       "origins, [https://app.example.com], or [\"*\"]"},
      {"service_keys: [ { name: b, key: k, unknown_tenant: drop } ]",
       "1:52: service_keys[0].unknown_tenant: 'drop' is not one of the names; allowed: reject or "
       "ignore"},
      {"tenants: [ { id: a, segment: off } ]",
       "1:30: tenants[0].segment: is a single value; allowed: a mapping with write_key, region, "
       "enabled"},
      {"tenants: [ { id: a, segment: { enabled: off } } ]",
       "1:41: tenants[0].segment.enabled: 'off' is neither true nor false; allowed: true or false"},
      {"service_keys: [ { name: a b, key: k } ]",
       "1:25: service_keys[0].name: 'a b' is not a valid name; allowed: 1 to 128 of A-Z a-z 0-9 . "
       "_ -"},
      {"admin: { tokens: [ { name: a, role: root, token: t } ] }",
       "1:37: admin.tokens[0].role: 'root' is not one of the names; allowed: viewer, operator or "
       "admin"},
  };
  for (const Case& c : cases) EXPECT_THAT(Errors(c.text), ElementsAre(c.error)) << c.text;
}

TEST(LoadErrorsTest, Keys) {
  const Case cases[] = {
      {"ingest:\n  lisen: :1", "2:3: ingest.lisen: unknown key, did you mean 'listen'?"},
      {"ingest: { max-connections: 5 }",
       "1:11: ingest.max-connections: unknown key, did you mean 'max_connections'?"},
      {"Log: {}", "1:1: Log: unknown key, did you mean 'log'?"},
      {"listen: :1",
       "1:1: listen: unknown key here, did you mean 'ingest.listen' or 'admin.listen'?"},
      {"log: { colour: red }", "1:8: log.colour: unknown key; allowed: level, format"},
      {"log.level: info",
       "1:1: log.level: unknown key; allowed: ingest, admin, storage, retention, segment, "
       "delivery, "
       "shutdown, log, secrets, tenants, service_keys"},
      {"log: { level: info, level: debug }",
       "1:21: log.level: is given twice (first on line 1); allowed: once"},
      {"log: {}\nlog: {}", "2:1: log: is given twice (first on line 1); allowed: once"},
      {"segment:\n  endpoints:\n    a: https://x\n    a: https://y",
       "4:5: segment.endpoints.a: is given twice (first on line 3); allowed: once"},
      {"? [a]\n: 1", "1:3: a key must be a single word"},
      {"log: { \"le\\nvel\": info }", "1:8: log.le?vel: unknown key, did you mean 'level'?"},
      {"tenants: [ { id: a, segment: { enabled: false }, name: A } ]",
       "1:50: tenants[0].name: unknown key; allowed: id, ingest_keys, paused, strict, "
       "message_ids, dedupe, limits, retention, delivery, segment"},
      {"tenants: [ { id: a, segment: { enabled: false }, ingest_keys: [ { name: n } ] } ]",
       "1:65: tenants[0].ingest_keys[0].key: is missing; allowed: 1 to 256 visible ASCII "
       "characters "
       "without ':'"},
  };
  for (const Case& c : cases) EXPECT_THAT(Errors(c.text), ElementsAre(c.error)) << c.text;
}

TEST(LoadErrorsTest, BetweenValues) {
  const Case cases[] = {
      {"ingest: { listen: :1 }\nadmin: { listen: 0.0.0.0:1 }",
       "2:18: admin.listen: is where ingest.listen is; allowed: another port"},
      {"ingest: { tls: { certificate: c.pem } }",
       "1:11: ingest.tls.key: is missing; allowed: both certificate and key, or neither"},
      {"ingest: { tls: { key: k.pem } }",
       "1:11: ingest.tls.certificate: is missing; allowed: both certificate and key, or neither"},
      {"delivery: { tenant_burst_events: 999 }",
       "1:34: delivery.tenant_burst_events: 999 is less than delivery.max_batch_events, so no "
       "full batch could ever go; allowed: 1000 or more"},
      {"tenants: [ { id: a, segment: { enabled: false }, delivery: { request_timeout: 1s } } ]",
       "1:79: tenants[0].delivery.request_timeout: 1s is less than delivery.connect_timeout, which "
       "it includes; allowed: 5s or more"},
      {"delivery: { endpoint: { probe_initial: 2m } }",
       "1:13: delivery.endpoint.probe_max: 30s is less than delivery.endpoint.probe_initial; "
       "allowed: 2m "
       "or more"},
      {"tenants: [ { id: a, segment: { enabled: false }, delivery: { retry: { max: 100ms } } } ]",
       "1:76: tenants[0].delivery.retry.max: 100ms is less than the first wait; allowed: 500ms or "
       "more"},
      {"delivery: { retry: { initial: 2s, max: 1s } }",
       "1:40: delivery.retry.max: 1s is less than delivery.retry.initial; allowed: 2s or more"},
      {"delivery: { request_timeout: 4s }",
       "1:30: delivery.request_timeout: 4s is less than delivery.connect_timeout, which it "
       "includes; allowed: 5s or more"},
      {"tenants:\n  - { id: a, segment: { enabled: false } }\n  - { id: a, segment: { enabled: "
       "false } }",
       "3:11: tenants[1].id: the same id is used by tenants[0].id (line 2); allowed: once"},
      {"tenants:\n  - id: a",
       "2:5: tenants[0].segment.write_key: is missing; allowed: the write key of the tenant's "
       "source in Segment, or none with segment.enabled: false"},
      {"tenants:\n  - { id: a, segment: { enabled: false, region: mars } }",
       "2:49: tenants[0].segment.region: is no name of segment.endpoints; allowed: eu, us"},
      {"tenants:\n  - { segment: { enabled: false } }",
       "2:5: tenants[0].id: is missing; allowed: 1 to 128 of A-Z a-z 0-9 . _ -"},
      {"service_keys: [ { name: a, key: k1 }, { name: a, key: k2 } ]",
       "1:47: service_keys[1].name: the same name is used by service_keys[0].name (line 1); "
       "allowed: once"},
      {"admin: { tokens: [ { name: a, role: viewer, token: k1 }, { name: a, role: admin, token: "
       "k2 } ] }",
       "1:66: admin.tokens[1].name: the same name is used by admin.tokens[0].name (line 1); "
       "allowed: once"},
      {"admin: { tokens: [ { name: a, token: k1 } ] }",
       "1:20: admin.tokens[0].role: is missing; allowed: viewer, operator or admin"},
  };
  for (const Case& c : cases) EXPECT_THAT(Errors(c.text), ElementsAre(c.error)) << c.text;
}

TEST(LoadErrorsTest, ABurstNeedNotHoldABatchWithoutARate) {
  EXPECT_THAT(Errors("delivery: { tenant_events_per_second: 0, tenant_burst_events: 1 }"),
              testing::IsEmpty());
}

TEST(LoadErrorsTest, OneKeyForTwoIsRefusedAndNotShown) {
  const std::vector<std::string> errors = Errors(R"(
admin: { tokens: [ { name: ops, role: admin, token: hidden-3 } ] }
tenants:
  - id: a
    ingest_keys: [ hidden-1, hidden-1 ]
    segment: { enabled: false }
  - id: b
    ingest_keys: [ hidden-1, hidden-3 ]
    segment: { enabled: false }
service_keys:
  - { name: s, key: hidden-1 }
)");
  EXPECT_THAT(errors, ElementsAre("5:30: tenants[0].ingest_keys[1]: the same key is used by "
                                  "tenants[0].ingest_keys[0] (line 5); allowed: once",
                                  "8:20: tenants[1].ingest_keys[0]: the same key is used by "
                                  "tenants[0].ingest_keys[0] (line 5); allowed: once",
                                  "8:30: tenants[1].ingest_keys[1]: the same key is used by "
                                  "admin.tokens[0].token (line 2); allowed: once",
                                  "11:21: service_keys[0].key: the same key is used by "
                                  "tenants[0].ingest_keys[0] (line 5); allowed: once"));
}

TEST(LoadErrorsTest, References) {
  const Case cases[] = {
      {"log: { level: \"${NOPE}\" }", "1:15: log.level: the environment variable NOPE is not set"},
      {"ingest:\n  listen: 127.0.0.1:${NOPE}",
       "2:11: ingest.listen: the environment variable NOPE is not set"},
      {"log: { level: \"${file:/no/such/file}\" }",
       "1:15: log.level: ${file:/no/such/file} cannot be read: No such file or directory"},
      {"log: { level: \"${oops\" }",
       "1:15: log.level: ${ has no closing }; write $${ for a plain ${"},
      {"service_keys: [ { name: a, key: \"${EMPTY}\" } ]",
       "1:33: service_keys[0].key: the value is empty; allowed: 1 to 256 visible ASCII characters "
       "without ':'"},
  };
  for (const Case& c : cases) EXPECT_THAT(Errors(c.text), ElementsAre(c.error)) << c.text;
}

TEST(LoadErrorsTest, NoErrorShowsASecretOrAnExpandedValue) {
  // Each text is wrong and holds "secret" where a value that is not shown stands.
  const std::string_view texts[] = {
      "log: { level: \"${SECRET}\" }",
      "storage: { hot_tail: \"x${SECRET}\" }",
      "ingest: { listen: \"${SECRET}\" }",
      "segment: { endpoints: { a: \"${SECRET}\" } }",
      "segment: { endpoints: { a: https://top-secret@host } }",
      "tenants: [ { id: \"${BLANK}\", segment: { enabled: false } } ]",
      "tenants: [ { id: a, segment: { enabled: false, region: \"${SECRET}\" } } ]",
      "tenants: [ { id: a, segment: { write_key: \"top secret\" } } ]",
      "tenants: [ { id: a, ingest_keys: [ \"top:secret\" ], segment: { enabled: false } } ]",
      "tenants: [ { id: a, ingest_keys: top-secret, segment: { enabled: false } } ]",
      "service_keys: [ { name: a, key: \"${BLANK}\" } ]",
      "service_keys: [ top-secret ]",
      "secrets: { master_key: top-secret }",
      "log: { level: \"${top secret}\" }",
      "service_keys: [ { name: a, key: *top-secret } ]",
  };
  for (const std::string_view text : texts) {
    const std::vector<std::string> errors = Errors(text);
    ASSERT_EQ(errors.size(), 1U) << text;
    EXPECT_THAT(errors[0], Not(HasSubstr("top"))) << text;
  }
}

TEST(LoadErrorsTest, TextThatIsNotYaml) {
  const Case cases[] = {
      {"ingest: { listen: :1", "1:1: this is not YAML: end of map flow not found"},
      {"log:\n\tlevel: info", "2:7: this is not YAML: illegal map value"},
      {"tenants: [ ${KEY} ]",
       "1:13: this is not YAML: end of sequence flow not found; inside [ ] and { } a ${...} needs "
       "quotes: \"${NAME}\""},
      {"a: *missing", "1:4: this is not YAML: the referenced anchor is not defined"},
      {"- a",
       "1:1: is a list; allowed: a mapping with ingest, admin, storage, retention, segment, "
       "delivery, "
       "shutdown, log, secrets, tenants, service_keys"},
      {"hello",
       "1:1: is a single value; allowed: a mapping with ingest, admin, storage, retention, "
       "segment, "
       "delivery, shutdown, log, secrets, tenants, service_keys"},
      {"log: {}\n---\nlog: {}", "3:1: a second YAML document starts before this; allowed: one"},
      {"# \xC3\xBC\nlog:\n  level: \"info\ntenants: []\n",
       "3:10: log.level: the quote that opens here is never closed"},
      {"log:\n  level: 'info''\n", "2:10: log.level: the quote that opens here is never closed"},
  };
  for (const Case& c : cases) EXPECT_THAT(Errors(c.text), ElementsAre(c.error)) << c.text;
}

TEST(LoadErrorsTest, QuotesInsideAQuotedValueAreNoTrap) {
  EXPECT_THAT(Errors("storage: { path: 'it''s' }"), testing::IsEmpty());
  EXPECT_THAT(Errors(R"(storage: { path: "a\"b" })"), testing::IsEmpty());
}

TEST(LoadErrorsTest, DeepNestingIsAnErrorAndNoCrash) {
  EXPECT_EQ(Errors(std::string(100'000, '[')).size(), 1U);
  EXPECT_EQ(Errors(std::string(100'000, '{')).size(), 1U);
}

TEST(LoadErrorsTest, EverythingAtOnceByLine) {
  EXPECT_THAT(Errors(R"(service_keys: [ { name: b } ]
tenants:
  - ingest_keys: [ "a b" ]
    paused: yes
    segmnt: {}
ingest:
  lisen: x
  body_timeout: 5x
)"),
              ElementsAre("1:17: service_keys[0].key: is missing; allowed: 1 to 256 visible ASCII "
                          "characters without ':'",
                          "3:5: tenants[0].id: is missing; allowed: 1 to 128 of A-Z a-z 0-9 . _ -",
                          "3:5: tenants[0].segment.write_key: is missing; allowed: the write key "
                          "of the tenant's source in Segment, or none with segment.enabled: false",
                          "3:20: tenants[0].ingest_keys[0]: the value is not a valid key; allowed: "
                          "1 to 256 visible ASCII characters without ':'",
                          "4:13: tenants[0].paused: 'yes' is neither true nor false; allowed: true "
                          "or false",
                          "5:5: tenants[0].segmnt: unknown key, did you mean 'segment'?",
                          "7:3: ingest.lisen: unknown key, did you mean 'listen'?",
                          "8:17: ingest.body_timeout: '5x' is not a duration such as 250ms, 5s or "
                          "1h; allowed: 100ms to 10m"));
}

TEST(LoadErrorsTest, LongTextsAreCut) {
  const std::vector<std::string> errors = Errors("log: { level: " + std::string(5000, 'x') + " }");
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_LT(errors[0].size(), 200U);
}

}  // namespace
}  // namespace gateway::config

# SPDX-License-Identifier: Apache-2.0
"""Cases 1 to 31: credentials, paths, encodings and sizes."""

import gzip
import json

import harness
from conformance.world import assert_error, assert_ok, case, chunked, iso, now


@case(1)
def basic_authorization(world):
    message_id = world.id()
    assert_ok(world.track(messageId=message_id))
    world.arrived(message_id)


@case(2)
def write_key_in_the_body(world):
    message_id = world.id()
    assert_ok(world.send("/v1/track", {"userId": "u", "event": "e", "messageId": message_id,
                                       "writeKey": harness.ingest_key("acme")}, auth=False))
    assert "writeKey" not in world.arrived(message_id)


@case(3)
def basic_without_colon(world):
    answer = world.send("/v1/track", {"userId": "u", "event": "e"}, headers={
        "Authorization": harness.basic(harness.ingest_key("acme"), colon=False)})
    assert_ok(answer)


@case(4)
def header_and_body_differ(world):
    message_id, before = world.id(), world.note("foreign_write_key")
    assert_ok(world.track(messageId=message_id, writeKey=harness.ingest_key("globex")))
    assert "writeKey" not in world.arrived(message_id)
    assert world.note("foreign_write_key") == before + 1


@case(5)
def an_item_with_another_tenants_key(world):
    message_id = world.id()
    assert_ok(world.batch({"type": "track", "userId": "u", "event": "e", "messageId": message_id,
                           "writeKey": harness.ingest_key("globex")}))
    assert "writeKey" not in world.arrived(message_id)
    assert message_id not in world.sandbox.ids("globex")


@case(6)
def no_credentials(world):
    assert_error(world.send("/v1/track", {"userId": "u", "event": "e"}, auth=False), 400, 401)


@case(7)
def bearer(world):
    assert_error(world.send("/v1/track", {"userId": "u", "event": "e"},
                            headers={"Authorization": "Bearer x"}), 401)


@case(8)
def the_type_follows_from_the_path(world):
    minimal = {"identify": {}, "group": {"groupId": "g"}, "page": {}, "screen": {},
               "alias": {"previousId": "p"}}
    for path, fields in minimal.items():
        message_id = world.id()
        assert_ok(world.send(f"/v1/{path}", {"userId": "u", "messageId": message_id, **fields}))
        assert world.arrived(message_id)["type"] == path


@case(9)
def the_path_wins_over_the_type(world):
    message_id, before = world.id(), world.note("type_overridden")
    assert_ok(world.track(messageId=message_id, type="page"))
    assert world.arrived(message_id)["type"] == "track"
    assert world.note("type_overridden") == before + 1


@case(10)
def a_batch_of_six_types(world):
    ids = [world.id() for _ in range(6)]
    fields = [{"type": "track", "event": "e"}, {"type": "identify"},
              {"type": "group", "groupId": "g"}, {"type": "page"}, {"type": "screen"},
              {"type": "alias", "previousId": "p"}]
    assert_ok(world.batch(*({**item, "userId": "u", "messageId": message_id}
                            for item, message_id in zip(fields, ids))))
    assert [world.arrived(message_id)["type"] for message_id in ids] == [
        "track", "identify", "group", "page", "screen", "alias"]


@case(11)
def imports(world):
    for path in ("/v1/import", "/v1/import/"):
        message_id = world.id()
        assert_ok(world.send(path, {"batch": [{"type": "track", "userId": "u", "event": "e",
                                               "messageId": message_id}]}))
        world.arrived(message_id)


@case(12)
def short_paths_with_plain_text(world):
    calls = {"t": ("track", {"event": "e"}), "i": ("identify", {}),
             "g": ("group", {"groupId": "g"}), "p": ("page", {}), "s": ("screen", {}),
             "a": ("alias", {"previousId": "p"})}
    for path, (kind, fields) in calls.items():
        message_id = world.id()
        assert_ok(world.send(f"/v1/{path}", {"userId": "u", "messageId": message_id, **fields},
                             headers={"Content-Type": "text/plain"}))
        assert world.arrived(message_id)["type"] == kind


@case(13)
def a_browsers_batch(world):
    message_id, key = world.id(), harness.ingest_key("acme")
    body = {"writeKey": key, "sentAt": iso(now()), "batch": [
        {"type": "track", "event": "e", "anonymousId": "a", "writeKey": key,
         "messageId": message_id}]}
    assert_ok(world.send("/v1/b", body, auth=False, headers={"Content-Type": "text/plain"}))
    assert "writeKey" not in world.arrived(message_id)


@case(14)
def kotlins_batch(world):
    message_id = world.id()
    body = gzip.compress(json.dumps({
        "writeKey": harness.ingest_key("acme"), "sentAt": iso(now()),
        "batch": [{"type": "track", "event": "e", "userId": "u", "messageId": message_id}],
    }).encode())
    raw = harness.Raw(world.gateway.ingest_port)
    raw.send(chunked("/v1/b", body, ["Content-Type: text/plain", "Content-Encoding: gzip"]))
    assert raw.answer() == (200, b'{"success":true}')
    raw.close()
    world.arrived(message_id)


@case(15)
def csharps_batch(world):
    message_id = world.id()
    body = gzip.compress(json.dumps({
        "writeKey": harness.ingest_key("acme"),
        "batch": [{"type": "track", "event": "e", "userId": "u", "messageId": message_id}],
    }).encode())
    raw = harness.Raw(world.gateway.ingest_port)
    raw.send(b"POST /v1/b HTTP/1.1\r\nHost: g\r\nContent-Encoding: gzip\r\n"
             b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    assert raw.answer() == (200, b'{"success":true}')
    raw.close()
    world.arrived(message_id)


@case(16)
def self_metrics(world):
    before = world.stored()
    assert_ok(world.send("/v1/m", {"series": [{"type": "Counter", "metric": "m", "value": 1}]},
                         auth=False, headers={"Content-Type": "text/plain"}))
    assert world.stored() == before


@case(17)
def preflight(world):
    client = harness.Client(world.gateway.ingest_port)
    answer = client.request("OPTIONS", "/v1/t", headers={
        "Origin": "https://shop.example.com", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-retry-count"})
    assert 200 <= answer.status < 300
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]
    for name in ("authorization", "x-retry-count"):
        assert name in answer.headers["access-control-allow-headers"].lower()
    assert int(answer.headers["access-control-max-age"]) >= 3600
    answer = client.request("POST", "/v1/t", {"userId": "u", "event": "e"}, {
        "Origin": "https://shop.example.com", "Content-Type": "text/plain",
        "Authorization": harness.basic(harness.ingest_key("acme"))})
    assert_ok(answer)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Retry-After" in answer.headers["access-control-expose-headers"]


@case(18)
def corrupt_gzip(world):
    body = bytearray(gzip.compress(json.dumps({"userId": "u", "event": "e"}).encode()))
    body[len(body) // 2] ^= 0xFF
    for text in (bytes(body), b"plain", gzip.compress(b"{}")[:-4]):
        assert_error(world.send("/v1/track", text, headers={"Content-Encoding": "gzip"}), 400)


def resident(gateway):
    with open(f"/proc/{gateway.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


@case(19)
def gzip_bomb(world):
    bomb = gzip.compress(b" " * 200_000_000)
    assert len(bomb) < 500_000
    before = resident(world.gateway)
    for _ in range(3):
        answer = world.send("/v1/batch", bomb, headers={"Content-Encoding": "gzip"})
        assert_error(answer, 400)
        assert answer.json["message"] == "Exceed payload limit"
    assert resident(world.gateway) - before < 32_000_000


@case(20)
def not_a_json_object(world):
    for body in (b"", b"{", b"nonsense", b"[]", b'[{"userId":"u","event":"e"}]', b"5", b'"x"',
                 b"null", b'{"userId":"u","event":"e"'):
        assert_error(world.send("/v1/track", body), 400)


@case(21)
def invalid_utf8(world):
    assert_error(world.send("/v1/track", b'{"userId":"u","event":"\xc3\x28"}'), 400)


@case(22)
def success_is_exactly_200(world):
    answer = world.track()
    assert_ok(answer)
    assert answer.body == b'{"success":true}'


@case(23)
def errors_have_what_clients_read(world):
    assert_error(world.send("/v1/track", b"{"), 400)
    assert_error(world.track("nobody"), 401)
    assert_error(world.send("/v1/nothing", {}), 404)
    assert_error(harness.Client(world.gateway.ingest_port).get("/v1/track"), 405)
    assert_error(world.send("/v1/track", b"x", headers={"Content-Encoding": "br"}), 415)


def sized(size, filler="x", **fields):
    event = {"userId": "u", "event": "e", "properties": {"f": ""}, **fields}
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    count, rest = divmod(size - len(text.encode()), len(filler.encode()))
    return text.replace('"f":""', '"f":"' + filler * count + "x" * rest + '"').encode()


@case(24)
def the_largest_event(world):
    message_id = world.id()
    body = sized(32768, messageId=message_id, timestamp=iso(now()), type="track")
    assert_ok(world.send("/v1/track", body))
    world.arrived(message_id)
    assert_ok(world.send("/v1/track", sized(32768)))  # Bare: it grows by what we fill in.
    answer = world.send("/v1/track", sized(32769))
    assert_error(answer, 400)
    assert answer.json["message"] == "Exceed payload limit"


@case(25)
def sizes_are_bytes(world):
    body = sized(32769, "漢")
    assert len(body.decode()) < 32768
    assert_error(world.send("/v1/track", body), 400)


@case(26)
def one_large_event_in_a_batch(world):
    message_id = world.id()
    good = {"type": "track", "userId": "u", "event": "e", "messageId": message_id}
    big = {**good, "messageId": "big", "properties": {"f": "x" * 40000}}
    answer = world.batch(good, big)
    assert answer.status == 200 and answer.json["accepted"] == 1
    assert answer.json["rejected"][0]["index"] == 1
    assert answer.json["rejected"][0]["code"] == "event_too_large"
    world.arrived(message_id)
    world.strict_refuses("/v1/batch", {"batch": [good, big]}, "event_too_large")


@case(27)
def a_batch_over_the_limit(world):
    item = {"type": "track", "userId": "u", "event": "e", "properties": {"f": "x" * 30000}}
    answer = world.batch(*[item] * 18)
    assert_error(answer, 400)
    assert answer.json["message"] == "Exceed payload limit"


@case(28)
def the_number_of_events(world):
    item = {"type": "page", "userId": "u"}
    assert_ok(world.batch(*[item] * 2500, tenant="globex"))
    assert_error(world.batch(*[item] * 2501, tenant="globex"), 400)


@case(29)
def empty_batches(world):
    before = world.note("empty_batch")
    assert_ok(world.batch())
    assert world.note("empty_batch") == before + 1
    for body in ({}, {"batch": {}}, {"batch": "x"}, {"batch": None}):
        assert_error(world.send("/v1/batch", body), 400)


@case(30)
def items_without_a_known_type(world):
    message_id = world.id()
    good = {"type": "track", "userId": "u", "event": "e", "messageId": message_id}
    bad = [{"userId": "u", "event": "e"}, {"type": "trick", "userId": "u"}]
    answer = world.batch(good, *bad)
    assert answer.status == 200 and answer.json["accepted"] == 1
    assert [entry["code"] for entry in answer.json["rejected"]] == ["type_missing", "type_unknown"]
    world.arrived(message_id)
    world.strict_refuses("/v1/batch", {"batch": [good, bad[0]]}, "type_missing")


@case(31)
def one_bad_of_three(world):
    ids = [world.id() for _ in range(3)]
    items = [{"type": "track", "userId": "u", "event": "e", "messageId": message_id}
             for message_id in ids]
    del items[1]["event"]
    answer = world.batch(*items)
    assert answer.status == 200 and answer.json["accepted"] == 2
    assert answer.json["rejected"][0]["index"] == 1
    world.arrived(ids[0])
    world.arrived(ids[2])
    assert ids[1] not in world.sandbox.ids("acme")

# SPDX-License-Identifier: Apache-2.0
"""The ingest listener's answers, to good, bad, huge and slow requests."""

import base64
import gzip
import json

import pytest

import harness

EVENT = {"userId": "u1", "event": "Asked"}


def post(gateway, body, path="/v1/track", key="acme-ingest-key-1", headers=None):
    client = harness.Client(gateway.ingest_port, key)
    try:
        return client.post(path, body, headers)
    finally:
        client.close()


def assert_refused(answer, *statuses):
    """Every refusal has the fields that the SDKs look for."""
    assert answer.status in statuses, answer
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json["success"] is False
    for field in ("code", "message", "error"):
        assert isinstance(answer.json[field], str) and answer.json[field]


def test_forms_of_authentication(gateway, sandbox):
    key = harness.ingest_key("acme")
    forms = [
        (EVENT, {"Authorization": harness.basic(key)}),
        (EVENT, {"Authorization": harness.basic(key, colon=False)}),
        (EVENT, {"Authorization": harness.basic(key).replace("Basic", "basic")}),
        ({**EVENT, "writeKey": key}, {}),
        # The header decides when both are there.
        ({**EVENT, "writeKey": "another"}, {"Authorization": harness.basic(key)}),
    ]
    for body, headers in forms:
        assert post(gateway, body, key=None, headers=headers).status == 200
    batch = {"batch": [{"type": "track", **EVENT}], "writeKey": key}
    assert post(gateway, batch, "/v1/batch", key=None).status == 200
    gateway.wait_drained()
    assert len(sandbox.events("acme")) == len(forms) + 1


def test_refused_credentials(gateway):
    for headers in ({}, {"Authorization": "Bearer abc"}, {"Authorization": "Basic !!!"},
                    {"Authorization": harness.basic("unknown")}, {"Authorization": ""},
                    {"Authorization": "Basic " + base64.b64encode(b":password").decode()}):
        assert_refused(post(gateway, EVENT, key=None, headers=headers), 400, 401)
    assert_refused(post(gateway, {**EVENT, "writeKey": "unknown"}, key=None), 400, 401)
    assert_refused(post(gateway, {**EVENT, "writeKey": 7}, key=None), 400, 401)


def test_unknown_tenant_of_a_service_key(gateway):
    for headers in ({"X-Tenant-Id": "nobody"}, {}):
        assert_refused(post(gateway, EVENT, key="backend-service-key-1", headers=headers),
                       400, 401, 403, 404)


def test_other_paths_and_methods(gateway):
    client = harness.Client(gateway.ingest_port, harness.ingest_key("acme"))
    assert_refused(client.post("/v1/nothing", EVENT), 404)
    assert_refused(client.post("/", EVENT), 404)
    assert_refused(client.get("/v1/track"), 405)
    assert_refused(client.request("PUT", "/v1/batch", EVENT), 405)
    assert client.post("/v1/track", EVENT).status == 200


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"7", b'"text"', b"null", b'{"userId":"u1"', b'{"userId":}', b"\x00" * 10,
    b'{"userId":"u1","event":"\xff\xfe"}', b'{"userId":"u1","event":"x"} trailing',
    b"[" * 100000, b'{"a":' * 2000,
], ids=lambda body: repr(body[:24]))
def test_what_is_not_a_json_object(gateway, body):
    assert_refused(post(gateway, body), 400)
    assert_refused(post(gateway, body, "/v1/batch"), 400)
    assert post(gateway, EVENT).status == 200


def test_a_batch_that_is_no_list(gateway):
    for envelope in ({}, {"batch": {}}, {"batch": "x"}, {"batch": None}):
        assert_refused(post(gateway, envelope, "/v1/batch"), 400)
    assert post(gateway, {"batch": []}, "/v1/batch").status == 200


def sized_event(size, filler="x"):
    """An event whose JSON text has exactly `size` bytes."""
    text = json.dumps({**EVENT, "properties": {"f": ""}}, ensure_ascii=False)
    missing = size - len(text.encode())
    count, rest = divmod(missing, len(filler.encode()))
    return text.replace('"f": ""', '"f": "' + filler * count + "x" * rest + '"').encode()


def test_the_size_of_an_event(gateway):
    for filler in ("x", "漢"):
        assert post(gateway, sized_event(32768, filler)).status == 200
        answer = post(gateway, sized_event(32769, filler))
        assert_refused(answer, 400, 413)
        assert answer.json["message"] == "Exceed payload limit"


def test_the_size_of_a_batch(gateway, sandbox):
    items = [{"type": "track", **EVENT, "messageId": f"m-{n}"} for n in range(2501)]
    assert_refused(post(gateway, {"batch": items}, "/v1/batch"), 400)
    assert post(gateway, {"batch": items[:2500]}, "/v1/batch").json == {"success": True}
    big = {"type": "track", **EVENT, "messageId": "big", "properties": {"f": "x" * 40000}}
    answer = post(gateway, {"batch": [items[0], big]}, "/v1/batch")
    assert answer.status == 200 and answer.json["accepted"] == 1
    assert [entry["index"] for entry in answer.json["rejected"]] == [1]
    too_big = {"batch": [{**big, "properties": {"f": "x" * 30000}}] * 18}
    answer = post(gateway, too_big, "/v1/batch")
    assert_refused(answer, 400, 413)
    assert answer.json["message"] == "Exceed payload limit"
    gateway.wait_drained()
    assert "big" not in sandbox.ids()
    gateway.assert_conserved()


def test_keep_alive_and_pipelining(gateway, sandbox):
    key = harness.ingest_key("acme")
    bodies = [json.dumps({**EVENT, "messageId": f"m-{n}"}).encode() for n in range(50)]
    raw = harness.Raw(gateway.ingest_port)
    stream = b"".join(harness.post_bytes("/v1/track", body, key) for body in bodies)
    stream += harness.post_bytes("/v1/nothing", b"{}", key)
    stream += harness.post_bytes("/v1/track", bodies[0], key)
    raw.send(stream)
    answers = [raw.answer()[0] for _ in range(52)]
    assert answers == [200] * 50 + [404, 200]
    raw.close()
    gateway.wait_drained()
    assert sandbox.ids()[:50] == [f"m-{n}" for n in range(50)]


def test_a_body_in_chunks(gateway, sandbox):
    raw = harness.Raw(gateway.ingest_port)
    body = json.dumps(EVENT).encode()
    head = harness.post_bytes("/v1/track", b"", harness.ingest_key("acme")).replace(
        b"Content-Length: 0", b"Transfer-Encoding: chunked")
    raw.send(head)
    for byte in body:
        raw.send(b"1\r\n" + bytes([byte]) + b"\r\n")
    raw.send(b"0\r\n\r\n")
    assert raw.answer()[0] == 200
    # No length is announced here: the limit has to be seen while the body comes.
    raw.send(head + b"9000\r\n" + b"x" * 0x9000)
    status, answer = raw.answer()
    assert status in (400, 413) and json.loads(answer)["message"] == "Exceed payload limit"
    raw.close()
    gateway.wait_drained()
    assert len(sandbox.events()) == 1


def test_an_announced_body_over_the_limit_is_refused_before_it_comes(gateway):
    raw = harness.Raw(gateway.ingest_port)
    head = harness.post_bytes("/v1/batch", b"", harness.ingest_key("acme"))
    raw.send(head.replace(b"Content-Length: 0", b"Content-Length: 99999999"))
    status, body = raw.answer()
    assert status in (400, 413)
    assert json.loads(body)["message"] == "Exceed payload limit"
    assert raw.closed()
    assert post(gateway, EVENT).status == 200


def test_an_oversized_header(gateway):
    raw = harness.Raw(gateway.ingest_port)
    raw.send(b"POST /v1/track HTTP/1.1\r\nHost: g\r\nX-Fill: " + b"x" * 20000 + b"\r\n\r\n")
    status, body = raw.answer()
    assert status in (400, 431) and json.loads(body)["success"] is False
    assert raw.closed()


@pytest.mark.parametrize("noise", [
    b"\x16\x03\x01\x02\x00\x01\x00", b"NOT HTTP\r\n\r\n", b"POST /v1/track HTTP/9.9\r\n\r\n",
    b"POST /v1/track HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    b"POST /v1/track HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"\r\n" * 5000,
], ids=lambda noise: repr(noise[:40]))
def test_what_is_not_http(new_gateway, noise):
    gateway = new_gateway(ingest={"header_timeout": "500ms", "idle_timeout": "1s"}).start()
    raw = harness.Raw(gateway.ingest_port)
    raw.send(noise + b"\r\n\r\n")
    status, _ = raw.answer()
    # 503: what could still become a request was waited for, and its time is over; 0: no
    # request was begun (line breaks between requests are none).
    assert status in (0, 400, 431, 503, 505)
    raw.close()
    assert post(gateway, EVENT).status == 200


def test_slow_clients_are_let_go(new_gateway):
    gateway = new_gateway(ingest={"header_timeout": "300ms", "body_timeout": "300ms",
                                  "idle_timeout": "1s"}).start()
    key = harness.ingest_key("acme")
    whole = harness.post_bytes("/v1/track", json.dumps(EVENT).encode(), key)
    head_end = whole.index(b"\r\n\r\n")
    for part in (whole[:20], whole[:head_end + 4], whole[:-3], b""):
        raw = harness.Raw(gateway.ingest_port)
        raw.send(part)
        status, _ = raw.answer()
        # Never 408: several SDKs drop their batch on it.
        assert status in (0, 400, 503)
        raw.close()
    assert post(gateway, EVENT).status == 200
    assert gateway.metrics().total("events_accepted_total") == 1


def test_expect_100_continue(gateway):
    key = harness.ingest_key("acme")
    body = json.dumps(EVENT).encode()
    request = harness.post_bytes("/v1/track", body, key, ["Expect: 100-continue"])
    raw = harness.Raw(gateway.ingest_port)
    raw.send(request[:-len(body)])
    interim = raw._socket.recv(4096)
    assert interim.startswith(b"HTTP/1.1 100")
    raw.send(body)
    assert raw.answer()[0] == 200
    raw.close()


def test_unsupported_encodings(gateway):
    body = gzip.compress(json.dumps(EVENT).encode())
    for coding, statuses in (("br", (415, 400)), ("gzip", (200, 415))):
        answer = post(gateway, body, headers={"Content-Encoding": coding})
        assert answer.status in statuses
        if answer.status != 200:
            assert_refused(answer, 400, 415)


def test_short_of_memory_it_refuses_before_the_body(new_gateway):
    gateway = new_gateway(ingest={"max_process_memory": "1MiB"}).launch()
    gateway.process.wait_for_log(event="memory_refusing")
    assert gateway.admin("/readyz").status == 503
    body = json.dumps(EVENT).encode()
    request = harness.post_bytes("/v1/track", body, harness.ingest_key("acme"))
    raw = harness.Raw(gateway.ingest_port)
    raw.send(request[:-len(body)])
    status, answer = raw.answer()
    assert status == 503 and json.loads(answer)["code"] == "overloaded"
    # The body comes after the answer, and the connection goes on.
    raw.send(body + request)
    assert raw.answer()[0] == 503
    raw.close()
    assert int(post(gateway, EVENT).headers["retry-after"]) >= 1
    metrics = gateway.metrics()
    assert metrics.total("events_accepted_total") == 0
    assert metrics.with_label("ingest_shed_requests_total", 'reason="memory"') == 3


@pytest.mark.parametrize("key", [None, harness.ingest_key("acme")], ids=["no key", "one tenant"])
def test_bodies_that_are_announced_and_never_come_lock_nobody_out(gateway, key):
    lines = ["POST /v1/b HTTP/1.1", "Host: g", "Transfer-Encoding: chunked"]
    if key:
        lines.append(f"Authorization: {harness.basic(key)}")
    head = "\r\n".join(lines).encode() + b"\r\n\r\n1\r\n{\r\n"
    silent = [harness.Raw(gateway.ingest_port) for _ in range(300)]
    for raw in silent:
        raw.send(head)
    answer = post(gateway, {"batch": [{"type": "track", **EVENT}],
                            "writeKey": harness.ingest_key("acme")}, "/v1/batch", key=None)
    assert answer.status == 200, answer
    assert post(gateway, EVENT).status == 200
    for raw in silent:
        raw.close()


def test_a_body_beyond_the_room_is_refused_as_it_comes(new_gateway):
    gateway = new_gateway(ingest={"max_in_flight_bytes": "1MiB"}).start()
    key = harness.ingest_key("acme")
    request = harness.post_bytes("/v1/batch", b" " * 500_000, key)
    first = None

    def no_more_room():
        nonlocal first
        if first is None or first.heard():
            # Alone it may have more than its tenant's quarter; it was not, the other came first.
            first = harness.Raw(gateway.ingest_port)
            first.send(request[:200_000])
        return post(gateway, sized_event(30_000)).status == 503

    harness.wait_until(no_more_room, "no more room")
    first.send(request[200_000:])
    assert first.answer()[0] == 400  # Not JSON; it was read whole.
    first.close()
    assert post(gateway, sized_event(30_000)).status == 200


def test_connections_over_the_limit(new_gateway):
    gateway = new_gateway(ingest={"max_connections": 4}).start()
    clients = [gateway.client() for _ in range(4)]
    for client in clients:
        assert client.post("/v1/track", EVENT).status == 200
    extra = harness.Raw(gateway.ingest_port)
    extra.send(harness.post_bytes("/v1/track", b"{}", harness.ingest_key("acme")))
    assert extra.answer()[0] in (0, 503)
    extra.close()
    clients.pop().close()
    harness.wait_until(lambda: accepted(gateway), "a free place")


def accepted(gateway):
    try:
        return post(gateway, EVENT).status == 200
    except (OSError, harness.http.client.HTTPException):
        return False


def test_idle_connections_keep_no_large_answer(gateway):
    """A dry run of 36 KB may be answered with 4 MB."""
    body = {"context": {"fill": "x" * 30_000},
            "batch": [{"type": "track", "userId": "u", "event": "e"}] * 130}
    clients = [harness.Client(gateway.ingest_port, harness.ingest_key("acme"))
               for _ in range(60)]
    try:
        before = 0
        for client in clients:
            answer = client.post("/v1/validate", body)
            assert answer.status == 200 and len(answer.body) > 3_900_000
            before = before or gateway.process.resident_bytes()
        grown = gateway.process.resident_bytes() - before
        assert grown < 20 * len(answer.body), f"{grown} bytes for {len(clients)} connections"
    finally:
        for client in clients:
            client.close()
